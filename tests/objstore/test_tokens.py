import pytest

from kms.aws.errors import AWSError
from objstore.tokens import TOKEN_CHARACTERS_MAX, Tokens

TOKENS = Tokens(bytes(range(64)))
LISTING = (b"ListObjectsV2", b"bucket", b"photos/", b"/")


@pytest.mark.parametrize("after", [b"", b"key", bytes(range(256)), b"k" * 1024])
def test_tokens_come_back(after: bytes) -> None:
    token = TOKENS.make(LISTING, after)
    assert Tokens(bytes(range(64))).read(LISTING, token) == after
    assert len(token) <= TOKEN_CHARACTERS_MAX


def test_tokens_tell_nothing() -> None:
    token = TOKENS.make(LISTING, b"secret-name")
    assert "secret" not in token
    assert token != Tokens(bytes(64)).make(LISTING, b"secret-name")


@pytest.mark.parametrize(
    "listing",
    [
        (b"ListObjectsV2", b"other", b"photos/", b"/"),
        (b"ListObjectsV2", b"bucket", b"photos", b"//"),
        (b"ListBuckets", b"bucket", b"photos/", b"/"),
        (b"ListObjectsV2", b"bucket", b"photos/"),
    ],
)
def test_a_token_fits_its_listing_only(listing: tuple[bytes, ...]) -> None:
    token = TOKENS.make(LISTING, b"key")
    with pytest.raises(AWSError, match="InvalidArgument"):
        TOKENS.read(listing, token)


def test_a_changed_token_is_refused() -> None:
    token = TOKENS.make(LISTING, b"key")
    changed = [
        token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        for at in range(len(token) - 4)
    ]
    for wrong in ["", "a", "ü", token[:-4], token + "AAAA", "A" * 4000, *changed]:
        with pytest.raises(AWSError) as caught:
            TOKENS.read(LISTING, wrong)
        assert caught.value.fields == {"ArgumentName": "continuation-token"}
