import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFHMAC, CounterLocation, Mode
from hypothesis import given
from hypothesis import strategies as st

from kms import ciphertext
from kms.ciphertext import KIND_DATA_KEY, KIND_ENCRYPT, canonical, parse, seal, unseal
from kms.errors import KMSError

KEY = bytes(range(32))
DERIVATION = ciphertext.derivation(KEY)
MATERIAL = bytes(range(100, 132))


def sealed(plaintext: bytes, context: bytes = b"\0\0\0\0", kind: int = KIND_ENCRYPT) -> bytes:
    return seal(DERIVATION, material_id=MATERIAL, kind=kind, plaintext=plaintext, context=context)


@pytest.mark.parametrize("length", [1, 27, 32, 100, 101, 200, 228, 229, 230, 500, 4095, 4096])
@pytest.mark.parametrize("kind", [KIND_ENCRYPT, KIND_DATA_KEY])
def test_round_trip(length: int, kind: int) -> None:
    plaintext = bytes(index % 251 for index in range(length))
    blob = parse(sealed(plaintext, kind=kind))
    assert (blob.kind, blob.material_id) == (kind, MATERIAL)
    assert unseal(DERIVATION, blob, b"\0\0\0\0") == plaintext


@pytest.mark.parametrize(("length", "size"), [(27, 179), (32, 184)])
def test_sizes_are_those_of_aws(length: int, size: int) -> None:
    assert len(sealed(bytes(length))) == size


def test_every_size_has_its_layout() -> None:
    sizes = [ciphertext._layout(length).size for length in range(1, 4097)]
    assert sizes == sorted(set(sizes))
    for length, size in enumerate(sizes, 1):
        found = ciphertext._layout_of_size(size)
        assert found == ciphertext._layout(length)


def test_layout_byte_by_byte() -> None:
    blob = sealed(b"x" * 32, kind=KIND_DATA_KEY)
    assert blob[:5].hex() == "0102030078"
    assert blob[5:37] == MATERIAL
    assert blob[37] == 1
    assert int.from_bytes(blob[54:58]) == len(blob) - 58 == 126
    assert (
        blob[58:112].hex()
        == (
            "307c06092a864886f70d010706a06f306d020100306806092a864886f70d010701"
            "301e060960864801650304012e3011040c"
        )
        + blob[108:112].hex()
    )
    assert blob[120:125].hex() == "020110803b"


def test_construction_from_its_parts() -> None:
    """Opens a blob with cryptography's KBKDF, so that the documented construction is the real."""
    context = canonical({"a": "b"})
    blob = sealed(b"secret", context)
    derived = KBKDFHMAC(
        algorithm=hashes.SHA256(),
        mode=Mode.CounterMode,
        length=32,
        rlen=4,
        llen=4,
        location=CounterLocation.BeforeFixed,
        label=b"kms/v1/encrypt",
        context=blob[38:54],
        fixed=None,
    ).derive(KEY)
    nonce = blob[-(6 + 27 + 5 + 12) : -(6 + 27 + 5)]
    opened = AESGCM(derived).decrypt(nonce, blob[-(6 + 27) :], blob[:58] + context)
    assert opened == bytes(11) + b"secret"


def test_canonical_contexts_are_unambiguous() -> None:
    assert canonical({"a": "bc"}) != canonical({"ab": "c"})
    assert canonical({"a": "b", "c": "d"}) == canonical({"c": "d", "a": "b"})
    assert canonical({"é": "1"}).hex() == "0000000100000002c3a90000000131"
    blob = parse(sealed(b"secret", canonical({"a": "bc"})))
    with pytest.raises(KMSError):
        unseal(DERIVATION, blob, canonical({"ab": "c"}))


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=4))
def test_canonical_can_be_read_back(context: dict[str, str]) -> None:
    encodable = all(
        text.encode("utf-8", "replace").decode() == text
        for pair in context.items()
        for text in pair
    )
    if not encodable:
        return
    data = canonical(context)
    position, found = 4, {}
    for _ in range(int.from_bytes(data[:4])):
        pair = []
        for _ in range(2):
            length = int.from_bytes(data[position : position + 4])
            pair.append(data[position + 4 : position + 4 + length].decode())
            position += 4 + length
        found[pair[0]] = pair[1]
    assert found == context
    assert position == len(data)


@pytest.mark.parametrize("context", [{"a": "b" * 8192}, {"\ud800": "b"}])
def test_contexts_that_are_refused(context: dict[str, str]) -> None:
    with pytest.raises(KMSError, match="ValidationException"):
        canonical(context)


def assert_refused(blob: bytes, key: bytes = KEY, context: bytes = b"\0\0\0\0") -> None:
    with pytest.raises(KMSError) as caught:
        unseal(ciphertext.derivation(key), parse(blob), context)
    assert (caught.value.code, caught.value.message) == ("InvalidCiphertextException", "")


def test_every_flipped_byte_is_noticed() -> None:
    blob = sealed(b"x" * 32)
    for position in range(len(blob)):
        for flip in (0x01, 0x80):
            tampered = bytearray(blob)
            tampered[position] ^= flip
            assert_refused(bytes(tampered))


def test_every_truncation_and_extension_is_noticed() -> None:
    blob = sealed(b"x" * 32)
    for length in range(len(blob)):
        assert_refused(blob[:length])
    assert_refused(blob + b"\0")
    assert_refused(bytes(6144))


def test_wrong_key_and_wrong_context() -> None:
    blob = sealed(b"x")
    assert_refused(blob, key=bytes(32))
    assert_refused(blob, context=canonical({"a": "b"}))


def test_a_content_without_the_commitment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(ciphertext, "_COMMITMENT", b"not zeros..")
        blob = sealed(b"x" * 32)
    assert_refused(blob)


def test_two_blobs_of_one_plaintext_differ() -> None:
    assert sealed(b"x") != sealed(b"x")
