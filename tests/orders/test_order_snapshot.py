"""One snapshot: an order has the same plain bytes whenever its parts are built, whatever is loaded meanwhile (U3)."""

from __future__ import annotations

import threading
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from order_market import TDSP, Market, esiid

from adapters.central_day import intervals_in
from adapters.lse import LseRecord, file_name
from adapters.lse_write import write
from smt_ws.orders.work import work_once
from smt_ws.usage.load import load_file

FIRST, LAST = date(2026, 10, 29), date(2026, 11, 7)
HOMES = range(15)


def deliver(market: Market, folder: Path, turn: int, days: list[date]) -> int:
    """What a TDSP sends: a file of every home's *days*, each value telling which file it is from; loaded as ever."""
    records = [
        LseRecord(
            line=0,
            esiid=esiid(home),
            channel=4,
            day=day,
            values=np.full(intervals_in(day), 100 + turn, np.int32),
            statuses=None,
            start_reading=None,
            stop_reading=None,
            transaction_id=f"T{home}",
            created=datetime(2026, 11, 20, 3, 0),
            sender=TDSP,
            mre=TDSP,
        )
        for home in HOMES
        for day in days
    ]
    path = folder / file_name(TDSP, datetime(2026, 11, 20, 4) + timedelta(seconds=turn), turn)
    with path.open("wb") as stream:
        write(records, stream)
    tally = load_file(market.store, path, clock=market.hub.clock, tdsp_duns=TDSP).tally
    assert tally.rejected == 0
    return tally.loaded


def plain(market: Market, number: int) -> list[bytes]:
    return [market.opened(part.file_name) for part in market.parts(number) if part.kind == "data"]


@pytest.mark.parametrize("version", ["L", "A"])
def test_corrections_loaded_before_and_while_each_part_is_built_are_in_none(
    market: Market, tmp_path: Path, version: str
) -> None:
    days = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]
    market.add_premises(HOMES)
    assert deliver(market, tmp_path, 0, days) == len(HOMES) * len(days)
    deliver(market, tmp_path, 1, days[3:5])  # a version before the orders, which all have
    homes = [esiid(home) for home in HOMES]
    asked = {"start": f"{FIRST:%m/%d/%Y}", "end": f"{LAST:%m/%d/%Y}", "version": version}
    quiet, disturbed = (market.order(homes, **asked).order_number for _ in range(2))
    while market.row(quiet).status != "Complete":
        assert work_once(market.hub, worker="w", handlers={})

    stop, loaded = threading.Event(), threading.Semaphore(0)
    failed: list[BaseException] = []

    def correct() -> None:
        turn = 2
        try:
            while not stop.is_set():
                deliver(market, tmp_path, turn, [days[turn % len(days)]])
                turn += 1
                loaded.release()
        except BaseException as error:
            failed.append(error)
            loaded.release(100)

    corrector = threading.Thread(target=correct)
    corrector.start()
    try:
        while market.row(disturbed).status != "Complete":
            assert loaded.acquire(timeout=180)  # at least one more before each part; others go on meanwhile
            assert not failed
            assert work_once(market.hub, worker="w", handlers={})
    finally:
        stop.set()
        corrector.join()
    assert not failed
    assert len(plain(market, quiet)) > 2
    assert plain(market, disturbed) == plain(market, quiet)

    # the corrections are real: who orders now has them
    later = market.order(homes, **asked).order_number
    while market.row(later).status != "Complete":
        assert work_once(market.hub, worker="w", handlers={})
    assert plain(market, later) != plain(market, quiet)
