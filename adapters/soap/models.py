"""What Spyne models of every service are made of: how often an element stands, and the types of the common schema."""

# the shim must be imported before Spyne; attributes are named as on the wire
# ruff: noqa: I001, N815
from __future__ import annotations

from typing import Any, Final

from adapters.soap import spyne_compat  # noqa: F401
from spyne import ComplexModel, Unicode

__all__ = [
    "COMMON",
    "Code",
    "DunsNumber",
    "EsiId",
    "ResponseHeader",
    "ServiceId",
    "TransactionId",
    "many",
    "maybe",
    "one",
    "simple",
]

COMMON: Final = "urn:smt-ws:common:1"


def simple(name: str, base: Any, namespace: str) -> Any:
    """Name a customised simple type by subclassing it.

    Spyne would leave it in a namespace of its own that is a relative URI, and libxml2 cannot canonicalise a document
    that declares one.
    """
    return type(base)(name, (base,), {"__namespace__": namespace})


def one(type_: Any) -> Any:
    """Exactly one, never nil."""
    return type_.customize(min_occurs=1, nillable=False)


def maybe(type_: Any) -> Any:
    """None or one, never nil."""
    return type_.customize(min_occurs=0, nillable=False)


def many(type_: Any, at_least: int = 0) -> Any:
    """*at_least* or more; the code bounds how many."""
    return type_.customize(min_occurs=at_least, max_occurs="unbounded", nillable=False)


TransactionId = simple("TransactionId", Unicode(min_len=1, max_len=64), COMMON)
ServiceId = simple("ServiceId", Unicode(min_len=1, max_len=64), COMMON)
DunsNumber = simple("DunsNumber", Unicode(pattern="[0-9]{9}([0-9]{4})?"), COMMON)
EsiId = simple("EsiId", Unicode(pattern="[0-9]{17}([0-9]{5})?"), COMMON)
Code = simple("Code", Unicode(pattern="[A-Z0-9]+(_[A-Z0-9]+)*", max_len=64), COMMON)


class ResponseHeader(ComplexModel):
    """Begins every answer; a mixin, so that its elements stand in the namespace of the service."""

    __mixin__ = True

    trans_id = one(TransactionId)
    statusCode = one(Code)
    statusReason = one(Unicode)
