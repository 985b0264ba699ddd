"""Bytes and rows: blobs on disk, metadata in SQLite. Knows no HTTP, no XML and no KMS."""
