"""Every operation of each service, and whether it is supported, as the tables of a document.

The truth is in the code: an operation is supported if it has a handler, a member of its input if
the handler takes it. tests/test_docs.py compares.
"""

import dataclasses
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from kms.aws.model import Operation, ServiceModel, load
from kms.operations import HANDLERS
from objstore.account import iam, sts
from objstore.account.cloudtrail import CloudTrail
from objstore.operations import OPERATIONS
from objstore.wire import quirks
from objstore.wire.values import xform

HEAD = """# Operations

Every operation of botocore's models and its state here; `scripts/operations` writes this page from
the code. What is not supported answers by its own name: 501 NotImplemented, in the KMS and in
CloudTrail 400 UnsupportedOperationException. So does a member of an input that a supported
operation does not take. What is "stored only" is kept, shown and listed, and has nothing here to
act on: [differences](differences.md) tell why.
"""
STORED_ONLY = re.compile(
    "(Delete|Get|List|Put)Bucket(Accelerate|Analytics|IntelligentTiering|Metrics)Configurations?"
)
UNSUPPORTED = {"kms": "not: 400", "cloudtrail": "not: 400"}
Handlers = Mapping[str, Callable[..., Any]]
SERVICES: tuple[tuple[str, str, Handlers], ...] = (
    ("s3", "S3", OPERATIONS),
    ("kms", "KMS", HANDLERS),
    ("sts", "STS", sts.OPERATIONS),
    ("iam", "IAM", iam.OPERATIONS),
    ("cloudtrail", "CloudTrail", {"LookupEvents": CloudTrail.lookup_events}),
)
# Operations that the model does not have.
BESIDES = {"s3": (quirks.FORM_UPLOAD, quirks.PREFLIGHT)}


def taken(handler: Callable[..., Any]) -> set[str]:
    """The members that a handler takes, in snake_case; a group's fields count as its own."""
    names: set[str] = set()
    for parameter in list(inspect.signature(handler).parameters.values())[1:]:
        if dataclasses.is_dataclass(parameter.annotation):
            names |= {field.name for field in dataclasses.fields(parameter.annotation)}
        else:
            names.add(parameter.name)
    return names


def left_out(model: ServiceModel, operation: Operation, handler: Callable[..., Any]) -> list[str]:
    """The members of an operation's input that its handler does not take."""
    if operation.input is None:
        return []
    names = taken(handler)
    consumed = quirks.CONSUMED | quirks.DOCUMENT_CONSUMED if model.name == "s3" else frozenset()
    return [
        member.name
        for member in model.shape(operation.input).members.values()
        if xform(member.name) not in names
        and member.name not in consumed
        and member.wire_name != quirks.SDK_CHECKSUM_HEADER
    ]


def rows(service: str, handlers: Handlers) -> Iterator[tuple[str, str]]:
    """Each operation and its state, by name."""
    model = load(service)
    refusal = UNSUPPORTED.get(service, "not: 501")
    states = dict.fromkeys(BESIDES.get(service, ()), "supported")
    for name, operation in model.operations.items():
        if service == "s3" and (operation.deprecated or name in quirks.UNROUTED):
            continue
        if name not in handlers:
            states[name] = refusal
            continue
        missing = left_out(model, operation, handlers[name])
        without = ", ".join(f"`{member}`" for member in missing)
        state = "supported, stored only" if STORED_ONLY.fullmatch(name) else "supported"
        states[name] = f"{state}, without {without}" if missing else state
    yield from sorted(states.items())


def render() -> str:
    """The whole document."""
    parts = [HEAD]
    for service, title, handlers in SERVICES:
        table = list(rows(service, handlers))
        count = sum(state.startswith("supported") for _, state in table)
        parts.append(
            f"\n## {title}: {count} of {len(table)}\n\n| operation | state |\n| --- | --- |\n"
        )
        parts += [f"| {name} | {state} |\n" for name, state in table]
    return "".join(parts)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render(), encoding="utf-8")
