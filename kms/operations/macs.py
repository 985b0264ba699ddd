"""GenerateMac and VerifyMac."""

from collections.abc import Sequence
from typing import Any

from kms.algorithms import macs
from kms.key import Key
from kms.request import Request
from kms.specs import GENERATE_VERIFY_MAC
from kms.usage import stop_if_dry, use_for


def generate_mac(
    request: Request,
    *,
    key_id: str,
    message: bytes,
    mac_algorithm: str,
    grant_tokens: Sequence[str] = (),
    dry_run: bool = False,
) -> dict[str, Any]:
    key = use_for(request, key_id, GENERATE_VERIFY_MAC, mac_algorithm, grant_tokens=grant_tokens)
    stop_if_dry(dry_run)
    mac = macs.generate(_secret(request, key), mac_algorithm, message)
    return {"Mac": mac, "MacAlgorithm": mac_algorithm, "KeyId": key.arn}


def verify_mac(
    request: Request,
    *,
    key_id: str,
    message: bytes,
    mac: bytes,
    mac_algorithm: str,
    grant_tokens: Sequence[str] = (),
    dry_run: bool = False,
) -> dict[str, Any]:
    key = use_for(request, key_id, GENERATE_VERIFY_MAC, mac_algorithm, grant_tokens=grant_tokens)
    macs.verify(_secret(request, key), mac_algorithm, mac, message)
    stop_if_dry(dry_run)
    return {"KeyId": key.arn, "MacValid": True, "MacAlgorithm": mac_algorithm}


def _secret(request: Request, key: Key) -> bytearray:
    return request.store.backing_key(key.account, key.region, key.material_id)
