"""Monthly bills as a TDSP sends them: from meter reading to meter reading, twelve months of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise
from statistics import mean
from typing import Final

from smt_ws.usage.bill_periods import EndDay

__all__ = ["bills_of"]

MONTHS: Final = 12


def bills_of(
    used_wh: Sequence[int], days: Sequence[date], *, read_on: int, end_day: EndDay
) -> Iterator[tuple[date, date, int]]:
    """Yield start date, end date and Wh of a home's bills; *used_wh* is what it used on each of *days*.

    The meter is read on day *read_on* (1 to 28) of each month, the last time by the last of *days*. A period whose days
    are all known is billed for what was used, any other for as many average days.
    """
    known = dict(zip(days, used_wh, strict=True))
    last = days[-1] if days[-1].day >= read_on else days[-1].replace(day=1) - timedelta(days=1)
    reads = [last.replace(day=read_on)]
    while len(reads) <= MONTHS:
        reads.append((reads[-1].replace(day=1) - timedelta(days=1)).replace(day=read_on))
    average = round(mean(used_wh))
    for begin, end in pairwise(reversed(reads)):
        billed = (known.get(begin + timedelta(days=n)) for n in range((end - begin).days))
        used = list(billed)
        wh = sum(one for one in used if one is not None) if None not in used else average * len(used)
        yield begin, end if end_day is EndDay.SHARED else end - timedelta(days=1), wh
