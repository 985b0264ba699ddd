"""The access key of a KMS that runs alone: one, of the account's root, made at the first start."""

import base64
import json
import os
import secrets

from kms.aws import arn
from kms.aws.identity import Credential, Principal, PrincipalKind
from kms.client import KMS

SETTING = "root-access-key"
DEVELOPMENT_KEY = "test"


class SingleCredential:
    """Finds the one credential there is."""

    def __init__(self, credential: Credential) -> None:
        self._credential = credential

    def find(self, access_key_id: str, session_token: str | None = None) -> Credential | None:
        del session_token
        if access_key_id == self._credential.access_key_id:
            return self._credential
        return None


def development(account: str) -> Credential:
    """The well-known credential test/test; never for a server that others can reach."""
    return _credential(account, DEVELOPMENT_KEY, DEVELOPMENT_KEY)


def load_or_make(kms: KMS, account: str) -> tuple[Credential, bool]:
    """The root credential of the data folder, and whether it was made just now."""
    stored = kms.recall(SETTING)
    made = None
    if stored is None:
        access_key_id = "AKIA" + base64.b32encode(os.urandom(10)).decode()
        made = kms.seal_secret(
            SETTING, json.dumps([access_key_id, secrets.token_urlsafe(30)]).encode()
        )
        stored = kms.remember(SETTING, made)
    opened = kms.open_secret(SETTING, stored)
    access_key_id, secret = json.loads(opened)
    opened[:] = bytes(len(opened))
    return _credential(account, access_key_id, secret), stored == made


def _credential(account: str, access_key_id: str, secret: str) -> Credential:
    root = Principal(PrincipalKind.ROOT, account, arn.account_root(account), account)
    return Credential(access_key_id, secret, root)
