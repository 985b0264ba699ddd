from kms.aws.audit import AuditSink, MemorySink, NullSink


def test_memory_keeps_the_newest_events() -> None:
    sink = MemorySink(events_max=2)
    for number in range(3):
        sink.record({"number": number})
    assert [event["number"] for event in sink.events] == [1, 2]


def test_null_takes_anything() -> None:
    sink: AuditSink = NullSink()
    sink.record({"eventName": "Encrypt"})
