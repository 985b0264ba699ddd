"""The Bob walkthrough: envelope encryption shown with the real values of this run.

Bob uploads a sensitive document with SSE-KMS and downloads it again, with the aws CLI, against a
running `--dev` server. What S3 and KMS did comes from the server's own trace of Bob's requests
and from the data folder; every step is checked, and the exit status is 0 only if all held.
"""

import hashlib
import json
import os
import secrets
import subprocess
import sys
import urllib.request
from base64 import b64decode
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

sys.path.insert(0, str(Path(__file__).with_name("faults")))

from workplace import workplace

BUCKET = "bobs-documents"
OBJECT = "sensitive/report.txt"
COMMAND_SECONDS_MAX = 60
DOCUMENT_LINES = 400


class StepError(Exception):
    """A step of the story did not turn out as it must."""


class Story:
    """Runs the steps, prints them and stops at the first that does not hold."""

    def __init__(self, endpoint: str, data: Path, folder: Path) -> None:
        self.endpoint = endpoint
        self.data = data
        self.folder = folder
        self.marker = f"Top secret {secrets.token_hex(16)}"
        self.document = folder / "report.txt"
        self.document.write_text(f"{self.marker}: Bob's plan.\n" * DOCUMENT_LINES)
        self.key_arn = ""

    def tell(self) -> None:
        self.chapter("Bob, his bucket and his key")
        self.prepare()
        self.chapter("Upload")
        self.upload()
        self.chapter("What lies on disk")
        self.look_at_the_disk()
        self.chapter("Download")
        self.download()
        self.chapter("The key is disabled, and enabled again")
        self.disable_and_enable()
        self.chapter("Another key for the same document")
        self.change_the_key()

    def prepare(self) -> None:
        if self.aws("s3api", "head-bucket", "--bucket", BUCKET, fails=None).returncode:
            self.aws("s3", "mb", f"s3://{BUCKET}")
        made = json.loads(self.aws("kms", "create-key", "--description", "Bob's documents").stdout)
        self.key_arn = made["KeyMetadata"]["Arn"]
        self.fact("KMS key", self.key_arn)
        self.say("The key never leaves KMS. It can encrypt at most 4 KB, so S3 will ask for a")
        self.say("data key: one key to encrypt the document, itself encrypted by the KMS key.")

    def upload(self) -> None:
        self.aws(
            "s3", "cp", str(self.document), f"s3://{BUCKET}/{OBJECT}",
            "--sse", "aws:kms", "--sse-kms-key-id", self.key_arn,
        )  # fmt: skip
        steps = self.trace("PutObject")
        asked = self.step(steps, "request")
        self.say("1. Bob uploads and asks for SSE-KMS.")
        self.check(asked.get("algorithm") == "aws:kms", "S3 saw the request for aws:kms")
        generated = self.step(steps, "GenerateDataKey")
        self.say("2. S3 asks KMS for a data key under Bob's KMS key.")
        self.check(generated["key_arn"] == self.key_arn, "KMS used Bob's key")
        self.fact("encryption context", json.dumps(generated["encryption_context"]))
        expected = {"aws:s3:arn": f"arn:aws:s3:::{BUCKET}/{OBJECT}"}
        self.check(generated["encryption_context"] == expected, "bound to this very object")
        self.say("3. KMS returns the data key twice.")
        self.fact("in plaintext, fingerprint", generated["fingerprint"])
        self.fact("encrypted", generated["wrapped_key"][:60] + "...")
        self.wrapped_key = b64decode(generated["wrapped_key"])
        self.fingerprint = generated["fingerprint"]
        encrypted = self.step(steps, "encrypt")
        self.say("4. S3 encrypts the document with the plaintext data key.")
        self.fact("suite", encrypted["suite"])
        self.fact("sizes", f"{encrypted['plaintext_bytes']} -> {encrypted['sealed_bytes']} bytes")
        size = self.document.stat().st_size
        self.check(encrypted["plaintext_bytes"] == size, "all of the document went through")
        stored = self.step(steps, "store")
        self.say("5. S3 stores the ciphertext, and the encrypted data key beside it.")
        self.fact("blob", str(stored["blob_id"]))
        self.say("6. S3 wipes the plaintext data key.")
        self.check(
            self.step(steps, "wipe")["plaintext_key_zeroed"] is True, "its memory holds zeros"
        )

    def look_at_the_disk(self) -> None:
        report = self.run(
            [sys.executable, "-m", "objstore", "inspect", "--data", str(self.data),
             f"s3://{BUCKET}/{OBJECT}"]
        )  # fmt: skip
        for line in report.stdout.decode().splitlines():
            click.echo(f"     {line}")
        needles = {
            "the document": self.marker.encode(),
            "the encrypted data key": self.wrapped_key,
        }
        found = {name: self.scan(needle) for name, needle in needles.items()}
        self.check(found["the document"] == 0, "no byte of the document is in the data folder")
        self.check(found["the encrypted data key"] > 0, "the encrypted data key is")

    def download(self) -> None:
        copy = self.folder / "copy.txt"
        self.aws("s3", "cp", f"s3://{BUCKET}/{OBJECT}", str(copy))
        steps = self.trace("GetObject")
        decrypted = self.step(steps, "Decrypt")
        self.say("1. Bob asks for the object. S3 finds an encrypted data key beside it,")
        self.say("2. sends that key to KMS, and KMS, with the same KMS key, returns it in clear.")
        self.fact("KMS key", decrypted["key_arn"])
        self.check(decrypted["fingerprint"] == self.fingerprint, "the same data key as before")
        self.step(steps, "decrypt")
        self.say("3. S3 decrypts the object and forgets the key again.")
        self.check(
            self.step(steps, "wipe")["plaintext_key_zeroed"] is True, "its memory holds zeros"
        )
        self.check(digest(copy) == digest(self.document), "Bob's copy equals his document")

    def disable_and_enable(self) -> None:
        copy = self.folder / "again.txt"
        source = f"s3://{BUCKET}/{OBJECT}"
        self.aws("kms", "disable-key", "--key-id", self.key_arn)
        refused = self.aws("s3api", "get-object", "--bucket", BUCKET, "--key", OBJECT, str(copy),
                           fails=True)  # fmt: skip
        self.say(refused.stderr.decode().strip())
        self.check(b"KMS.DisabledException" in refused.stderr, "refused: KMS.DisabledException")
        self.aws("kms", "enable-key", "--key-id", self.key_arn)
        self.aws("s3", "cp", source, str(copy))
        self.check(digest(copy) == digest(self.document), "enabled again, it works")

    def change_the_key(self) -> None:
        made = json.loads(self.aws("kms", "create-key", "--description", "Bob's next key").stdout)
        next_arn = made["KeyMetadata"]["Arn"]
        wanted = json.dumps({"SSEKMS": {"KMSKeyArn": next_arn}})
        self.aws(
            "s3api", "update-object-encryption", "--bucket", BUCKET, "--key", OBJECT,
            "--object-encryption", wanted,
        )  # fmt: skip
        steps = self.trace("UpdateObjectEncryption")
        again = self.step(steps, "ReEncrypt")
        self.say("KMS opens the encrypted data key and encrypts it again, under the next key.")
        self.say("The document stays as it lies: only the encrypted data key beside it changes.")
        self.fact("KMS key", again["key_arn"])
        self.check(again["key_arn"] == next_arn, "it is under the next key")
        self.check(again["fingerprint"] == self.fingerprint, "the same data key as before")
        self.check(
            self.step(steps, "wipe")["plaintext_key_zeroed"] is True, "its memory holds zeros"
        )
        copy = self.folder / "last.txt"
        self.aws("s3", "cp", f"s3://{BUCKET}/{OBJECT}", str(copy))
        self.check(digest(copy) == digest(self.document), "Bob's copy equals his document")

    def aws(
        self, *arguments: str, fails: bool | None = False
    ) -> subprocess.CompletedProcess[bytes]:
        """Run the aws CLI; `fails` says whether it must fail (None: either will do)."""
        if fails is not None:
            click.secho(f"   $ aws {' '.join(arguments)}", dim=True)
        done = self.run([sys.executable, "-m", "awscli", *arguments])
        if fails is not None and bool(done.returncode) != fails:
            raise StepError(done.stderr.decode().strip() or "the command should have failed")
        return done

    def run(self, command: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
        environment = {
            **os.environ,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_PAGER": "",
        }
        return subprocess.run(
            command, env=environment, capture_output=True, timeout=COMMAND_SECONDS_MAX, check=False
        )

    def trace(self, operation: str) -> list[dict[str, Any]]:
        """The server's trace of the newest `operation` on Bob's object."""
        query = urlencode({"operation": operation, "resource": f"/{BUCKET}/{OBJECT}"})
        with urllib.request.urlopen(f"{self.endpoint}/_/trace?{query}") as answer:
            records: list[dict[str, Any]] = json.load(answer)
        if not records:
            raise StepError(f"the server has no trace of {operation}")
        self.fact("request id", records[0]["request_id"])
        steps: list[dict[str, Any]] = records[0]["steps"]
        return steps

    def step(self, steps: list[dict[str, Any]], name: str) -> dict[str, Any]:
        for step in steps:
            if step["step"] == name:
                return step
        raise StepError(f"the server's trace has no step {name!r}")

    def scan(self, needle: bytes) -> int:
        """How many files of the data folder hold `needle`."""
        return sum(needle in path.read_bytes() for path in self.data.rglob("*") if path.is_file())

    def chapter(self, title: str) -> None:
        click.secho(f"\n{title}", bold=True)

    def say(self, text: str) -> None:
        click.echo(f"   {text}")

    def fact(self, name: str, value: str) -> None:
        click.echo(f"     {name}: {click.style(value, fg='cyan')}")

    def check(self, holds: bool, text: str) -> None:
        if not holds:
            raise StepError(f"it does not hold that {text}")
        click.secho(f"   ok  {text}", fg="green")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@click.command()
@click.option("--endpoint", required=True, help="The URL of a running --dev server.")
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True)
def main(endpoint: str, data: Path) -> None:
    """Tell the story of Bob's document."""
    with workplace("walkthrough") as folder:
        try:
            Story(endpoint, data, folder).tell()
        except StepError as error:
            click.secho(f"   FAILED  {error}", fg="red", err=True)
            sys.exit(1)
    click.secho("\nEvery step checked out.", fg="green", bold=True)


if __name__ == "__main__":
    main()
