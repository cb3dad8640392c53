"""The data of a make-believe market, as a TDSP would send it: premises, meters, REP of record, and LSE files.

The same seed gives the same files, byte for byte. Among the ordinary homes are a few special ones, so that everything
that happens in a market can be seen; `Market.special` says which.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from adapters.central_day import CENTRAL, intervals_in
from adapters.lse import GENERATION, LOAD, LseRecord, file_name
from adapters.lse_write import write
from smt_ws.sandbox.bills import bills_of
from smt_ws.sandbox.households import Calendar, solar_surplus, temperatures, watt_hours
from smt_ws.usage.bill_periods import EndDay

__all__ = ["LseFile", "Market", "Special", "build_market"]

#: Share of days that a later file revises; half of them were estimated in part at first.
_REVISED_DAYS: Final = 0.02
#: Share of the other days of which some intervals are estimated, and how many then: with those above, 0.3 % of all
#: intervals.
_ESTIMATED_DAYS: Final = 0.0203
_ESTIMATED_RUN: Final = (4, 15)
_REVISED_AFTER: Final = timedelta(days=3)
#: The market's operator, who gets the same files.
_ERCOT_DUNS: Final = "183529049"
_STREETS: Final = ("Live Oak", "Pecan", "Bluebonnet", "Mesquite", "Juniper", "Cedar", "Cypress", "Magnolia")


@dataclass(frozen=True)
class LseFile:
    """One file of usage: when the TDSP delivers it (aware UTC), and how many records it has."""

    path: Path
    delivered: datetime
    records: int
    revises: bool


@dataclass(frozen=True)
class Special:
    """The ESI IDs to look at, each with its day or days."""

    #: Has a generation channel.
    solar: str
    #: Served by the first REP to the day before, by the second from that day.
    switched: tuple[str, date]
    #: Its old meter measured to the day before, the new one from that day.
    exchanged: tuple[str, date]
    #: Has no data from the first to the last of these days.
    gap: tuple[str, date, date]
    #: Its meter was installed on the first day and provisioned on the second; there is data from then on.
    new_home: tuple[str, date, date]
    #: A later file replaces an actual day with an estimated one.
    estimated_later: tuple[str, date]
    #: A day that a later file revises.
    revised: tuple[str, date]
    #: The days of 92 or 100 intervals among those generated.
    daylight_saving: tuple[date, ...]


@dataclass(frozen=True)
class Market:
    """Where everything is, and what is in it."""

    folder: Path
    tdsp_duns: str
    rep_duns: tuple[str, str]
    first_day: date
    last_day: date
    esiids: tuple[str, ...]
    premises: Path
    meters: Path
    rep_of_record: Path
    #: Twelve months of bills, the last one ending in the last month.
    bills: Path
    #: In the order in which they are delivered.
    lse_files: tuple[LseFile, ...]
    special: Special
    #: Records in all LSE files; days (of one channel) revised by a later file.
    records: int
    revised_days: int
    #: Share of the intervals first delivered that are estimated.
    estimated_share: float


def build_market(
    folder: Path,
    *,
    tdsp_duns: str,
    rep_duns: tuple[str, str],
    seed: int = 7,
    premises: int = 200,
    first_day: date = date(2026, 9, 20),
    days: int = 60,
    bills_end: EndDay = EndDay.INCLUSIVE,
) -> Market:
    """Write the files of a market of *premises* homes over *days* operating days into *folder*.

    All premises are on the wires of *tdsp_duns*, which means *bills_end* by the end dates of its bills; the first REP
    serves about three fifths of them. Needs at least 10 premises and 20 days, so that the special homes have room.
    Raises ValueError below that.
    """
    if premises < 10 or days < 20:
        raise ValueError("a market needs at least 10 premises and 20 days")
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    calendar = Calendar.of(first_day, days)
    town = _Town.settle(calendar, premises, tdsp_duns, rep_duns, rng)
    _write_csv(
        folder / "premises.csv",
        "ESIID,TDSP_DUNS,SERVICE_ADDRESS,CITY,STATE,ZIP,PREMISE_TYPE,STATUS",
        (
            (e, tdsp_duns, f"{100 + 7 * n} {_STREETS[n % 8]} St", "Dallas", "TX", "75201", "RESIDENTIAL", "ACTIVE")
            for n, e in enumerate(town.esiids)
        ),
    )
    _write_csv(
        folder / "meters.csv", "ESIID,METER_NUMBER,INSTALLED_ON,PROVISIONED_ON,REMOVED_ON", town.meters(calendar)
    )
    _write_csv(folder / "rep_of_record.csv", "ESIID,REP_DUNS,FROM_DATE,TO_DATE", town.services(calendar))
    originals, revisions, estimated = town.measure(calendar, rng)
    homes = [n for n, esiid in enumerate(town.esiids) if esiid != town.special.new_home[0]]
    _write_csv(
        folder / "bills.csv",
        "ESIID,START_DATE,END_DATE,ACTUAL_KWH,ACTION",
        (
            (town.esiids[home], start, end, Decimal(wh).scaleb(-3), "ORIGINAL")
            for home in homes
            for start, end, wh in bills_of(town.used_wh[home], calendar.days, read_on=1 + home % 28, end_day=bills_end)
        ),
    )
    files = _write_lse(folder, tdsp_duns, originals, revisions)
    return Market(
        folder=folder,
        tdsp_duns=tdsp_duns,
        rep_duns=rep_duns,
        first_day=first_day,
        last_day=calendar.days[-1],
        esiids=town.esiids,
        premises=folder / "premises.csv",
        meters=folder / "meters.csv",
        rep_of_record=folder / "rep_of_record.csv",
        bills=folder / "bills.csv",
        lse_files=files,
        special=town.special,
        records=sum(file.records for file in files),
        revised_days=len(revisions),
        estimated_share=estimated,
    )


@dataclass
class _Town:
    """The homes: who they are, who serves them, and what is special."""

    tdsp_duns: str
    rep_duns: tuple[str, str]
    esiids: tuple[str, ...]
    meter_numbers: tuple[str, ...]
    #: Which of the two REPs serves each home at first.
    served_by: tuple[int, ...]
    special: Special
    #: Wh of each home, day by day; known when it has been measured.
    used_wh: list[list[int]] = field(default_factory=list)

    @classmethod
    def settle(
        cls,
        calendar: Calendar,
        homes: int,
        tdsp_duns: str,
        rep_duns: tuple[str, str],
        rng: np.random.Generator,
    ) -> _Town:
        """Give every home its numbers and its REP, and choose the special ones."""
        numbers = np.sort(rng.choice(10**9, homes, replace=False))
        esiids = tuple(f"1044372{number:010}" for number in numbers)
        meters = tuple(f"{number}LG" for number in 104_000_000 + rng.choice(10**6, homes + 1, replace=False))
        served_by = [int(draw) for draw in rng.random(homes) >= 0.6]
        solar, switched, exchanged, gap, new, guessed, revised = (int(n) for n in rng.choice(homes, 7, replace=False))
        served_by[switched] = 0
        served_by[solar] = 0
        days = calendar.days
        middle = len(days) // 2
        special = Special(
            solar=esiids[solar],
            switched=(esiids[switched], days[middle]),
            exchanged=(esiids[exchanged], days[middle + 3]),
            gap=(esiids[gap], days[middle - 4], days[middle]),
            new_home=(esiids[new], days[5], days[middle - 8]),
            estimated_later=(esiids[guessed], days[middle + 2]),
            revised=(esiids[revised], days[middle + 5]),
            daylight_saving=tuple(day for day in days if intervals_in(day) != 96),
        )
        return cls(tdsp_duns, rep_duns, esiids, meters, tuple(served_by), special)

    def meters(self, calendar: Calendar) -> Iterable[Sequence[object]]:
        """Rows of meters.csv."""
        long_ago = calendar.days[0] - timedelta(days=900)
        for n, (esiid, number) in enumerate(zip(self.esiids, self.meter_numbers, strict=False)):
            if esiid == self.special.exchanged[0]:
                change = self.special.exchanged[1]
                yield esiid, number, long_ago, long_ago + timedelta(days=21), change - timedelta(days=1)
                yield esiid, self.meter_numbers[-1], change, change, None
            elif esiid == self.special.new_home[0]:
                yield esiid, number, self.special.new_home[1], self.special.new_home[2], None
            else:
                installed = long_ago + timedelta(days=n % 60)
                yield esiid, number, installed, installed + timedelta(days=21), None

    def services(self, calendar: Calendar) -> Iterable[Sequence[object]]:
        """Rows of rep_of_record.csv."""
        long_ago = calendar.days[0] - timedelta(days=800)
        for esiid, rep in zip(self.esiids, self.served_by, strict=True):
            if esiid == self.special.switched[0]:
                change = self.special.switched[1]
                yield esiid, self.rep_duns[0], long_ago, change - timedelta(days=1)
                yield esiid, self.rep_duns[1], change, None
            elif esiid == self.special.new_home[0]:
                yield esiid, self.rep_duns[rep], self.special.new_home[1], None
            else:
                yield esiid, self.rep_duns[rep], long_ago, None

    def rep_on(self, home: int, day: date) -> str:
        """The DUNS number of the REP that serves the home on *day*."""
        if self.esiids[home] == self.special.switched[0] and day >= self.special.switched[1]:
            return self.rep_duns[1]
        return self.rep_duns[self.served_by[home]]

    def has_data(self, home: int, day: date) -> bool:
        """Whether the TDSP sends the home's *day* at all."""
        gap, new = self.special.gap, self.special.new_home
        if self.esiids[home] == gap[0] and gap[1] <= day <= gap[2]:
            return False
        return not (self.esiids[home] == new[0] and day < new[2])

    def measure(self, calendar: Calendar, rng: np.random.Generator) -> tuple[list[LseRecord], list[LseRecord], float]:
        """What is first delivered of every day, what is delivered again later, and the share of estimates at first."""
        used = watt_hours(calendar, temperatures(calendar, rng), len(self.esiids), rng)
        solar = self.esiids.index(self.special.solar)
        used[solar], surplus = solar_surplus(calendar, used[solar], 6.5, rng)
        self.used_wh = [
            [int(used[home][calendar.slice_of(n)].sum()) for n in range(len(calendar.days))]
            for home in range(len(self.esiids))
        ]
        series = [(home, LOAD, used[home]) for home in range(len(self.esiids))] + [(solar, GENERATION, surplus)]
        originals: list[LseRecord] = []
        revisions: list[LseRecord] = []
        estimates = intervals = 0
        for home, channel, truth in series:
            reading = int(rng.integers(1_000, 60_000)) * 1000
            draws = rng.random((len(calendar.days), 2))
            for n, day in enumerate(calendar.days):
                if (self.esiids[home], day) == self.special.exchanged and channel == LOAD:
                    reading = 0
                values = truth[calendar.slice_of(n)]
                before, reading = reading, reading + int(values.sum())
                if not self.has_data(home, day):
                    continue
                first, last = self._versions(home, channel, day, values, draws[n], rng)
                originals.append(self._record(home, channel, day, first, (before, reading)))
                if last is not None:
                    revisions.append(self._record(home, channel, day, last, (before, reading)))
                estimates += 0 if first[1] is None else first[1].count(b"E")
                intervals += len(values)
        return originals, revisions, estimates / intervals

    def _versions(
        self,
        home: int,
        channel: int,
        day: date,
        truth: NDArray[np.int32],
        draws: NDArray[np.float64],
        rng: np.random.Generator,
    ) -> tuple[_Version, _Version | None]:
        """The version first delivered, and the one that replaces it, if any."""
        start = int(rng.integers(0, len(truth) - _ESTIMATED_RUN[1]))
        run = slice(start, start + int(rng.integers(_ESTIMATED_RUN[0], _ESTIMATED_RUN[1] + 1)))
        home_day = (self.esiids[home], day) if channel == LOAD else None
        if home_day == self.special.estimated_later:
            return (truth, None), _estimated(truth, run)
        if home_day != self.special.revised and draws[1] >= _REVISED_DAYS:
            return (_estimated(truth, run) if draws[0] < _ESTIMATED_DAYS else (truth, None)), None
        if draws[0] < 0.5:
            return _estimated(truth, run), (truth, None)
        wrong = truth.copy()
        wrong[run] = truth[run] * 5 // 4 + 1
        return (wrong, None), (truth, None)

    def _record(self, home: int, channel: int, day: date, version: _Version, readings: tuple[int, int]) -> LseRecord:
        created = datetime.combine(day + timedelta(days=1), time(3, 5, home % 60))
        return LseRecord(
            line=0,
            esiid=self.esiids[home],
            channel=channel,
            day=day,
            values=version[0],
            statuses=version[1],
            start_reading=Decimal(readings[0]).scaleb(-3),
            stop_reading=Decimal(readings[1]).scaleb(-3),
            transaction_id=f"{day:%Y%m%d}{channel}{self.esiids[home][-10:]}",
            created=created,
            mre=self.tdsp_duns,
            sender=self.tdsp_duns,
            receiver=_ERCOT_DUNS,
            rep=self.rep_on(home, day),
        )


