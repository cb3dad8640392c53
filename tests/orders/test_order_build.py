"""From order to files: every part built, published whole, and accounted for (R5, R7; asked = delivered + excepted)."""

from __future__ import annotations

import csv
import hashlib
from datetime import date, timedelta
from io import StringIO
from pathlib import Path

import pytest
from order_market import Market, esiid
from sqlalchemy import select, update

from adapters import publishing
from smt_ws.orders import build, claim, content, plan
from smt_ws.orders.claim import Claim
from smt_ws.orders.errors import ClaimLostError, DaysDoNotAddUpError
from smt_ws.orders.tables import order_part
from smt_ws.orders.trace import files_with
from smt_ws.parties.tables import company
from smt_ws.store.tables import outbox

KEEP = timedelta(days=10)
LEASE = timedelta(seconds=60)


def take(market: Market, worker: str = "w1", lease: timedelta = LEASE, attempts: int = 3) -> Claim | None:
    return claim.claim_part(
        market.store, worker=worker, lease=lease, attempts=attempts, clock=market.hub.clock, keep=KEEP
    )


def build_all(market: Market) -> list[str]:
    kinds = []
    while (mine := take(market)) is not None:
        build.build_part(market.hub, mine)
        kinds.append(mine.kind)
    return kinds


def test_an_order_becomes_encrypted_files_that_account_for_every_day(market: Market) -> None:
    market.add_premises(range(12))
    market.load_days(range(12), date(2026, 11, 1), date(2026, 11, 8), number=1)
    number = market.order([*(esiid(n) for n in range(12)), "nonsense"]).order_number
    assert build_all(market) == ["data"] * 3 + ["exceptions", "remarks", "manifest"]

    order = market.row(number)
    assert order.status == "Complete with exceptions"
    assert (order.days_asked, order.days_delivered, order.days_excepted) == (130, 96, 34)
    assert order.expires_at - order.completed_at == KEEP
    assert len(market.visible()) == 5

    parts = market.parts(number)
    data = b"".join(market.opened(part.file_name) for part in parts[:3])
    rows = [row for row in csv.reader(StringIO(data.decode())) if row[0] != "ESIID"]
    # 1 November has 100 intervals (R12)
    assert len(rows) == 12 * (100 + 7 * 96) == sum(part.records for part in parts[:3])
    assert list(dict.fromkeys(row[0] for row in rows)) == [esiid(n) for n in range(12)]

    exceptions = list(csv.reader(StringIO(market.opened(market.named("Exceptions")).decode())))
    assert exceptions[0] == ["ESIID", "FROM_DATE", "TO_DATE", "CODE", "REASON"]
    assert exceptions[1][:4] == [esiid(0), "11/09/2026", "11/09/2026", "NOT_DELIVERED"]
    assert exceptions[2][:4] == [esiid(0), "11/10/2026", "11/10/2026", "LATE_AT_TDSP"]
    assert exceptions[-1][:4] == ["nonsense", "11/01/2026", "11/10/2026", "ESIID_MALFORMED"]
    assert len(exceptions) == 1 + 2 * 12 + 1
    assert all(row[4] for row in exceptions)

    manifest = market.manifest()
    assert manifest["esiidDays"] == {"asked": 130, "delivered": 96, "excepted": 34}
    assert [entry["name"] for entry in manifest["files"]] == [part.file_name for part in parts[:4]]
    for entry in manifest["files"]:
        delivered = (market.folder / entry["name"]).read_bytes()
        assert (entry["size"], entry["sha256"]) == (len(delivered), hashlib.sha256(delivered).hexdigest())
        plain = market.opened(entry["name"])
        assert (entry["plainSize"], entry["plainSha256"]) == (len(plain), hashlib.sha256(plain).hexdigest())


