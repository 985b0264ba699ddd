"""What every client is given, and what it is asked to do."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

STEPS = ("put", "multipart", "get", "range", "list", "copy", "sse-kms", "delete")


class MissingError(Exception):
    """A client that is not installed."""


@dataclass
class Scene:
    """A server with one bucket, a KMS key, and two files of random bytes."""

    endpoint: str
    folder: Path
    small: Path
    large: Path
    bucket: str = "clients"
    key_arn: str = ""
    access_key_id: str = "test"
    secret_access_key: str = "test"
    region: str = "us-east-1"

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name[:4] != "AWS_"}
        return {
            **inherited,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_PAGER": "",
            "AWS_EC2_METADATA_DISABLED": "true",
            "BUCKET": self.bucket,
            "SMALL": str(self.small),
            "LARGE": str(self.large),
            "KEY_ARN": self.key_arn,
        }

    def out(self, name: str) -> Path:
        """A path to download to; nothing is there."""
        path = self.folder / f"out-{name.replace('/', '-')}"
        path.unlink(missing_ok=True)
        return path


@dataclass
class Client:
    """A client and its steps; a step raises if it did not do what it should."""

    name: str
    steps: Mapping[str, Callable[[], object]]


def same(got: bytes, wanted: bytes) -> None:
    if got != wanted:
        raise AssertionError(f"{len(got)} other bytes than the {len(wanted)} that were put")


def equal(got: object, wanted: object) -> None:
    if got != wanted:
        raise AssertionError(f"{got!r} instead of {wanted!r}")
