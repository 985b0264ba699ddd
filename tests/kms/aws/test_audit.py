import uuid

from kms.aws.audit import AuditSink, MemorySink, NullSink, new_event_id


def test_memory_keeps_the_newest_events() -> None:
    sink = MemorySink(events_max=2)
    for number in range(3):
        sink.record({"number": number})
    assert [event["number"] for event in sink.events] == [1, 2]


def test_null_takes_anything() -> None:
    sink: AuditSink = NullSink()
    sink.record({"eventName": "Encrypt"})


def test_event_ids_are_random_uuids() -> None:
    made = {new_event_id() for _ in range(100)}
    assert len(made) == 100
    for text in made:
        parsed = uuid.UUID(text)
        assert (str(parsed), parsed.version, parsed.variant) == (text, 4, uuid.RFC_4122)
