"""The one exception that reaches a client.

Every door renders an `AWSError` in its protocol's shape (XML, JSON or query XML); any other
exception becomes an internal error with a request id and no detail. Messages never carry key
material, secrets or signatures.
"""

from collections.abc import Mapping


class AWSError(Exception):
    """An error as AWS would report it.

    `code` is the AWS error code, `status` the HTTP status, `fields` extra members of the error
    body in order (for example `{"Region": "eu-west-1"}` or `{"ArgumentName": "partNumber"}`),
    `headers` extra response headers.
    """

    def __init__(
        self,
        code: str,
        message: str = "",
        *,
        status: int = 400,
        fields: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.status = status
        self.fields: Mapping[str, str] = fields or {}
        self.headers: Mapping[str, str] = headers or {}

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" if self.message else self.code
