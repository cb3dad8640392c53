"""Many LSE records as columns: the same facts as `lse.LseRecord`, for what is done with thousands at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    from adapters.lse import LseRecord, Reject

__all__ = ["NOT_GIVEN", "LseBatch", "LseDays", "reading_wh"]

NOT_GIVEN: Final = -1
"""Stands for a register reading that the file leaves out."""
_LARGEST_READING: Final = 2**62


def reading_wh(reading: Decimal | None) -> int:
    """A register reading in whole Wh, what is less cut off; `NOT_GIVEN` for None. A larger one than 2**62 is that."""
    return NOT_GIVEN if reading is None else min(int(reading * 1000), _LARGEST_READING)


@dataclass(frozen=True, eq=False, slots=True)
class LseDays:
    """Records with the same number of intervals, a row each; see `lse.LseRecord` for what the columns mean.

    There is no order among them. Transaction id, time of creation, origin, receiver and REP are not here.
    """

    line: npt.NDArray[np.int64]
    esiid: npt.NDArray[np.bytes_]
    channel: npt.NDArray[np.int16]
    day: npt.NDArray[np.datetime64]
    #: A column an interval, Wh.
    values: npt.NDArray[np.int32]
    #: A column an interval, the letters A, E and M.
    letters: npt.NDArray[np.uint8]
    #: Whether all its letters are A.
    actual: npt.NDArray[np.bool_]
    #: Register readings in Wh, or `NOT_GIVEN`.
    start_wh: npt.NDArray[np.int64]
    stop_wh: npt.NDArray[np.int64]
    #: DUNS numbers of row thirty, or None.
    mre: npt.NDArray[np.object_]
    sender: npt.NDArray[np.object_]
    #: By row, the intervals whose value was rounded.
    rounded: Mapping[int, tuple[int, ...]]

    def __len__(self) -> int:
        """How many records."""
        return len(self.line)

    def statuses(self, row: int) -> bytes | None:
        """The statuses of one record; None when all are actual."""
        return None if self.actual[row] else self.letters[row].tobytes()

    @classmethod
    def of(cls, records: Sequence[LseRecord]) -> Self:
        """Records that were read one by one; all have the same number of intervals."""
        letters = b"".join(
            b"A" * len(record.values) if record.statuses is None else record.statuses for record in records
        )
        return cls(
            line=np.array([record.line for record in records], np.int64),
            esiid=np.array([record.esiid.encode("ascii") for record in records], np.bytes_),
            channel=np.array([record.channel for record in records], np.int16),
            day=np.array([record.day for record in records], "datetime64[D]"),
            values=np.stack([record.values for record in records]),
            letters=np.frombuffer(letters, np.uint8).reshape(len(records), -1),
            actual=np.array([record.statuses is None for record in records]),
            start_wh=np.array([reading_wh(record.start_reading) for record in records], np.int64),
            stop_wh=np.array([reading_wh(record.stop_reading) for record in records], np.int64),
            mre=_objects([record.mre for record in records]),
            sender=_objects([record.sender for record in records]),
            rounded={row: record.rounded for row, record in enumerate(records) if record.rounded},
        )

    @classmethod
    def together(cls, parts: Sequence[LseDays]) -> Self:
        """Several sets of records with the same number of intervals as one, in the order of their lines."""
        columns: dict[str, Any] = {
            name: np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__ if name != "rounded"
        }
        begin = np.cumsum([0, *map(len, parts)]).tolist()
        rounded = {begin[n] + row: where for n, part in enumerate(parts) for row, where in part.rounded.items()}
        order = np.argsort(columns["line"], kind="stable")
        if (order[1:] > order[:-1]).all():
            return cls(**columns, rounded=rounded)
        place = np.argsort(order)
        columns = {name: column[order] for name, column in columns.items()}
        return cls(**columns, rounded={int(place[row]): where for row, where in rounded.items()})


class LseBatch(NamedTuple):
    """What some neighbouring records of a file are: the good ones by number of intervals, and the others."""

    days: tuple[LseDays, ...]
    rejects: tuple[Reject, ...]

    @property
    def records(self) -> int:
        """How many there are, good or not."""
        return sum(map(len, self.days)) + len(self.rejects)


def _objects(values: Sequence[object]) -> npt.NDArray[np.object_]:
    column = np.empty(len(values), object)
    column[:] = values
    return column
