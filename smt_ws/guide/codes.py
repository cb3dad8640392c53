"""Tables of codes, states and limits: who may call, faults, exceptions, remarks, orders, parts, message security."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from types import ModuleType
from typing import Any, Final, get_args

from pydantic import BaseModel

from adapters import lse
from adapters.soap import faults, wss_failures
from adapters.soap.wssecurity import DEFAULT
from smt_ws.agreements import errors as agreement_errors
from smt_ws.guide.markdown import table
from smt_ws.han import errors as han_errors
from smt_ws.han import field_errors as han_field_errors
from smt_ws.orders import errors as order_errors
from smt_ws.orders.renderers import RENDERERS
from smt_ws.orders.rules import DELIVERY_MODES, ORDER_MOVES, PART_MOVES, PartState, Status
from smt_ws.parties import errors as party_errors
from smt_ws.parties.rules import KINDS, REASONS
from smt_ws.settings import Ftps, Limits, Mail, Settings, Soap, Validation
from smt_ws.usage import errors as usage_errors
from smt_ws.usage.remarks import REMARKS
from smt_ws.usage.rules import RULES

__all__ = [
    "callers",
    "exceptions",
    "faults_of_agreements",
    "faults_of_devices",
    "faults_of_identity",
    "faults_of_messages",
    "faults_of_orders",
    "faults_of_security",
    "limits",
    "loads",
    "lse_rejects",
    "order_states",
    "part_states",
    "remarks",
    "reports",
    "security",
    "validation",
]

_STATES: Final = {
    Status.PENDING: "accepted; no file is being built yet",
    Status.IN_PROGRESS: "files are being built",
    Status.COMPLETE: "every ESI-ID-day asked for is in a file",
    Status.COMPLETE_WITH_EXCEPTIONS: "done; what is not in a file is in the exceptions file, with its reason",
    Status.FAILED: "the hub could not build it; an e-mail tells you, and support knows",
    Status.CANCELLED: "you took it back; files already published stay",
    Status.EXPIRED: "its files have left the FTPS site",
}
_PART_STATES: Final = {
    PartState.PLANNED: "its name is fixed, nobody builds it yet",
    PartState.BUILDING: "a worker builds it",
    PartState.PUBLISHED: "it stands in your folder, whole",
    PartState.EMPTY: "there was nothing to put into it; no such file was made",
    PartState.FAILED: "it could not be built",
    PartState.CANCELLED: "the order was taken back before it was built",
    PartState.EXPIRED: "it has left your folder",
}

#: Where the setting's own description is a note for its operator.
_MEANINGS: Final = {
    "esiids_per_request": "ESI IDs that one request may name",
    "days_per_part": "ESI-ID-days in one file; a larger order comes in several files",
    "history_months_market": "months back that a REP or TDSP may ask for",
    "history_months_others": "months back that anybody else may ask for",
    "keep_files_days": "days that a delivered file stays in your folder",
    "port": "where it listens",
}


def callers() -> str:
    """Who may call, as what, and what they see."""
    rows = []
    for kind in KINDS.values():
        sees = [
            text
            for shown, text in (
                (kind.by_service, "premises on the days on which it is their REP of record"),
                (kind.by_grant, "premises on the days that a customer's agreement opens"),
                (kind.by_wires, "every day of the premises on its own wires"),
                (kind.by_reason, "every day of any premise, with a reason that the request states and the hub keeps"),
            )
            if shown
        ]
        types = ", ".join(
            f"`{name}`" + ("" if name == acts else f" (as `{acts}`)") for name, acts in kind.requester_types.items()
        )
        rows.append((f"`{kind.name}`", kind.meaning, types, "; ".join(sees)))
    return table(["kind", "who that is", "may send as `requesterType`", "sees"], rows)


def security() -> str:
    """The message security profile, from the verifier's own policy."""
    return table(
        ["of a request", "what is accepted"],
        [
            (
                "signed parts",
                "`soap:Body` and `wsu:Timestamp`, both; the `BinarySecurityToken` may be signed too; nothing else",
            ),
            ("lifetime (`Expires` − `Created`)", f"at most {_seconds(DEFAULT.max_lifetime)}"),
            ("difference of clocks", f"at most {_seconds(DEFAULT.clock_skew)}"),
            ("signature", ", ".join(f"`{name}`" for name in sorted(DEFAULT.signature_algorithms))),
            ("digest", ", ".join(f"`{name}`" for name in sorted(DEFAULT.digest_algorithms))),
            ("canonicalization, and the only transform", "`http://www.w3.org/2001/10/xml-exc-c14n#`"),
            ("key", f"RSA, {DEFAULT.min_rsa_bits} to {DEFAULT.max_rsa_bits} bits"),
            (
                "certificate",
                "X.509v3 `BinarySecurityToken` by direct reference; issuer and serial number of a registered one",
            ),
        ],
    )


def faults_of_security() -> str:
    """Refusals of WS-Security."""
    return _errors(_classes(wss_failures))


def faults_of_messages() -> str:
    """Refusals of the message before it reaches its service."""
    return _errors(_classes(faults))


