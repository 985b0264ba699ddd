from kms.aws.errors import AWSError


def test_str_names_code_and_message() -> None:
    assert str(AWSError("NoSuchKey", "gone")) == "NoSuchKey: gone"
    assert str(AWSError("InvalidCiphertextException")) == "InvalidCiphertextException"


def test_status_and_fields_have_defaults() -> None:
    error = AWSError("AccessDenied", status=403, fields={"Region": "eu-west-1"})
    assert (error.status, error.fields, error.headers) == (403, {"Region": "eu-west-1"}, {})
    assert AWSError("ValidationException").status == 400
