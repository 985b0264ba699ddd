from dataclasses import replace
from typing import Any

from objstore.account.directory import Account
from objstore.call import Call, Trace


def test_a_trace_keeps_steps_only_when_enabled() -> None:
    trace = Trace(enabled=True)
    trace.step("GenerateDataKey", key_arn="arn")
    assert trace.steps == [{"step": "GenerateDataKey", "key_arn": "arn"}]
    silent = Trace(enabled=False)
    silent.step("GenerateDataKey")
    assert silent.steps is None


def test_accounts_are_shown_by_their_canonical_id(s3: Any) -> None:
    named = Account("111122223333", "ab" * 32, "Staging")
    s3.services = replace(s3.services, account={"111122223333": named}.__getitem__)
    call = Call(s3.caller, s3.services, lambda *_: None)
    assert call.canonical_id("111122223333") == "ab" * 32
    assert call.owner("111122223333") == {"ID": "ab" * 32, "DisplayName": "Staging"}
