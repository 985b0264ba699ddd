"""The root of trust: versioned domain keys, sealed by something outside the key store.

`domain` has the keys that wrap what the store keeps; `choice` turns a setting into the sealer that
seals them: a key file, a passphrase, an environment variable, a PKCS#11 token, or a transit engine.
"""

from kms.root.choice import RootSettings, sealer_of
from kms.root.domain import DomainRecord, Root, reseal
from kms.root.key_file import KEY_FILE_NAME, KeyFile
from kms.root.randomness import random_bytes
from kms.root.sealer import RootError, Sealer

__all__ = [
    "KEY_FILE_NAME",
    "DomainRecord",
    "KeyFile",
    "Root",
    "RootError",
    "RootSettings",
    "Sealer",
    "random_bytes",
    "reseal",
    "sealer_of",
]
