"""An S3-compatible object store with real SSE-KMS, on disk, behind one endpoint."""
