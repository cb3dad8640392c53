"""One snapshot: a part holds what was known when its order was accepted, whatever kinds of file are loaded since (U3).

Two hubs with the same market accept the same orders; one of them loads a file of every kind before it builds them. What
they publish must be the same bytes.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from order_market import OTHER_REP, REP, TDSP, Market, esiid, keys, open_market
from sqlalchemy import select
from test_order_build import build_all
from test_subscriptions import changes

from adapters import openpgp
from adapters.central_day import intervals_in
from adapters.lse import LseRecord
from adapters.lse_write import write
from smt_ws.clock import FixedClock
from smt_ws.orders.posting import post_daily
from smt_ws.orders.renderers import DAILY, INTERVAL, MONTHLY, RENDERERS
from smt_ws.orders.tables import report_order
from smt_ws.store.engine import Store
from smt_ws.usage.load import load_file

FIRST, LAST = date(2026, 10, 20), date(2026, 11, 10)
DAYS = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]
#: Home 3 has no interval at all, home 4 a meter that is provisioned late, home 5 panels.
HOMES = range(6)
#: Days that no file brings.
GAPS = {FIRST + timedelta(days=n) for n in (2, 3, 18)}
DAY_WH = 24_000

ORDERS = [
    (report, report_format, version)
    for (report, report_format), renderer in RENDERERS.items()
    for version in (("L", "A") if renderer.versioned else ("L",))
]


@pytest.fixture
def twins(market: Market, migrated_sqlite: Path, tmp_path: Path, clock: FixedClock) -> Iterator[tuple[Market, Market]]:
    """The store's market, and its like that is left alone after it has accepted its orders."""
    folder = tmp_path / "twin"
    folder.mkdir()
    shutil.copyfile(migrated_sqlite, folder / "hub.db")
    url = f"sqlite:///{folder / 'hub.db'}"
    store = Store(url)
    yield market, open_market(store, url, folder, clock, days_per_part=50)
    store.close()


def load(market: Market, folder: Path, name: str, content: str | list[LseRecord]) -> None:
    path = folder / name
    if isinstance(content, str):
        path.write_text(content)
    else:
        with path.open("wb") as stream:
            write(content, stream)
    activity = load_file(market.store, path, clock=market.hub.clock, tdsp_duns=TDSP)
    assert (activity.outcome, activity.tally.rejected) == ("loaded", 0), activity
    assert activity.tally.loaded + activity.tally.replaced, f"{name} changes nothing"


def record(home: int, day: date, wh: int, *, channel: int = 4) -> LseRecord:
    start, stop = (Decimal(1000), Decimal(1000) + Decimal(wh * intervals_in(day)) / 1000)
    return LseRecord(
        line=0,
        esiid=esiid(home),
        channel=channel,
        day=day,
        values=np.full(intervals_in(day), wh, np.int32),
        statuses=None,
        start_reading=start if home == 1 else None,
        stop_reading=stop if home == 1 else None,
        transaction_id=f"T{home}",
        created=datetime(2026, 11, 20, 3, 0),
        sender=TDSP,
        mre=TDSP,
    )


def premises(kind: str, status: str, generates_from: str = "") -> str:
    lines = [f"{esiid(n)},{TDSP},{n} Main St,Dallas,TX,75201,{kind},{status},{generates_from}" for n in HOMES]
    columns = "ESIID,TDSP_DUNS,SERVICE_ADDRESS,CITY,STATE,ZIP,PREMISE_TYPE,STATUS,GENERATION_FROM"
    return "\n".join([columns, *lines, ""])


def meters(*lines: str) -> str:
    return "\n".join(["ESIID,METER_NUMBER,INSTALLED_ON,PROVISIONED_ON,REMOVED_ON", *lines, ""])


def services(*lines: str) -> str:
    return "\n".join(["ESIID,REP_DUNS,FROM_DATE,TO_DATE", *lines, ""])


def reads(*lines: str) -> str:
    return "\n".join(["ESIID,READ_DATE,CHANNEL,START_READING,END_READING,USAGE_KWH,STATUS", *lines, ""])


def bills(*lines: str) -> str:
    columns = "ESIID,START_DATE,END_DATE,ACTUAL_KWH,METERED_KW,BILLED_KW,METERED_KVA,BILLED_KVA,ACTION"
    return "\n".join([columns, *lines, ""])


def fill(market: Market, folder: Path) -> None:
    load(market, folder, "premises-1.csv", premises("RESIDENTIAL", "ACTIVE"))
    on = {n: "2026-10-24" if n == 4 else "2020-01-01" for n in HOMES}
    load(market, folder, "meters-1.csv", meters(*(f"{esiid(n)},M{n},2020-01-01,{on[n]}," for n in HOMES)))
    load(market, folder, "rep-1.csv", services(*(f"{esiid(n)},{REP},2020-01-01," for n in HOMES)))
    days = [(n, day) for n in HOMES for day in DAYS if n != 3 and day not in GAPS and day.isoformat() >= on[n]]
    load(market, folder, "1.lse", [record(n, day, 250) for n, day in days])
    load(market, folder, "2.lse", [record(5, day, 100, channel=1) for _, day in days if _ == 5])
    load(market, folder, "3.lse", [record(n, DAYS[9], 260) for n in (0, 1)])
    one = [f"{esiid(2)},{day},4,0,{DAY_WH / 1000:.3f},,A" for day in DAYS[5:9]]
    # the register of home 0 disagrees on one day, which is flagged
    load(market, folder, "reads-1.csv", reads(*one, f"{esiid(0)},{DAYS[6]},4,0,99,,A"))
    load(market, folder, "bills-1.csv", bills(*(f"{esiid(n)},2026-10-24,2026-11-04,360,,,,,ORIGINAL" for n in HOMES)))


