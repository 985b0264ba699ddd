from datetime import UTC, datetime

import pytest

from kms.aws.errors import AWSError
from objstore.names import (
    check_bucket_name,
    check_encoding_type,
    check_header,
    encode_key,
    http_date,
    instant,
    key_bytes,
    owner_id,
    page_size,
    whole_second,
)


@pytest.mark.parametrize(
    "name", ["abc", "a-b.c", "0" * 63, "1.2.3", "my-xn--bucket", "192.168.5.4.x", "a.b-c.d"]
)
def test_bucket_names(name: str) -> None:
    check_bucket_name(name)


# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
@pytest.mark.parametrize(
    "name",
    [
        "",
        "ab",
        "a" * 64,
        "Upper",
        "under_score",
        "-start",
        "end-",
        ".start",
        "end.",
        "two..dots",
        "192.168.5.4",
        "xn--bucket",
        "sthree-bucket",
        "amzn-s3-demo-bucket",
        "name-s3alias",
        "name--ol-s3",
        "name.mrap",
        "name--x-s3",
        "name--table-s3",
        "bücket",
        "a b",
        "abc\n",
    ],
)
def test_names_that_no_bucket_has(name: str) -> None:
    with pytest.raises(AWSError) as caught:
        check_bucket_name(name)
    assert (caught.value.code, caught.value.fields) == ("InvalidBucketName", {"BucketName": name})


def test_what_can_be_a_header() -> None:
    check_header("x-amz-meta-a_b.c", "a b: \u00fc\t")
    for name, value in (
        ("", "a"),
        ("a b", "a"),
        ("a:", "a"),
        ("a\n", "a"),
        ("a", "\r"),
        ("a", "\0"),
    ):
        with pytest.raises(AWSError, match="characters that are not allowed"):
            check_header(name, value)


def test_keys_are_bounded_in_bytes() -> None:
    assert key_bytes("ü" * 512) == "ü".encode() * 512
    with pytest.raises(AWSError) as caught:
        key_bytes("ü" * 512 + "a")
    assert caught.value.fields == {"Size": "1025", "MaxSizeAllowed": "1024"}


def test_owners_are_the_same_for_ever() -> None:
    mine = "53b96f1b979daafb25d11b317cc19b6f9382781459fa0321d793298561d7b6b6"
    assert owner_id("123456789012") == mine
    assert owner_id("111122223333") != mine


def test_times() -> None:
    assert instant(1_700_000_000_250) == datetime(2023, 11, 14, 22, 13, 20, 250_000, tzinfo=UTC)
    assert whole_second(1_700_000_000_999) == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert http_date(1_700_000_000_999) == "Tue, 14 Nov 2023 22:13:20 GMT"


@pytest.mark.parametrize(
    ("key", "encoded"),
    [
        ("a/b.c-d_e*f", "a/b.c-d_e*f"),
        ("a b+c", "a%20b%2Bc"),
        ("ü", "%C3%BC"),
        ("\x00\n&<", "%00%0A%26%3C"),
        ("~", "~"),
    ],
)
def test_keys_in_listings(key: str, encoded: str) -> None:
    assert encode_key(key.encode(), "url") == encoded
    assert encode_key(key.encode(), None) == key


@pytest.mark.parametrize("encoding_type", ["URL", "", "gzip"])
def test_only_url_is_an_encoding(encoding_type: str) -> None:
    check_encoding_type("url")
    check_encoding_type(None)
    with pytest.raises(AWSError, match="InvalidArgument"):
        check_encoding_type(encoding_type)


def test_page_sizes() -> None:
    sizes = [page_size(value, "max-keys", 1000) for value in (None, 0, 5, 1000, 1001)]
    assert sizes == [1000, 0, 5, 1000, 1000]
    with pytest.raises(AWSError) as caught:
        page_size(-1, "max-keys", 1000)
    assert caught.value.fields == {"ArgumentName": "max-keys", "ArgumentValue": "-1"}
