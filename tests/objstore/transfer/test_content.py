from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.crypt.frames import TamperedError
from objstore.transfer.content import (
    METADATA_BYTES_MAX,
    ContentHeaders,
    by_wire_name,
    check,
    describe,
    shown_storage_class,
)


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({}, None),
        ({"storage_class": "GLACIER_IR"}, None),
        ({"storage_class": "DEEP_ARCHIVE"}, None),
        ({"storage_class": "standard"}, "InvalidStorageClass"),
        ({"metadata": {"a": "b" * (METADATA_BYTES_MAX - 1)}}, None),
        ({"metadata": {"a": "b" * METADATA_BYTES_MAX}}, "MetadataTooLarge"),
        ({"metadata": {"a": "ü" * (METADATA_BYTES_MAX // 2)}}, "MetadataTooLarge"),
        ({"metadata": {f"name-{n}": "" for n in range(300)}}, "MetadataTooLarge"),
        ({"website_redirect_location": "/elsewhere"}, None),
        ({"website_redirect_location": "javascript:alert(1)"}, "InvalidRedirectLocation"),
        ({"website_redirect_location": "/" + "a" * 2048}, "InvalidRedirectLocation"),
    ],
)
def test_what_may_describe_an_object(members: dict[str, Any], code: str | None) -> None:
    headers = ContentHeaders(**members)
    if code is None:
        check(headers)
    else:
        with pytest.raises(AWSError) as caught:
            check(headers)
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("encoding", "kept"),
    [
        ("gzip", "gzip"),
        ("aws-chunked", None),
        ("aws-chunked,gzip", "gzip"),
        ("deflate, gzip", "deflate, gzip"),
        ("gzip , AWS-Chunked,br", "gzip, br"),
        ("aws-chunked, aws-chunked", None),
        ("", None),
        (None, None),
    ],
)
def test_framing_is_no_content(encoding: str | None, kept: str | None) -> None:
    headers = ContentHeaders(content_encoding=encoding)
    assert by_wire_name(headers).get("content-encoding") == kept


def test_only_what_was_said_is_kept_but_for_the_type() -> None:
    assert by_wire_name(ContentHeaders()) == {"content-type": "binary/octet-stream"}
    assert by_wire_name(ContentHeaders(content_type="")) == {"content-type": "binary/octet-stream"}


def test_what_is_kept_is_shown() -> None:
    headers = ContentHeaders(
        content_type="text/plain",
        cache_control="no-cache",
        content_disposition="inline",
        content_encoding="gzip",
        content_language="de",
        expires="never",
        website_redirect_location="/x",
    )
    assert describe(by_wire_name(headers)) == {
        "ContentType": "text/plain",
        "CacheControl": "no-cache",
        "ContentDisposition": "inline",
        "ContentEncoding": "gzip",
        "ContentLanguage": "de",
        "Expires": "never",
        "WebsiteRedirectLocation": "/x",
    }


def test_the_standard_class_goes_without_saying() -> None:
    assert shown_storage_class("STANDARD") is None
    assert shown_storage_class("STANDARD_IA") == "STANDARD_IA"


def test_a_header_that_no_manifest_has_is_tampering() -> None:
    with pytest.raises(TamperedError, match="manifest"):
        describe({"kontent-type": "text/plain"})
