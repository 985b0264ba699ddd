"""Principals that requests name by ARN, tied to what does not change when names are reused.

An account becomes its number, a user its `AIDA…`, a role its `AROA…`, a session `AROA…:name`; a
service keeps its name. Without a directory of identities, ARNs stand for themselves.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
"""

from kms.aws.arn import ARN, account_root
from kms.aws.identity import Identities
from kms.errors import KMSError

ACCOUNT_DIGITS = 12
ROLE_ID_PREFIX = "AROA"
INVALID = "InvalidArnException"
_SERVICE_SUFFIX = ".amazonaws.com"


class Principals:
    """Binds ARNs and shows them again."""

    def __init__(self, identities: Identities | None) -> None:
        self._identities = identities

    def bind(self, name: str, *, member: str = "") -> str:
        """What a principal's ARN stands for, or a unique id. Raises InvalidArnException.

        `member` is what the refusal of a unique id calls it, if it is to be bound for good.
        """
        if is_service(name):
            return name
        if not name.startswith("arn:"):
            return self._known(name, member)
        try:
            parsed = ARN.parse(name)
        except ValueError:
            raise _malformed(name) from None
        account, kind, path = parsed.account, *_split(parsed.resource)
        if parsed.region or len(account) != ACCOUNT_DIGITS or not account.isdigit():
            raise _malformed(name)
        match parsed.service, kind:
            case "iam", "root" if not path:
                return account
            case "iam", "user" | "role" if path:
                return self._entity(name, account, kind, path.rpartition("/")[2])
            case "sts", "federated-user" if path:
                return f"{account}:{path}"
            case "sts", "assumed-role" if path.count("/") == 1:
                role, _, session = path.partition("/")
                if self._identities is None:
                    return name
                return f"{self._entity('', account, 'role', role, name)}:{session}"
        raise _malformed(name)

    def shown(self, bound: str) -> str:
        """The ARN of a bound principal as it is now; the unique id if it is gone."""
        if len(bound) == ACCOUNT_DIGITS and bound.isdigit():
            return account_root(bound)
        head, colon, tail = bound.partition(":")
        if colon and head.isdigit():
            return f"arn:aws:sts::{head}:federated-user/{tail}"
        entity = None if self._identities is None else self._identities.by_id(head)
        if entity is None:
            return bound
        if not colon:
            return entity.arn
        role = ARN.parse(entity.arn)
        name = role.resource.rpartition("/")[2]
        return f"arn:aws:sts::{role.account}:assumed-role/{name}/{tail}"

    def _known(self, unique_id: str, member: str) -> str:
        """The id of a user, a role or a session of a role (`AROA…:name`), if that is there."""
        head, colon, session = unique_id.partition(":")
        entity = None if self._identities is None else self._identities.by_id(head)
        if entity is None or (colon and not (session and head.startswith(ROLE_ID_PREFIX))):
            unknown = "Input does not refer to a valid principal"
            if member:
                unknown = f"{member} does not refer to a valid principal."
            raise KMSError(INVALID, unknown)
        return unique_id

    def _entity(self, wanted: str, account: str, kind: str, name: str, shown: str = "") -> str:
        """The unique id of a user or role, whose ARN must be `wanted` unless that is empty."""
        if self._identities is None:
            return wanted
        entity = self._identities.named(account, kind, name)
        if entity is None or wanted not in ("", entity.arn):
            raise _invalid(wanted or shown)
        return entity.unique_id


def is_service(name: str) -> bool:
    """Whether a principal is a service, whose name (`s3.amazonaws.com`) stands for itself."""
    return name.endswith(_SERVICE_SUFFIX) and ":" not in name


def _split(resource: str) -> tuple[str, str]:
    kind, _, path = resource.partition("/")
    return kind, path


def _malformed(name: str) -> KMSError:
    return KMSError(INVALID, f"ARN is not valid: {name}")


def _invalid(name: str) -> KMSError:
    return KMSError(INVALID, f"ARN does not refer to a valid principal: {name}")
