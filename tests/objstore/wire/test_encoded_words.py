import pytest

from objstore.wire.encoded_words import as_header, decoded, encoded_word


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("ÄMÄZÕÑ S3", b"=?UTF-8?Q?=C3=84M=C3=84Z=C3=95=C3=91_S3?="),
        ("a_é=?", b"=?UTF-8?Q?a=5F=C3=A9=3D=3F?="),
        ("\x00\x01\x02\x03", b"=?UTF-8?B?AAECAw==?="),
        ("é\ufffd", b"=?UTF-8?B?w6nvv70=?="),
    ],
)
def test_text_becomes_one_word_and_text_again(text: str, word: bytes) -> None:
    assert encoded_word(text) == word
    assert decoded(word.decode()) == text


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("plain", "plain"),
        ("what=?", "what=?"),
        ("=?UTF-8?Q?actually-ascii?=", "actually-ascii"),
        ("=?utf-8?b?YWJj?=", "abc"),
        ("=?ISO-8859-1?Q?=E9?=", "é"),
        ("=?UTF-8?B?=GGG?=", "=?UTF-8?B?=GGG?="),
        ("=?UTF-8?Q?=FF?=", "=?UTF-8?Q?=FF?="),
        ("=?nowhere?Q?a?=", "=?nowhere?Q?a?="),
    ],
)
def test_headers(header: str, text: str) -> None:
    assert decoded(header) == text


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("plain = ?\t", "plain = ?\t"),
        ("=?UTF-8?Q?a?=", "=?UTF-8?Q?=3D=3FUTF-8=3FQ=3Fa=3F=3D?="),
        ("ü\x00", "=?UTF-8?B?w7wA?="),
    ],
)
def test_text_that_is_to_stay_as_it_is(text: str, header: str) -> None:
    assert as_header(text) == header
    assert decoded(header) == text
