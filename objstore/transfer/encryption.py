"""The encryption of what comes in: chosen, and taken by its bucket.

Every way in asks here, so that none can forget that a bucket may block a kind of encryption.
"""

from objstore.call import Call
from objstore.crypt import sse
from objstore.crypt.manifest import Mode
from objstore.crypt.sse import Choice, EncryptionHeaders
from objstore.transfer import steps


def choose(call: Call, operation: str, key: str, headers: EncryptionHeaders) -> Choice:
    """How the object of the path is to be encrypted.

    Raises InvalidArgument, InvalidEncryptionAlgorithmError, AccessDenied.
    """
    choice = sse.choose(headers, call.bucket)
    check_not_blocked(call, operation, key, choice.mode)
    steps.request(call, operation, key, choice)
    return choice


def check_not_blocked(call: Call, operation: str, key: str, mode: Mode) -> None:
    """Return if the bucket of the path takes objects so encrypted. Raises AccessDenied."""
    sse.check_not_blocked(mode, call.bucket, caller=call.caller, operation=operation, key=key)
