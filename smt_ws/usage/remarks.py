"""What must be known of data that was delivered: days that were flagged at load (U5), bills that differ (U10)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from smt_ws.usage.rules import FLAG_BITS

__all__ = ["BILL_TOLERANCE_WH", "CODES", "REMARK", "REMARKS", "of_bills", "of_days"]

#: What is told of data that was delivered, by code: what flagged a day at load (U5), what is so of a bill (U10).
REMARKS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "METER_NOT_PROVISIONED": "The meter was installed but not yet provisioned on these days.",
        "VALUE_ROUNDED": "The TDSP sent a value with a fourth decimal of a kWh; it was rounded to whole Wh.",
        "MISSING_INTERVALS": "The TDSP sent no value for some intervals of these days.",
        "ZERO_DAY": "Every interval of consumption that there is on these days is 0.",
        "ESTIMATE_REPLACES_ACTUAL": "An interval that had been actual is an estimate in this version.",
        "METER_IDENTIFICATION": "The TDSP's record names another company as its sender or meter reader.",
        "INACTIVE_USAGE": "Usage was measured although the premise was not active when the days were loaded.",
        "PULSE_OVERFLOW": "An interval is larger than a meter is expected to register.",
        "MAXIMUM_DEMAND": "An interval stands for more demand than is expected of a premise of this type.",
        "REGISTER_READS": "The register's reading at the end is below that at the start, or beyond its range.",
        "SUM_CHECK": "The intervals do not add up to what the register measured on these days.",
        "ZERO_RUN": "An unusually long run of intervals of consumption is 0.",
        "SPIKE": "One interval stands far above the others of its day.",
        "HIGH_USAGE": "Consumption is far above that of the premise's days before.",
        "LOW_USAGE": "Consumption is far below that of the premise's days before.",
        "BILL_DIFFERS": "The intervals of this billing period add up to more or less than was billed, by over 0.5 kWh.",
        "CHANNEL_MISSING": "The TDSP has delivered no value of this channel on these days; the premise measures it.",
        "CHANNEL_INCOMPLETE": "This channel is not told: intervals of it are missing and no register read stands in.",
    }
)
#: Up to so much (Wh) a bill and its intervals may differ without a remark: bills are often of whole kWh (U10).
BILL_TOLERANCE_WH: Final = 500

#: The codes that ``code`` of a remark counts, in the order of the table.
CODES: Final = tuple(REMARKS)
#: A remark on days of one ESI ID, both included, counted from 1970-01-01: ``esiid`` as in the slices asked for,
#: ``code`` a place in `CODES`; ``billed_wh`` and ``measured_wh`` are of a bill, else 0.
REMARK: Final = np.dtype(
    [
        ("esiid", "<u4"),
        ("first_day", "<i4"),
        ("last_day", "<i4"),
        ("channel", "u1"),
        ("code", "<u2"),
        ("billed_wh", "<i8"),
        ("measured_wh", "<i8"),
    ]
)
_BILL_DIFFERS: Final = CODES.index("BILL_DIFFERS")


_NO_DAYS: Final = np.empty((3, 0), np.int64)


def of_days(
    flagged: NDArray[np.int64], *, missing: NDArray[np.int64] = _NO_DAYS, incomplete: NDArray[np.int64] = _NO_DAYS
) -> NDArray[Any]:
    """Return a remark for each rule that flagged days and each channel not told, by ESI ID, first day, channel, code.

    *flagged* has four rows: ESI ID, day, channel, flags. *missing* and *incomplete* have the first three of them. A day
    may be there more than once (versions): it is told once. Neighbouring days of which the same is to be said are one
    remark.
    """
    esiid, day, channel, flags = flagged
    pieces = [
        np.stack([esiid[found], channel[found], np.full(len(found), CODES.index(code)), day[found]])
        for bit, code in enumerate(FLAG_BITS)
        if len(found := np.flatnonzero(flags >> bit & 1))
    ]
    for code, days in (("CHANNEL_MISSING", missing), ("CHANNEL_INCOMPLETE", incomplete)):
        if days.shape[1]:
            pieces.append(np.stack([days[0], days[2], np.full(days.shape[1], CODES.index(code)), days[1]]))
    if not pieces:
        return np.empty(0, REMARK)
    esiid, channel, code, day = np.unique(np.concatenate(pieces, axis=1), axis=1)
    goes_on = (
        (esiid[1:] == esiid[:-1]) & (channel[1:] == channel[:-1]) & (code[1:] == code[:-1]) & (day[1:] == day[:-1] + 1)
    )
    starts = np.flatnonzero(np.r_[True, ~goes_on])
    remarks = np.zeros(len(starts), REMARK)
    remarks["esiid"], remarks["channel"], remarks["code"] = esiid[starts], channel[starts], code[starts]
    remarks["first_day"], remarks["last_day"] = day[starts], day[np.flatnonzero(np.r_[~goes_on, True])]
    return remarks[np.lexsort((remarks["code"], remarks["channel"], remarks["first_day"], remarks["esiid"]))]


def of_bills(periods: NDArray[Any], billed_wh: NDArray[np.int64], measured_wh: NDArray[np.int64]) -> NDArray[Any]:
    """Return a remark for each of *periods* (rows with ``esiid``, ``first_day``, ``last_day``): its bill differs."""
    remarks = np.zeros(len(periods), REMARK)
    remarks["esiid"], remarks["channel"], remarks["code"] = periods["esiid"], 4, _BILL_DIFFERS
    remarks["first_day"] = periods["first_day"].astype("<i8")
    remarks["last_day"] = periods["last_day"].astype("<i8")
    remarks["billed_wh"], remarks["measured_wh"] = billed_wh, measured_wh
    return remarks
