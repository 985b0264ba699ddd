"""The Security Token Service: who am I?

Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_Operations.html
"""

from collections.abc import Callable, Mapping
from typing import Any

from kms.aws.errors import AWSError
from kms.aws.identity import Caller

Handler = Callable[..., dict[str, Any]]


def get_caller_identity(caller: Caller) -> dict[str, Any]:
    """The identity whose credential signed the request; needs no permission."""
    principal = caller.principal
    return {"UserId": principal.user_id, "Account": principal.account, "Arn": principal.arn}


OPERATIONS: Mapping[str, Handler] = {"GetCallerIdentity": get_caller_identity}


def handler(operation: str) -> Handler:
    """What runs `operation`. Raises NotImplemented, by name, for one that is not supported."""
    found = OPERATIONS.get(operation)
    if found is None:
        raise AWSError("NotImplemented", f"{operation} is not implemented", status=501)
    return found