def test_an_order_without_exceptions_has_no_exceptions_file(market: Market) -> None:
    market.add_premises(range(2))
    market.load_days(range(2), date(2026, 11, 1), date(2026, 11, 10), number=1)
    number = market.order([esiid(0), esiid(1)]).order_number
    assert build_all(market) == ["data", "exceptions", "remarks", "manifest"]
    assert market.row(number).status == "Complete"
    assert [part.state for part in market.parts(number)] == ["published", "empty", "empty", "published"]
    assert len(market.visible()) == 2


def test_an_order_of_which_nothing_may_be_seen_still_says_so(market: Market) -> None:
    market.add_premises(range(2), served_from=date(2026, 11, 20))
    number = market.order([esiid(0), esiid(1)]).order_number
    assert build_all(market) == ["exceptions", "remarks", "manifest"]
    assert market.row(number).status == "Complete with exceptions"
    assert market.row(number).days_excepted == 20


def test_generation_is_asked_for_by_itself_u9(market: Market) -> None:
    market.add_premises(range(2))
    market.load_days(range(2), date(2026, 11, 1), date(2026, 11, 10), number=1)
    market.load_days(range(1), date(2026, 11, 1), date(2026, 11, 10), number=2, channel=1)
    number = market.order([esiid(0), esiid(1)], reading_type="G").order_number
    build_all(market)
    assert (market.row(number).days_delivered, market.row(number).days_excepted) == (10, 10)
    assert b"NO_GENERATION_CHANNEL" in market.opened(market.named("Exceptions"))


def test_both_channels_of_a_day_are_one_esiid_day(market: Market) -> None:
    market.add_premises(range(1))
    for number, channel in ((1, 4), (2, 1)):
        market.load_days(range(1), date(2026, 11, 1), date(2026, 11, 10), number=number, channel=channel)
    order = market.order([esiid(0)], reading_type="A").order_number
    build_all(market)
    assert (market.row(order).days_delivered, market.row(order).days_excepted) == (10, 0)
    assert market.parts(order)[0].records == 2 * (100 + 9 * 96)


@pytest.mark.parametrize("report_format", ["CSV", "LSE", "XML"])
def test_a_files_first_and_last_day_are_those_in_it(market: Market, report_format: str) -> None:
    market.add_premises(range(2))
    market.load_days(range(1), date(2026, 11, 3), date(2026, 11, 4), number=1)
    market.load_days(range(1, 2), date(2026, 11, 4), date(2026, 11, 6), number=2)
    market.load_days(range(1, 2), date(2026, 11, 7), date(2026, 11, 7), number=3, statuses=b"M" * 96)
    number = market.order([esiid(0), esiid(1)], report_format=report_format).order_number
    build_all(market)
    (file,) = [one for one in market.manifest()["files"] if one["kind"] == "data"]
    assert (file["firstDay"], file["lastDay"]) == ("2026-11-03", "2026-11-06")
    # what it was to hold and does not is found all the same
    with market.store.read() as connection:
        (traced,) = files_with(connection, premise_id=market.premises[esiid(0)], day=date(2026, 11, 9))
    assert (traced.order_number, traced.outcome) == (number, "missing")


def test_an_order_reads_what_stood_when_it_was_accepted(market: Market) -> None:
    """Architecture: snapshots. A correction between two parts of one order is in neither."""
    market.add_premises(range(10))
    market.load_days(range(10), date(2026, 11, 1), date(2026, 11, 10), number=1, wh=250)
    before = market.order([esiid(n) for n in range(10)]).order_number
    first = take(market)
    assert first is not None
    build.build_part(market.hub, first)
    market.load_days(range(10), date(2026, 11, 1), date(2026, 11, 10), number=2, wh=999)
    market.load_days(range(10), date(2026, 11, 11), date(2026, 11, 12), number=3, wh=999)
    build_all(market)
    files = [market.opened(part.file_name) for part in market.parts(before)[:2]]
    assert all(b",0.250," in text and b",0.999," not in text for text in files)
    after = market.order([esiid(n) for n in range(10)]).order_number
    build_all(market)
    assert all(b",0.999," in market.opened(part.file_name) for part in market.parts(after)[:2])


