"""A Key Management Service that speaks the AWS KMS API, alone (`python -m kms`) or in process."""
