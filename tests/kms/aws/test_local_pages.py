import pytest

from kms.aws.local_pages import is_asked_here

HERE = [
    "localhost",
    "localhost:9000",
    "bucket.localhost:9000",
    "127.0.0.1:9000",
    "127.8.9.1",
    "[::1]:9000",
]
ELSEWHERE = [
    "",
    "evil.example:9000",
    "localhost.evil.example",
    "notlocalhost",
    "127.0.0.1.evil.example",
    "192.0.2.1:9000",
    "[2001:db8::1]:9000",
    "evil.example@localhost@evil.example",
    "[::1",
    "0x7f.1",
]


@pytest.mark.parametrize("host", HERE)
def test_this_machines_names(host: str) -> None:
    assert is_asked_here({"host": host})
    assert is_asked_here({"host": host, "origin": f"http://{host}"})
    assert is_asked_here({"host": host, "sec-fetch-site": "none"})


@pytest.mark.parametrize("host", ELSEWHERE)
def test_other_names(host: str) -> None:
    assert not is_asked_here({"host": host})
    assert not is_asked_here({"host": "localhost:9000", "origin": f"https://{host}"})


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"host": "localhost:9000", "origin": "null"},
        {"host": "localhost:9000", "origin": ""},
        {"host": "localhost:9000", "sec-fetch-site": "cross-site"},
    ],
)
def test_who_does_not_say_so(headers: dict[str, str]) -> None:
    assert not is_asked_here(headers)
