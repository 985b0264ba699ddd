from objstore import metrics


def test_a_counted_request_is_rendered() -> None:
    metrics.count("s3", "TestOnly", 200, seconds=0.002, received=10, sent=0)
    metrics.count("s3", "TestOnly", 200, seconds=0.002, received=0, sent=7)
    text = metrics.render().decode()
    line = 'objstore_requests_total{operation="TestOnly",service="s3",status="200"} 2.0'
    assert line in text
    assert "objstore_request_seconds_bucket" in text
