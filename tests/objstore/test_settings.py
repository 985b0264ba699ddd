from pathlib import Path

from objstore.settings import Settings


def test_settings_travel_as_json() -> None:
    settings = Settings(
        Path("data"), port=0, workers=3, seed=Path("s.toml"), domains=("localhost", "s3.test")
    )
    assert Settings.from_json(settings.to_json()) == settings


def test_what_follows_from_the_host_and_the_certificate() -> None:
    assert Settings(Path("data")).loopback
    assert not Settings(Path("data"), host="0.0.0.0").loopback
    assert Settings(Path("data")).scheme == "http"
    assert Settings(Path("data"), tls_cert=Path("c"), tls_key=Path("k")).scheme == "https"
