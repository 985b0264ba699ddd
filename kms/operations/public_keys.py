"""GetPublicKey."""

from collections.abc import Sequence
from typing import Any

from kms.algorithms.keys import PRIVATE_KEY_SPECS, public_der
from kms.errors import KMSError
from kms.request import Request
from kms.specs import ALGORITHM_MEMBERS, SPECS
from kms.usage import check_grant_tokens


def get_public_key(
    request: Request, *, key_id: str, grant_tokens: Sequence[str] = ()
) -> dict[str, Any]:
    check_grant_tokens(request, grant_tokens)
    key = request.use(key_id)
    if key.spec not in PRIVATE_KEY_SPECS:
        raise KMSError("UnsupportedOperationException")
    return {
        "KeyId": key.arn,
        "PublicKey": public_der(request.store.private_key(key)),
        "CustomerMasterKeySpec": key.spec,
        "KeySpec": key.spec,
        "KeyUsage": key.usage,
        ALGORITHM_MEMBERS[key.usage]: list(SPECS[key.spec][key.usage]),
    }
