from objstore.call import Trace


def test_a_trace_keeps_steps_only_when_enabled() -> None:
    trace = Trace(enabled=True)
    trace.step("GenerateDataKey", key_arn="arn")
    assert trace.steps == [{"step": "GenerateDataKey", "key_arn": "arn"}]
    silent = Trace(enabled=False)
    silent.step("GenerateDataKey")
    assert silent.steps is None
