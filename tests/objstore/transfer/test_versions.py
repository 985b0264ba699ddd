import re

import pytest

from objstore.errors import S3Error
from objstore.storage.records import Bucket
from objstore.transfer import versions


def bucket(status: str | None) -> Bucket:
    settings = {} if status is None else {"versioning": {"Status": status}}
    return Bucket("b", bytes(16), "123456789012", "us-east-1", 0, settings)


def test_only_an_enabled_bucket_gives_new_ids() -> None:
    ids = {versions.new_version_id(bucket("Enabled")) for _ in range(50)}
    assert len(ids) == 50
    assert all(re.fullmatch(r"[A-Za-z0-9._]{32}", name) for name in ids)
    for status in (None, "Suspended"):
        assert versions.new_version_id(bucket(status)) == "null"


@pytest.mark.parametrize(
    ("status", "version_id", "message"),
    [
        ("Enabled", None, None),
        ("Enabled", "null", None),
        ("Suspended", "a" * 32, None),
        (None, "null", None),
        ("Enabled", "", "Version id cannot be the empty string"),
        ("Enabled", "a" * 31, "Invalid version id specified"),
        ("Enabled", "-" * 32, "Invalid version id specified"),
        (None, "a" * 32, "Invalid version id specified"),
    ],
)
def test_what_a_request_may_name(
    status: str | None, version_id: str | None, message: str | None
) -> None:
    if message is None:
        assert versions.named(bucket(status), version_id) == version_id
        return
    with pytest.raises(S3Error) as caught:
        versions.named(bucket(status), version_id)
    assert (caught.value.code, caught.value.message) == ("InvalidArgument", message)
    assert caught.value.fields == {"ArgumentName": "versionId", "ArgumentValue": version_id}


def test_replies_name_versions_where_a_bucket_has_any() -> None:
    assert versions.shown(bucket(None), "null") is None
    assert versions.shown(bucket("Suspended"), "null") == "null"
    assert versions.written("null") is None
    assert versions.written("a" * 32) == "a" * 32


def test_a_delete_marker_is_a_version_without_content() -> None:
    marker = versions.delete_marker(bucket("Suspended"), b"k", created_ms=7)
    assert marker.delete_marker
    assert (marker.version_id, marker.size, marker.modified_ms) == ("null", 0, 7)
    assert (marker.blobs, marker.manifest, marker.storage_class) == ((), b"", "")
