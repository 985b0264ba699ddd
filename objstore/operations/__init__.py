"""S3 operations: what each does, given its members as keywords. The handlers' signatures say what
is supported; nothing here knows the wire.
"""

from collections.abc import Awaitable, Callable, Mapping

from objstore.call import Reply
from objstore.operations import (
    buckets,
    complete,
    copy,
    delete,
    encryption,
    listing,
    multipart,
    read,
    uploads,
    versions,
    write,
)

__all__ = ["OPERATIONS"]

OPERATIONS: Mapping[str, Callable[..., Awaitable[Reply]]] = {
    "AbortMultipartUpload": uploads.abort_multipart_upload,
    "CompleteMultipartUpload": complete.complete_multipart_upload,
    "CopyObject": copy.copy_object,
    "CreateBucket": buckets.create_bucket,
    "CreateMultipartUpload": multipart.create_multipart_upload,
    "DeleteBucket": buckets.delete_bucket,
    "DeleteBucketEncryption": encryption.delete_bucket_encryption,
    "DeleteObject": delete.delete_object,
    "DeleteObjects": delete.delete_objects,
    "GetBucketEncryption": encryption.get_bucket_encryption,
    "GetBucketLocation": buckets.get_bucket_location,
    "GetBucketVersioning": versions.get_bucket_versioning,
    "GetObject": read.get_object,
    "HeadBucket": buckets.head_bucket,
    "HeadObject": read.head_object,
    "ListBuckets": buckets.list_buckets,
    "ListMultipartUploads": uploads.list_multipart_uploads,
    "ListObjectVersions": listing.list_object_versions,
    "ListObjects": listing.list_objects,
    "ListObjectsV2": listing.list_objects_v2,
    "ListParts": uploads.list_parts,
    "PutBucketEncryption": encryption.put_bucket_encryption,
    "PutBucketVersioning": versions.put_bucket_versioning,
    "PutObject": write.put_object,
    "UploadPart": multipart.upload_part,
    "UploadPartCopy": multipart.upload_part_copy,
}