#: Values in Wh, statuses.
_Version = tuple[NDArray[np.int32], bytes | None]


def _estimated(truth: NDArray[np.int32], run: slice) -> _Version:
    """The day with *run* estimated: flat, and with the energy that the register reads say."""
    values = truth.copy()
    length = run.stop - run.start
    each, rest = divmod(int(truth[run].sum()), length)
    values[run] = each
    values[run.start : run.start + rest] += 1
    statuses = bytearray(b"A" * len(truth))
    statuses[run] = b"E" * length
    return values, bytes(statuses)


def _write_csv(path: Path, header: str, rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header.split(","))
        writer.writerows(["" if cell is None else cell for cell in row] for row in rows)


def _write_lse(
    folder: Path, tdsp_duns: str, originals: Iterable[LseRecord], revisions: Iterable[LseRecord]
) -> tuple[LseFile, ...]:
    """One file a day, and one for the revisions of each day; in the order of delivery."""
    by_file: dict[tuple[datetime, bool], list[LseRecord]] = defaultdict(list)
    for revises, records in ((False, originals), (True, revisions)):
        for record in records:
            night = record.day + (_REVISED_AFTER if revises else timedelta(days=1))
            by_file[datetime.combine(night, time(4, 30 if revises else 0)), revises].append(record)
    files = []
    for (local, revises), records in sorted(by_file.items(), key=lambda item: item[0]):
        path = folder / file_name(tdsp_duns, local, int(revises))
        with path.open("wb") as stream:
            count = write(records, stream)
        files.append(LseFile(path, local.replace(tzinfo=CENTRAL).astimezone(UTC), count, revises))
    return tuple(files)