@pytest.mark.parametrize(
    ("format_", "version"), [("CSV", "L"), ("CSV", "A"), ("LSE", "L"), ("XML", "L")], ids=lambda value: value
)
def test_a_part_built_again_has_the_same_plain_bytes(market: Market, format_: str, version: str) -> None:
    """Whenever it is built, and whatever was loaded or corrected since the order was accepted."""
    market.add_premises(range(3))
    market.load_days(range(3), date(2026, 11, 2), date(2026, 11, 8), number=1)
    number = market.order([esiid(n) for n in range(3)], report_format=format_, version=version).order_number
    build_all(market)
    market.hub.clock.advance(timedelta(days=30))  # type: ignore[attr-defined]
    market.load_days(range(3), date(2026, 11, 1), date(2026, 11, 19), number=2, wh=999)

    def built() -> dict[tuple[str, int], tuple[str, bytes]]:
        return {(part.kind, part.part): (part.plain_sha256, part.missing) for part in market.parts(number)}

    # The manifest first: it tells the hashes of encrypted files, and those differ each time they are built.
    for again in (["manifest"], ["data", "exceptions", "remarks"]):
        before = built()
        with market.store.write() as connection:
            connection.execute(update(order_part).where(order_part.c.kind.in_(again)).values(state="planned"))
            connection.exec_driver_sql("UPDATE report_order SET status = 'In Progress'")
        assert list(dict.fromkeys(build_all(market))) == again
        assert built().items() >= {part: found for part, found in before.items() if part[0] in again}.items()


def test_the_requester_is_told_once_by_mail_r10(market: Market) -> None:
    market.add_premises(range(1))
    number = market.order([esiid(0)]).order_number
    build_all(market)
    with market.store.read() as connection:
        (mail,) = connection.execute(select(outbox)).all()
    assert (mail.kind, mail.dedupe_key) == ("email", f"order:{number}:ready")
    assert mail.payload["facts"]["status"] == "Complete with exceptions"


def test_files_of_an_order_by_mail_are_named_to_whoever_sends_it_r10(market: Market) -> None:
    market.add_premises(range(1))
    market.load_days(range(1), date(2026, 11, 1), date(2026, 11, 8), number=1)
    market.order([esiid(0)], delivery_mode="EML")
    build_all(market)
    with market.store.read() as connection:
        (mail,) = connection.execute(select(outbox)).all()
    assert [Path(name).name for name in mail.payload["files"]] == [
        market.named(begins) for begins in ("Interval", "Exceptions", "Manifest")
    ]
    assert all((market.hub.settings.ftps.root / name).is_file() for name in mail.payload["files"])


