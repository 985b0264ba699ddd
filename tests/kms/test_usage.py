from typing import Any

import pytest

from kms import grant_token
from kms.errors import KMSError
from kms.request import Request
from kms.usage import check_fit, check_grant_tokens, stop_if_dry, use_for


def request_of(client: Any, operation: str) -> Request:
    return Request(
        operation,
        client.caller,
        client.service.store,
        client.service.clock,
        client.service.authorizer,
    )


def test_a_key_that_fits_is_returned(client: Any) -> None:
    arn = client.key(key_spec="RSA_2048", key_usage="SIGN_VERIFY")
    request = request_of(client, "Sign")
    key = use_for(request, arn, "SIGN_VERIFY", "RSASSA_PSS_SHA_256")
    assert (key.arn, request.key_arn) == (arn, arn)
    with pytest.raises(KMSError, match="is not valid for Sign"):
        check_fit(request, key, "ENCRYPT_DECRYPT", "RSAES_OAEP_SHA_1")
    with pytest.raises(KMSError, match="incompatible with key spec RSA_2048"):
        check_fit(request, key, "SIGN_VERIFY", "SM2DSA")


def test_only_tokens_that_were_given_out_are_valid(client: Any) -> None:
    request = request_of(client, "Encrypt")
    token = grant_token.make(client.service.store, "ab" * 32)
    check_grant_tokens(request, [])
    check_grant_tokens(request, [token])
    with pytest.raises(KMSError, match="InvalidGrantTokenException"):
        check_grant_tokens(request, [token, "token"])


def test_a_dry_run_wipes_what_nobody_gets() -> None:
    secret = bytearray(b"secret")
    stop_if_dry(False, secret)
    assert secret == b"secret"
    with pytest.raises(KMSError, match="DryRunOperationException"):
        stop_if_dry(True, secret)
    assert secret == bytes(6)