def load_everything_anew(market: Market, folder: Path) -> None:
    """A file of every kind, each of which changes what an order accepted after it would get."""
    load(market, folder, "premises-2.csv", premises("LARGE_NON_RESIDENTIAL", "DE_ENERGIZED", "2026-10-25"))
    # meters that were there are found to have been taken down, or provisioned later
    old = [f"{esiid(n)},M{n},2020-01-01,2020-01-01,2026-10-30" for n in (0, 3)]
    load(market, folder, "meters-2.csv", meters(*old, f"{esiid(4)},M4,2020-01-01,2026-10-28,"))
    switched = [f"{esiid(n)},{OTHER_REP},2026-10-26," for n in (0, 1)]
    load(market, folder, "rep-2.csv", services(*switched, f"{esiid(2)},{REP},2020-01-01,2026-10-29"))
    load(market, folder, "occupancy-2.csv", f"ESIID,MOVE_IN_DATE,MOVE_OUT_DATE\n{esiid(2)},2026-10-27,\n")
    right = [f"{esiid(0)},{DAYS[6]},4,0,{DAY_WH / 1000:.3f},,A"]
    wrong = [f"{esiid(n)},{day},4,10,99,,A" for n in (1, 2, 5) for day in DAYS[4:12]]
    load(market, folder, "reads-2.csv", reads(*right, *(line for line in wrong if _measured(line))))
    load(market, folder, "bills-2.csv", bills(*(f"{esiid(n)},2026-10-24,2026-11-04,777,,,,,REBILL" for n in HOMES)))
    days = [(n, day) for n in (1, 2, 5) for day in DAYS if day not in {DAYS[10], DAYS[11]}]
    load(market, folder, "9.lse", [record(n, day, 300 if day == DAYS[8] else 255) for n, day in days])
    load(market, folder, "10.lse", [record(5, day, 50, channel=1) for day in DAYS])
    # and once more about the same days: what an order has is neither this nor the version between
    load(market, folder, "reads-3.csv", reads(*(f"{esiid(1)},{day},4,10,20,,A" for day in DAYS[4:12])))


def _measured(line: str) -> bool:
    return date.fromisoformat(line.split(",")[1]) not in GAPS


def accept(market: Market) -> None:
    homes = [*(esiid(n) for n in HOMES), esiid(99)]
    for report, report_format, version in ORDERS:
        market.order(
            homes,
            report=report,
            report_format=report_format,
            version=version,
            start=f"{FIRST:%m/%d/%Y}",
            end=f"{LAST:%m/%d/%Y}",
        )
    for report_format in ("CSV", "LSE", "XML"):
        changes(market, 4, report_format=report_format)
    post_daily(market.store, for_date=date(2026, 11, 20), clock=market.hub.clock, limits=market.hub.settings.limits)


def published(market: Market) -> dict[tuple[int, str, int], bytes]:
    """The plain bytes of each part, by the place of its order; of a manifest what is not chance (names, encryption)."""
    with market.store.read() as connection:
        orders = connection.execute(select(report_order.c.number, report_order.c.folder).order_by("number")).all()
    found = {}
    for place, (number, folder) in enumerate(orders):
        for part in market.parts(number):
            if part.state != "published":
                found[place, part.kind, part.part] = part.state.encode()
                continue
            plain = opened(market, folder, part.file_name)
            if part.kind == "manifest":
                document = json.loads(plain)
                del document["order"]
                for one in document["files"]:
                    del one["name"], one["member"], one["size"], one["sha256"]
                plain = json.dumps(document).encode()
            found[place, part.kind, part.part] = plain
    return found


def opened(market: Market, folder: str, name: str) -> bytes:
    plain = market.hub.settings.work_folder / f"{name}.opened"
    plain.unlink(missing_ok=True)
    openpgp.decrypt_file(market.folder.parent / folder / name, plain, keys()[0])
    with zipfile.ZipFile(plain) as archive:
        (member,) = archive.namelist()
        return archive.read(member)


def test_a_part_is_the_same_bytes_whatever_was_loaded_since_its_order_was_accepted(
    twins: tuple[Market, Market], tmp_path: Path
) -> None:
    for one in twins:
        fill(one, tmp_path)
        accept(one)
    disturbed, quiet = twins
    load_everything_anew(disturbed, tmp_path)
    for one in twins:
        build_all(one)
    expected, got = published(quiet), published(disturbed)
    assert expected.keys() == got.keys()
    kinds = {kind for (_, kind, _), plain in expected.items() if plain != b"empty"}
    assert kinds == {"data", "exceptions", "remarks", "manifest"}
    for key, plain in expected.items():
        assert got[key].decode(errors="replace").splitlines() == plain.decode(errors="replace").splitlines(), key
    assert got == expected
    # what was loaded is real: the same orders get other bytes now, of every report and kind
    accept(disturbed)
    build_all(disturbed)
    later = published(disturbed)
    accepted_before = len({place for place, _, _ in expected})
    for place, (report, report_format, version) in enumerate(ORDERS):
        for kind in ("data", "exceptions", "remarks") if report in {INTERVAL, MONTHLY} else ("data", "exceptions"):
            before, after = (
                b"".join(plain for (where, of, _), plain in later.items() if (where, of) == (wanted, kind))
                for wanted in (place, accepted_before + place)
            )
            assert before != after, (report, report_format, version, kind)
    assert DAILY in {report for report, _, _ in ORDERS}
