"""S3 operations: what each does, given its members as keywords. The handlers' signatures say what
is supported; nothing here knows the wire.
"""

from collections.abc import Awaitable, Callable, Mapping

from objstore.call import Reply
from objstore.operations import (
    acls,
    buckets,
    complete,
    configuration,
    copy,
    delete,
    encryption,
    identified,
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
    "DeleteBucketAnalyticsConfiguration": identified.delete_bucket_analytics_configuration,
    "DeleteBucketCors": configuration.delete_bucket_cors,
    "DeleteBucketEncryption": encryption.delete_bucket_encryption,
    "DeleteBucketIntelligentTieringConfiguration": (
        identified.delete_bucket_intelligent_tiering_configuration
    ),
    "DeleteBucketInventoryConfiguration": identified.delete_bucket_inventory_configuration,
    "DeleteBucketLifecycle": configuration.delete_bucket_lifecycle,
    "DeleteBucketMetricsConfiguration": identified.delete_bucket_metrics_configuration,
    "DeleteBucketOwnershipControls": configuration.delete_bucket_ownership_controls,
    "DeleteBucketPolicy": configuration.delete_bucket_policy,
    "DeleteBucketReplication": configuration.delete_bucket_replication,
    "DeleteBucketWebsite": configuration.delete_bucket_website,
    "DeleteObject": delete.delete_object,
    "DeleteObjects": delete.delete_objects,
    "DeletePublicAccessBlock": configuration.delete_public_access_block,
    "GetBucketAccelerateConfiguration": configuration.get_bucket_accelerate_configuration,
    "GetBucketAcl": acls.get_bucket_acl,
    "GetBucketAnalyticsConfiguration": identified.get_bucket_analytics_configuration,
    "GetBucketCors": configuration.get_bucket_cors,
    "GetBucketEncryption": encryption.get_bucket_encryption,
    "GetBucketIntelligentTieringConfiguration": (
        identified.get_bucket_intelligent_tiering_configuration
    ),
    "GetBucketInventoryConfiguration": identified.get_bucket_inventory_configuration,
    "GetBucketLifecycleConfiguration": configuration.get_bucket_lifecycle_configuration,
    "GetBucketLocation": buckets.get_bucket_location,
    "GetBucketLogging": configuration.get_bucket_logging,
    "GetBucketMetricsConfiguration": identified.get_bucket_metrics_configuration,
    "GetBucketNotificationConfiguration": configuration.get_bucket_notification_configuration,
    "GetBucketOwnershipControls": configuration.get_bucket_ownership_controls,
    "GetBucketPolicy": configuration.get_bucket_policy,
    "GetBucketReplication": configuration.get_bucket_replication,
    "GetBucketRequestPayment": configuration.get_bucket_request_payment,
    "GetBucketVersioning": versions.get_bucket_versioning,
    "GetBucketWebsite": configuration.get_bucket_website,
    "GetObject": read.get_object,
    "GetPublicAccessBlock": configuration.get_public_access_block,
    "HeadBucket": buckets.head_bucket,
    "HeadObject": read.head_object,
    "ListBucketAnalyticsConfigurations": identified.list_bucket_analytics_configurations,
    "ListBucketIntelligentTieringConfigurations": (
        identified.list_bucket_intelligent_tiering_configurations
    ),
    "ListBucketInventoryConfigurations": identified.list_bucket_inventory_configurations,
    "ListBucketMetricsConfigurations": identified.list_bucket_metrics_configurations,
    "ListBuckets": buckets.list_buckets,
    "ListMultipartUploads": uploads.list_multipart_uploads,
    "ListObjectVersions": listing.list_object_versions,
    "ListObjects": listing.list_objects,
    "ListObjectsV2": listing.list_objects_v2,
    "ListParts": uploads.list_parts,
    "PutBucketAccelerateConfiguration": configuration.put_bucket_accelerate_configuration,
    "PutBucketAcl": acls.put_bucket_acl,
    "PutBucketAnalyticsConfiguration": identified.put_bucket_analytics_configuration,
    "PutBucketCors": configuration.put_bucket_cors,
    "PutBucketEncryption": encryption.put_bucket_encryption,
    "PutBucketIntelligentTieringConfiguration": (
        identified.put_bucket_intelligent_tiering_configuration
    ),
    "PutBucketInventoryConfiguration": identified.put_bucket_inventory_configuration,
    "PutBucketLifecycleConfiguration": configuration.put_bucket_lifecycle_configuration,
    "PutBucketLogging": configuration.put_bucket_logging,
    "PutBucketMetricsConfiguration": identified.put_bucket_metrics_configuration,
    "PutBucketNotificationConfiguration": configuration.put_bucket_notification_configuration,
    "PutBucketOwnershipControls": configuration.put_bucket_ownership_controls,
    "PutBucketPolicy": configuration.put_bucket_policy,
    "PutBucketReplication": configuration.put_bucket_replication,
    "PutBucketRequestPayment": configuration.put_bucket_request_payment,
    "PutBucketVersioning": versions.put_bucket_versioning,
    "PutBucketWebsite": configuration.put_bucket_website,
    "PutObject": write.put_object,
    "PutPublicAccessBlock": configuration.put_public_access_block,
    "UploadPart": multipart.upload_part,
    "UploadPartCopy": multipart.upload_part_copy,
}
