"""What the WSDLs publish: bindings, their operations, and the elements that requests are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lxml import etree

HERE: Final = Path(__file__).resolve().parent
WSDL: Final = "http://schemas.xmlsoap.org/wsdl/"
WSDL_SOAP: Final = {"1_1": "http://schemas.xmlsoap.org/wsdl/soap/", "1_2": "http://schemas.xmlsoap.org/wsdl/soap12/"}
#: Services that no requester calls: the hub calls two of them, and TDSPs, whose kit is the simulated TDSP, the third.
NOT_FOR_REQUESTERS: Final = frozenset({"RequesterCallback", "TDSPCallback", "TDSPHan"})


@dataclass(frozen=True)
class Operation:
    """An operation of a binding."""

    name: str
    action: str
    request: str


@dataclass(frozen=True)
class Binding:
    """One binding of one WSDL: what soapUI calls an interface."""

    service: str
    name: str
    namespace: str
    soap_version: str
    operations: tuple[Operation, ...]

    @property
    def endpoint(self) -> str:
        """Where its requests go."""
        return f"${{#Project#endpoint}}/{self.service}"


def bindings() -> list[Binding]:
    """Every binding of every WSDL that a requester calls, in the order of files and of their bindings."""
    paths = sorted(path for path in (HERE.parent / "wsdl").glob("*.wsdl") if path.stem not in NOT_FOR_REQUESTERS)
    return [binding for path in paths for binding in _bindings_of(path)]


def _bindings_of(path: Path) -> Iterator[Binding]:
    root = etree.parse(path).getroot()
    namespace = str(root.get("targetNamespace"))
    elements = {
        message.get("name"): str(part.get("element")).partition(":")[2]
        for message in root.iter(f"{{{WSDL}}}message")
        for part in message.iter(f"{{{WSDL}}}part")
    }
    requests = {
        operation.get("name"): elements[str(operation[_index(operation, "input")].get("message")).partition(":")[2]]
        for operation in root.find(f"{{{WSDL}}}portType").iter(f"{{{WSDL}}}operation")  # type: ignore[union-attr]
    }
    for binding in root.iter(f"{{{WSDL}}}binding"):
        version = next(v for v, soap in WSDL_SOAP.items() if binding.find(f"{{{soap}}}binding") is not None)
        yield Binding(
            path.stem,
            str(binding.get("name")),
            namespace,
            version,
            tuple(
                Operation(
                    str(operation.get("name")),
                    str(operation.find(f"{{{WSDL_SOAP[version]}}}operation").get("soapAction")),  # type: ignore[union-attr]
                    requests[operation.get("name")],
                )
                for operation in binding.iter(f"{{{WSDL}}}operation")
            ),
        )


def _index(operation: etree._Element, name: str) -> int:
    return next(i for i, child in enumerate(operation) if child.tag == f"{{{WSDL}}}{name}")