def faults_of_identity() -> str:
    """Refusals of who is asking."""
    return _errors(one for one in _classes(party_errors) if issubclass(one, party_errors.IdentityError))


def faults_of_orders() -> str:
    """Refusals of what is asked. Those that only the hub's own workers meet are left out."""
    return _errors(one for one in _classes(order_errors) if one.callers_fault or hasattr(one, "retry_after"))


def faults_of_agreements() -> str:
    """Refusals of agreements; answers to a link are pages, not faults."""
    pages = (
        agreement_errors.InvitationNotOpenError,
        agreement_errors.LogInNeededError,
        agreement_errors.NotInvitedError,
        agreement_errors.AcceptanceRefusedError,
    )
    return _errors(one for one in _classes(agreement_errors) if not issubclass(one, pages))


def faults_of_devices() -> str:
    """Refusals of requests about devices and messages."""
    classes = [*_classes(han_errors), *_classes(han_field_errors)]
    return _errors(one for one in classes if one.callers_fault)


def loads() -> str:
    """Why a file of a TDSP is refused whole."""
    return _errors(one for one in _classes(usage_errors) if one.callers_fault)


def lse_rejects() -> str:
    """Why one record of an LSE file is rejected."""
    return table(
        ["code", "what happened and what to do"], [(f"`{code}`", text) for code, text in lse.REJECT_CODES.items()]
    )


def validation() -> str:
    """What is checked of every interval day at load, and which settings bear on it."""
    rows = []
    for rule in RULES.values():
        figures = [f"`{name}` {_figure(Validation.model_fields[name].default)}" for name in rule.settings]
        may = "yes" if rule.adjustable else "no"
        rows.append((f"`{rule.code}`", rule.formula, rule.severity.value, may, ", ".join(figures), rule.source))
    return table(["rule", "what must hold", "else", "may be set", "figures (`validation.…`)", "source"], rows)


def _figure(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else f"{value:,}"


def exceptions() -> str:
    """Codes of the exceptions file."""
    return table(["code", "what is so, and what to do"], [(f"`{code.value}`", text) for code, text in REASONS.items()])


def remarks() -> str:
    """Codes of the remarks file."""
    return table(["code", "what is so"], [(f"`{code}`", text) for code, text in REMARKS.items()])


def order_states() -> str:
    """Statuses of orders, and what may follow each."""
    return _states(_STATES, ORDER_MOVES)


def part_states() -> str:
    """States of single files, and what may follow each."""
    return _states(_PART_STATES, PART_MOVES)


def reports() -> str:
    """Which report can be had in which format, and how its files' names begin."""
    return table(
        ["report", "`reportFormat`", "`deliveryMode`", "file names begin with"],
        [
            (report, f"`{format_}`", ", ".join(f"`{mode}`" for mode in DELIVERY_MODES), f"`{renderer.report_name}`")
            for (report, format_), renderer in RENDERERS.items()
        ],
    )


def limits() -> str:
    """Every limit that an operator may set, with its first value; where the hub listens by default."""
    rows = [*_settings("limits", Limits)]
    rows += [
        row
        for section, model in (("soap", Soap), ("ftps", Ftps))
        for row in _settings(section, model)
        if row[0].endswith(".port`")
    ]
    rows.append(
        ("`mail`", "a folder of `.eml` files" if Mail().smtp_host is None else "SMTP", "until an SMTP server is set")
    )
    rows.append(
        ("`environment`", f"`{Settings.model_fields['environment'].default}`", _choices(Settings, "environment"))
    )
    return table(["setting", "first value", "what it bounds"], rows)


def _settings(section: str, model: type[BaseModel]) -> Iterator[tuple[str, str, str]]:
    for name, field in model.model_fields.items():
        meaning = _MEANINGS.get(name) or field.description or ""
        yield f"`{section}.{name}`", f"`{field.default}`", meaning


def _choices(model: type[BaseModel], name: str) -> str:
    return " or ".join(f"`{value}`" for value in get_args(model.model_fields[name].annotation))


def _seconds(time: timedelta) -> str:
    return f"{time.total_seconds():.0f} seconds"


def _classes(module: ModuleType) -> list[Any]:
    """The error classes that *module* defines itself, in its order, without bases that are never raised."""
    own = [
        one
        for one in vars(module).values()
        if inspect.isclass(one)
        and issubclass(one, Exception)
        and one.__module__ == module.__name__
        and "code" in vars(one)
    ]
    return [one for one in own if not any(one is not other and issubclass(other, one) for other in own)]


def _errors(classes: Iterable[Any]) -> str:
    return table(["code", "what happened and what to do"], [(f"`{one.code}`", one.__doc__ or "") for one in classes])


def _states(meanings: Mapping[Any, str], moves: Mapping[Any, frozenset[Any]]) -> str:
    return table(
        ["state", "meaning", "may be followed by"],
        [
            (
                f"`{state.name}`",
                text,
                ", ".join(f"`{after.name}`" for after in type(state) if after in moves[state] - {state}) or "nothing",
            )
            for state, text in meanings.items()
        ],
    )
