"""The plain content of a data file: usage read as of a load, rendered, and every day that is not there explained.

Everything that decides it is in `Wanted`, fixed when the file was planned, so content that is made again is the same
bytes. Files of orders and answers given inline are made here alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Table

from adapters.deflate_code import Deflated, plain_of
from greenbutton.errors import NoReadingsError
from smt_ws.clock import CENTRAL
from smt_ws.orders import plan
from smt_ws.orders.errors import DaysDoNotAddUpError
from smt_ws.orders.renderers import DAILY, INTERVAL, MONTHLY, Issue, Renderer
from smt_ws.parties.access import SLICE
from smt_ws.parties.rules import REASON_CODES, Reason
from smt_ws.settings import Limits
from smt_ws.usage.missing import explain_missing
from smt_ws.usage.read import CHANNELS, read_days
from smt_ws.usage.read_bills import read_bills
from smt_ws.usage.read_daily import read_daily

__all__ = ["Content", "Wanted", "data_content"]


class Stored(Protocol):
    """Usage out of the store: iterated once, then it knows what was there."""

    delivered: int
    days_found: tuple[date, date] | None
    told: dict[tuple[int, date], Reason]

    @property
    def tables(self) -> tuple[Table, ...]:
        """See `smt_ws.usage.as_of.StoredRows`, as for all of them."""
        ...

    @property
    def missing(self) -> NDArray[Any]:
        """Rows of `SLICE`: the days of which the store has nothing."""
        ...

    def remarks(self) -> NDArray[Any]:
        """Rows of `smt_ws.usage.remarks.REMARK` on what was there."""
        ...

    def __iter__(self) -> Iterator[Any]:
        """Yield what was measured, in the order of the slices."""
        ...


#: How each report is read.
READERS: Mapping[str, Callable[..., Stored]] = MappingProxyType(
    {INTERVAL: read_days, DAILY: read_daily, MONTHLY: read_bills}
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a data file is to hold."""

    report: str
    slices: plan.Slices
    reading_type: str
    version: str
    as_of_load: int
    #: Only what was loaded after this load number; None: whatever is known.
    after_load: int | None
    accepted_at: datetime


@dataclass(slots=True)
class Content:
    """The plain content of a file while it is written, and what is known once all its chunks have been taken."""

    chunks: Iterator[bytes | Deflated]
    records: int = 0
    #: Days that were planned and are not there, with their reasons.
    missing: plan.Exceptions | None = None
    #: What must be known of days delivered, packed; None: nothing.
    remarks: bytes | None = None
    days_delivered: int = 0
    #: The first and the last day that the file holds; None: it holds none.
    days_found: tuple[date, date] | None = None
    #: True where there is no record, whatever the format: there is no file.
    nothing: bool = False
    #: Premises at which an agreement had ended when the content was begun.
    ended: frozenset[int] = frozenset()


def data_content(
    connection: Connection,
    wanted: Wanted,
    renderer: Renderer,
    issue: Callable[[Sequence[int]], Issue],
    limits: Limits,
    *,
    dropped: plan.Exceptions | None = None,
) -> Content:
    """Begin the content that *wanted* describes; *issue* is asked with the premises of the file.

    *dropped* are days that were planned and are no longer in *wanted*, with their reason; they become missing ones.
    It is noted too what must be known of the days delivered (U5, U10).

    Taking the last chunk raises `DaysDoNotAddUpError` where the days planned are not those delivered plus those
    missing. *connection* is one read transaction for as long as chunks are taken.
    """
    slices = wanted.slices
    asked = np.empty(len(slices.rows), SLICE)
    for name in ("esiid", "premise_id", "first_day", "last_day"):
        asked[name] = slices.rows[name]
    channels = CHANNELS[wanted.reading_type]
    stored = READERS[wanted.report](
        connection,
        slices=asked,
        channels=channels,
        as_of=wanted.as_of_load,
        version="A" if wanted.version == "A" else "L",
        after=wanted.after_load,
        measured_only=renderer.measured_only,
        **({"accepted_at": wanted.accepted_at} if wanted.report == MONTHLY else {}),
    )

    def chunks() -> Iterator[bytes | Deflated]:
        marks = -renderer.heads
        for chunk in _unless_empty(renderer.render(stored, issue(asked["premise_id"].tolist()))):
            marks += _times(renderer.record_mark, plain_of(chunk))
            yield chunk
        content.records = marks
        content.nothing = marks == 0
        content.days_delivered, content.days_found = stored.delivered, stored.days_found
        reasons = explain_missing(
            connection,
            stored.missing,
            channels=channels,
            as_of=wanted.as_of_load,
            # The day of acceptance, not of making: a file made again says the same.
            today=wanted.accepted_at.astimezone(CENTRAL).date(),
            due_days=limits.due_days,
            late_days=limits.late_days,
            told=stored.told,
            tables=stored.tables,
        )
        if len(remarks := stored.remarks()):
            content.remarks = plan.pack_remarks(slices, remarks)
        days_missing = 0
        if len(reasons):
            missing = plan.compact(slices.esiids, reasons, REASON_CODES)
            # compact() knows places in this part; the exceptions file follows places in the request
            missing = plan.Exceptions(missing.esiids, slices.positions[missing.positions], missing.rows, missing.codes)
            content.missing = missing
            days_missing = missing.days
        if dropped is not None:
            content.missing = dropped if content.missing is None else plan.merge([content.missing, dropped])
        if content.days_delivered + days_missing != slices.days:
            raise DaysDoNotAddUpError(
                expected=f"{slices.days} planned",
                presented=f"{content.days_delivered} delivered, {days_missing} missing",
            )

    content = Content(chunks())
    return content


def _times(mark: bytes, text: bytes) -> int:
    """How often *mark* is in *text*."""
    if len(mark) > 1:
        return text.count(mark)
    # five times as fast where there is one in every line
    return int(np.count_nonzero(np.frombuffer(text, np.uint8) == mark[0]))


def _unless_empty(chunks: Iterable[bytes | Deflated]) -> Iterator[bytes | Deflated]:
    """*chunks*, of which a Green Button document without a reading has none."""
    try:
        yield from chunks
    except NoReadingsError:
        return
