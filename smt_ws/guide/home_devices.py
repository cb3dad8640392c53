"""Tables of the home area network: device states and moves, message states, statuses, fields, answers to TDSPs."""

from __future__ import annotations

from smt_ws.guide.markdown import table
from smt_ws.han import message_rules, statuses
from smt_ws.han.field_rules import FIELDS
from smt_ws.han.rules import REASONS, ROWS, SLOT_STATES, TDSP_EVENTS, TIMEOUTS, DeviceState
from smt_ws.settings import Han

__all__ = ["answers", "fields", "message_states", "moves", "provisioning_statuses", "reasons", "sep_statuses", "states"]

_MEANINGS = {
    DeviceState.ADD_ACKNOWLEDGED: "the hub has accepted the request, or the TDSP has acknowledged it",
    DeviceState.ADD_PENDING: "the TDSP is bringing it to the meter",
    DeviceState.METER_READY: "the meter waits for the device to join; the customer may have to press its button",
    DeviceState.DEVICE_ADDED: "the device has joined and can be sent messages",
    DeviceState.REMOVE_ACKNOWLEDGED: "the hub has accepted the removal, or the TDSP has acknowledged it",
    DeviceState.REMOVE_PENDING: "the TDSP is taking it off the meter",
    DeviceState.REMOVE_FAILED: "it could not be removed; ask again",
    DeviceState.ADD_REJECTED: "the TDSP will not add it; the history says why",
    DeviceState.ADD_FAILED: "it could not be added; the history says why",
    DeviceState.DEVICE_REMOVED: "it is gone",
}


def states() -> str:
    """How a device can stand, and whether it then takes one of the slots."""
    return table(
        ["status", "as the customer sees it", "meaning", "takes a slot"],
        [
            (f"`{state.name}`", state.value, text, "yes" if state in SLOT_STATES else "no")
            for state, text in _MEANINGS.items()
        ],
    )


def moves() -> str:
    """The whole table of device moves, with the default of each time-out."""
    waits = {
        event: f"after {Han.model_fields[setting].default:,} hours, unless set (`han.{setting}`)"
        for setting, event in TIMEOUTS.values()
    }
    rows = []
    for row in ROWS:
        before = [f"`{state.name}`" for state in DeviceState if state in row.states]
        if None in row.states:
            before.insert(0, "no such device")
        after = "as before the removal" if row.to is None else f"`{row.to.name}`"
        remark = "; ".join(filter(None, (row.remark, waits.get(row.event))))
        rows.append((", ".join(before), f"`{row.event.name}`", row.actor.value, after, remark))
    return table(["from", "event", "by", "to", ""], rows)


def reasons() -> str:
    """Why an add or a removal did not succeed."""
    return table(["`reasonCode`", "meaning"], [(f"`{code}`", text) for code, text in REASONS.items()])


def message_states() -> str:
    """How far a message can have come."""
    return table(
        ["status", "meaning"],
        [(f"`{state.name}`", text) for state, text in message_rules.STATES.items()],
    )


def sep_statuses() -> str:
    """Codes of the log by category, and the event statuses of devices that they stand for."""
    by_category = table(
        ["`StatusCode`", "meaning", "of"],
        [
            (
                f"`{code.value}`",
                text,
                ", ".join(f"`{name}`" for name, one in message_rules.CATEGORIES.items() if code in one.codes),
            )
            for code, text in message_rules.CODES.items()
        ],
    )
    by_device = table(
        ["event status", "what the device says", "`StatusCode`", "status of the message"],
        [
            (f"`{number:02X}`", one.meaning, f"`{one.code.value}`", f"`{one.state.name}`")
            for number, one in message_rules.SEP_STATUSES.items()
        ],
    )
    return f"{by_category}\n\n{by_device}"


def fields() -> str:
    """What every number of a message may be."""
    names = {"STM": "text", "LCE": "load control event", "PRM": "price"}
    return table(
        ["of", "element", "may be", "fault"],
        [
            (names[category], f"`{field.element}`", field.expected, f"`{field.code}`")
            for category, some in FIELDS.items()
            for field in some
        ],
    )


def provisioning_statuses() -> str:
    """What a TDSP may post of a request about a device, and what it means."""
    return table(
        ["of", "`statusCode`", "event", "needs a `reasonCode`"],
        [
            (action, f"`{status}`", f"`{event.name}`", "yes" if status in {"REJECTED", "FAILED"} else "no")
            for (action, status), event in TDSP_EVENTS.items()
        ],
    )


def answers() -> str:
    """Answers to the posts of TDSPs."""
    return table(
        ["code", "what happened and what to do"],
        [(f"`{code}`", text) for code, text in statuses.ANSWERS.items()],
    )
