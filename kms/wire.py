"""The KMS on the wire: JSON 1.1 by the AWS model, with a binder for every operation. Pure."""

from collections.abc import Mapping

from kms.aws import model
from kms.aws.json_protocol import (
    BODY_BYTES_MAX,
    CONTENT_TYPE,
    Binder,
    compile_input,
    render,
    render_error,
)
from kms.operations import HANDLERS

__all__ = ["BINDERS", "BODY_BYTES_MAX", "CONTENT_TYPE", "render", "render_error"]

BINDERS: Mapping[str, Binder] = {
    operation: compile_input(model.load("kms"), operation, handler)
    for operation, handler in HANDLERS.items()
}
