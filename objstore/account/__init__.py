"""The account services that S3 and KMS users need beside them: identities, STS."""
