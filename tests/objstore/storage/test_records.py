from objstore.storage.records import Bucket, BucketExistsError


def test_the_existing_bucket_travels_with_the_error() -> None:
    bucket = Bucket("photos", b"\0" * 16, "123456789012", "us-east-1", 0)
    assert BucketExistsError(bucket).bucket is bucket
