"""Which root of trust: a setting such as `passphrase:/run/secrets/kms` to its sealer.

| setting | sealer |
| --- | --- |
| `key-file`, `key-file:PATH` | a key file, made if there is none; by default `root.key` |
| `passphrase:PATH`, `passphrase:env:NAME` | a passphrase in a file or a variable |
| `passphrase` | a passphrase in the variable KMS_ROOT_PASSPHRASE |
| `environment`, `environment:NAME` | a key in the variable KMS_ROOT_KEY, or another |
| `pkcs11:token=…;object=…?module-path=…&pin-source=…` | a key in a PKCS#11 token, by its URI |
| `transit:KEY`, `transit:MOUNT/KEY` | a key of the transit engine of a Vault or OpenBao |

Settings name secrets, they never hold them.
"""

from dataclasses import dataclass
from pathlib import Path

from kms.root.environment import Environment
from kms.root.key_file import KEY_FILE_NAME, KeyFile
from kms.root.passphrase import Passphrase
from kms.root.sealer import RootError, Sealer
from kms.root.token import TokenURI, open_token
from kms.root.transit import Transit

DEFAULT = "key-file"
_VARIABLE_PREFIX = "env:"


@dataclass(frozen=True, slots=True)
class RootSettings:
    """Which root of trust to open; `key_file` is where `key-file` without a path has its key.

    Without `key_file`, that is `root.key` in the folder of the key store.
    """

    choice: str = DEFAULT
    key_file: Path | None = None


def sealer_of(settings: RootSettings, folder: Path) -> Sealer:
    """The sealer of a key store in `folder`. Raises RootError if the setting makes no sense."""
    kind, _, rest = settings.choice.partition(":")
    match kind:
        case "key-file":
            default = settings.key_file or folder / KEY_FILE_NAME
            return KeyFile(Path(rest) if rest else default)
        case "passphrase":
            if rest.startswith(_VARIABLE_PREFIX):
                return Passphrase(variable=rest.removeprefix(_VARIABLE_PREFIX))
            return Passphrase(path=Path(rest)) if rest else Passphrase()
        case "environment":
            return Environment(rest) if rest else Environment()
        case "pkcs11":
            return open_token(TokenURI.parse(settings.choice))
        case "transit" if rest:
            mount, _, key = rest.rpartition("/")
            return Transit(mount or "transit", key)
    raise RootError(f"{settings.choice!r} names no root of trust")
