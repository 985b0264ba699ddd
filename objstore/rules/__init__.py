"""What the documents of a bucket say: checked when they are put, applied to requests and objects.

Pure. A document is the API's own structure, as `Bucket.settings` holds it; nothing here knows the
store, the wire or a caller's session.
"""