def test_days_that_do_not_add_up_are_never_published(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    market.add_premises(range(1))
    market.load_days(range(1), date(2026, 11, 1), date(2026, 11, 8), number=1)
    number = market.order([esiid(0)]).order_number
    real = content.explain_missing
    monkeypatch.setattr(content, "explain_missing", lambda *a, **k: real(*a, **k)[:0])
    mine = take(market)
    assert mine is not None
    with pytest.raises(DaysDoNotAddUpError):
        build.build_part(market.hub, mine)
    assert market.visible() == []
    assert claim.failed(
        market.store, mine, "DAYS_DO_NOT_ADD_UP", attempts=3, clock=market.hub.clock, keep=KEEP, final=True
    )
    assert market.row(number).status == "Failed"
    assert [part.state for part in market.parts(number)] == ["failed", "cancelled", "cancelled", "cancelled"]


def test_totals_that_do_not_add_up_fail_the_order_before_its_manifest_is_seen(market: Market) -> None:
    market.add_premises(range(1))
    number = market.order([esiid(0)]).order_number
    for _ in range(3):
        mine = take(market)
        assert mine is not None
        build.build_part(market.hub, mine)
    with market.store.write() as connection:
        connection.execute(update(order_part).where(order_part.c.part == 1).values(days_delivered=1))
    mine = take(market)
    assert mine is not None
    with pytest.raises(DaysDoNotAddUpError, match=f"order {number}"):
        build.build_part(market.hub, mine)
    assert not [name for name in market.visible() if name.startswith("Manifest")]


def test_nothing_is_seen_when_the_rename_fails(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    market.add_premises(range(1))
    market.load_days(range(1), date(2026, 11, 1), date(2026, 11, 8), number=1)
    number = market.order([esiid(0)]).order_number
    mine = take(market)
    assert mine is not None

    def full(_temporary: Path, _final: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(publishing, "publish", full)
    with pytest.raises(OSError, match="No space"):
        build.build_part(market.hub, mine)
    assert market.parts(number)[0].state == "building"
    assert list(market.folder.iterdir()) == []
    assert list(market.hub.settings.work_folder.iterdir()) == []


def test_a_zombie_with_an_old_fence_publishes_nothing(market: Market) -> None:
    market.add_premises(range(1))
    market.load_days(range(1), date(2026, 11, 1), date(2026, 11, 8), number=1)
    number = market.order([esiid(0)]).order_number
    zombie = take(market, "zombie", lease=timedelta(seconds=-1))
    heir = take(market, "heir")
    assert zombie is not None
    assert heir is not None
    assert (zombie.part, zombie.fence, heir.part, heir.fence) == (1, 1, 1, 2)
    with pytest.raises(ClaimLostError):
        build.build_part(market.hub, zombie)
    assert market.visible() == []
    assert not claim.renew(market.store, zombie, lease=LEASE)
    claim.release(market.store, zombie)
    claim.failed(market.store, zombie, "late", attempts=1, clock=market.hub.clock, keep=KEEP)
    assert market.parts(number)[0].claimed_by == "heir"
    build.build_part(market.hub, heir)
    assert len(market.visible()) == 1
    with pytest.raises(ClaimLostError):
        build.build_part(market.hub, zombie)
    assert market.row(number).status == "In Progress"


def test_a_worker_that_was_late_but_not_replaced_publishes(market: Market) -> None:
    market.add_premises(range(1))
    market.load_days(range(1), date(2026, 11, 1), date(2026, 11, 8), number=1)
    market.order([esiid(0)])
    late = take(market, lease=timedelta(seconds=-1))
    assert late is not None
    build.build_part(market.hub, late)
    assert len(market.visible()) == 1


def test_a_claim_that_is_lost_is_noticed_between_chunks(market: Market) -> None:
    market.add_premises(range(1))
    market.load_days(range(1), date(2026, 11, 1), date(2026, 11, 8), number=1)
    market.order([esiid(0)])
    mine = take(market)
    assert mine is not None
    with pytest.raises(ClaimLostError, match="while it was built"):
        build.build_part(market.hub, mine, lost=lambda: True)


def test_the_smt_profile_is_the_companys_choice(market: Market) -> None:
    market.add_premises(range(1))
    market.load_days(range(1), date(2026, 11, 2), date(2026, 11, 10), number=1)
    with market.store.write() as connection:
        connection.execute(update(company).values(csv_profile="smt"))
    market.order([esiid(0)], start="11/02/2026")
    build_all(market)
    text = market.opened(market.named("Interval"))
    assert b"INTERVAL_START_UTC" not in text
    assert text.splitlines()[1].startswith(b"'")


def test_the_exceptions_of_every_part_are_in_the_order_of_the_request(market: Market) -> None:
    market.add_premises(range(12))
    number = market.order([esiid(n) for n in reversed(range(12))]).order_number
    build_all(market)
    lines = market.opened(market.named("Exceptions")).decode().splitlines()[1:]
    assert list(dict.fromkeys(line.split(",")[0] for line in lines)) == [esiid(n) for n in reversed(range(12))]
    assert plan.unpack_exceptions(market.parts(number)[0].missing).days == 50
