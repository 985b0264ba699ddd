from typing import Any

import pytest

from kms.aws.clock import utc
from objstore.errors import S3Error
from objstore.storage.records import StoredObject
from objstore.transfer import archive

NOW = 1_700_000_000_000  # 2023-11-14T22:13:20Z
DAY = archive.DAY_MS


def version(storage_class: str, **attributes: Any) -> StoredObject:
    return StoredObject(
        bytes(16), b"k", "null", 0, "", 0, storage_class, "", "", b"", b"", (), attributes
    )


def test_a_copy_lives_until_midnight() -> None:
    assert (
        utc(archive.restored(1, NOW)["UntilMs"] / 1000).isoformat() == "2023-11-16T00:00:00+00:00"
    )
    midnight = NOW // DAY * DAY
    assert archive.restored(2, midnight) == {"UntilMs": midnight + 2 * DAY}


def test_no_copy_lives_past_the_end_of_dates() -> None:
    stored = version("GLACIER", restore=archive.restored(2**31 - 1, NOW))
    assert archive.describe(stored, NOW) == {
        "Restore": 'ongoing-request="false", expiry-date="Fri, 31 Dec 9999 00:00:00 GMT"'
    }
    assert archive.listed(stored, NOW)["RestoreStatus"]["RestoreExpiryDate"].year == 9999


@pytest.mark.parametrize(
    ("storage_class", "restore", "readable"),
    [
        ("STANDARD", None, True),
        ("GLACIER_IR", None, True),
        ("GLACIER", None, False),
        ("DEEP_ARCHIVE", {"UntilMs": NOW}, False),
        ("DEEP_ARCHIVE", {"UntilMs": NOW + 1}, True),
    ],
)
def test_archives_are_read_while_a_copy_lives(
    storage_class: str, restore: dict[str, int] | None, readable: bool
) -> None:
    stored = version(storage_class, **({} if restore is None else {"restore": restore}))
    if readable:
        archive.check_readable(stored, NOW)
        return
    with pytest.raises(S3Error) as caught:
        archive.check_readable(stored, NOW)
    assert (caught.value.status, caught.value.code) == (403, "InvalidObjectState")
    assert caught.value.fields == {"StorageClass": storage_class}
    assert archive.describe(stored, NOW) == archive.listed(stored, NOW) == {}


def test_replies_and_listings_tell_when_the_copy_goes() -> None:
    stored = version("GLACIER", restore=archive.restored(1, NOW))
    assert archive.describe(stored, NOW) == {
        "Restore": 'ongoing-request="false", expiry-date="Thu, 16 Nov 2023 00:00:00 GMT"'
    }
    assert archive.listed(stored, NOW) == {
        "RestoreStatus": {
            "IsRestoreInProgress": False,
            "RestoreExpiryDate": utc(archive.restored(1, NOW)["UntilMs"] / 1000),
        }
    }
