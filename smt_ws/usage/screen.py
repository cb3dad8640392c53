"""Which of many records may break a rule of `rules.examine`, on whole columns: the others are not looked at singly.

Each rule has its one definition there. What is said here is only which records keep all of them, and a test holds both
together: whatever is not a suspect, `examine` finds nothing in.
"""

from __future__ import annotations

from datetime import date

import numpy as np
from numpy.typing import NDArray

from adapters.central_day import intervals_in
from adapters.lse import LOAD
from adapters.lse_columns import LseDays
from smt_ws.usage.known import Premises

__all__ = ["keys_of", "right_length", "suspects"]

Mask = NDArray[np.bool_]


def right_length(days: LseDays) -> Mask:
    """Which records have the intervals of their day."""
    different, which = np.unique(days.day, return_inverse=True)
    right: Mask = np.array([intervals_in(day) == days.values.shape[1] for day in different.tolist()], bool)[which]
    return right


def suspects(days: LseDays, premises: Premises, *, sender: str, today: date) -> Mask:
    """Which records break a rule by themselves, or may; those that the file had before are not told here."""
    found = ~premises.where(lambda premise: premise.tdsp_duns == sender)
    found |= ~right_length(days)
    found |= days.day >= np.datetime64(today, "D")
    found |= ~premises.provisioned_on(days.day)
    found |= _names_another(days.sender, sender) | _names_another(days.mre, sender)
    found[list(days.rounded)] = True
    # a day of zeros, or with an interval missing
    found |= ~days.actual & (days.letters == ord("M")).any(axis=1)
    found |= ~days.values.any(axis=1)
    return found


def _names_another(named: NDArray[np.object_], sender: str) -> Mask:
    names = named.tolist()
    another = {name for name in set(names) if name and name[:9] != sender[:9]}
    if not another:
        return np.zeros(len(names), bool)
    return np.fromiter((name in another for name in names), bool, len(names))


def keys_of(days: LseDays, premises: Premises) -> NDArray[np.int64]:
    """A number for each record's premise, channel and day: two have the same if and only if those are the same.

    Days since 1970, moved up by 2**20, have 22 bits; premises are counted from one and stay far below 2**40.
    """
    day = days.day.astype("datetime64[D]").astype(np.int64) + 2**20
    keys: NDArray[np.int64] = (premises.id << 23) | (day << 1) | (days.channel == LOAD)
    return keys
