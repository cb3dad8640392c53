"""The checker of the fault campaigns finds nothing wrong with an honest hub, and each planted bug."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from invariants import Checker, World
from sqlalchemy import delete, insert, select, update

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "orders"))

from order_market import OTHER_REP, REP, TDSP, Market, esiid, keys, open_market

from smt_ws.clock import real_now
from smt_ws.notices.callbacks import CALLBACK
from smt_ws.notices.carry import Carry
from smt_ws.notices.queue import EMAIL
from smt_ws.orders.cancel import cancel_order
from smt_ws.orders.rules import Status
from smt_ws.orders.tables import order_part, report_order
from smt_ws.orders.work import work_once
from smt_ws.parties.tables import company
from smt_ws.store.tables import audit_log, outbox


class Done:
    """A hub that has done its orders, and what its clients know of them."""

    #: Two orders of one question.
    first: int
    second: int

    def __init__(self, market: Market, folder: Path) -> None:
        self.market, self.folder = market, folder
        self.journal, self.events = folder / "journal", folder / "events"
        settings = market.hub.settings
        assert settings.mail.folder is not None
        self.letters = settings.mail.folder
        self.checker = Checker(
            World(
                database=str(market.store.url.render_as_string(hide_password=False)),
                ftps_root=settings.ftps.root,
                letters=self.letters,
                callbacks={REP: self.events},
                journal=self.journal,
                secrets={duns: keys()[0] for duns in (REP, OTHER_REP)},
                scratch=folder,
                tdsp=TDSP,
            )
        )

    def write(self, **entry: Any) -> None:
        with self.journal.open("a") as file:
            file.write(json.dumps(entry) + "\n")

    def order(self, name: str, numbers: range) -> int:
        esiids = [*(esiid(n) for n in numbers), "nonsense"]
        self.write(what="ask", trans_id=name, esiids=esiids, first="2026-11-01", last="2026-11-10")
        placed = self.market.order(esiids).order_number
        self.execute(update(report_order).where(report_order.c.number == placed).values(trans_id=name))
        self.write(what="answer", trans_id=name, number=placed)
        return placed

    def work(self) -> None:
        def call_back(payload: dict[str, Any]) -> None:
            with self.events.open("a") as file:
                event = {"operation": payload["operation"], "trans_id": payload["key"]} | payload["fields"]
                file.write(json.dumps(event) + "\n")

        handlers = {EMAIL: Carry.of(self.market.hub.settings), CALLBACK: call_back}
        while work_once(self.market.hub, worker="w", handlers=handlers):
            pass

    def execute(self, *statements: Any) -> None:
        with self.market.store.write() as connection:
            for statement in statements:
                connection.execute(statement)

    def violations(self) -> list[str]:
        return self.checker.check().violations


@pytest.fixture
def done(store, store_url, tmp_path, clock) -> Done:
    market = open_market(store, store_url, tmp_path, clock, days_per_part=50)
    market.add_premises(range(6))
    market.load_days(range(6), date(2026, 11, 1), date(2026, 11, 9), number=1)
    made = Done(market, tmp_path)
    made.execute(update(company).values(callback_url="https://127.0.0.1/"))
    (market.hub.settings.ftps.root / TDSP / "inbox").mkdir(parents=True)
    (market.hub.settings.ftps.root / TDSP / "reports").mkdir()
    made.first, made.second, third = (
        made.order("one", range(6)),
        made.order("two", range(6)),
        made.order("three", range(2)),
    )
    assert work_once(market.hub, worker="w", handlers={})
    with market.store.write() as connection:
        cancel_order(connection, market.rep, third, clock=clock, keep=market.hub.clock.now() - clock.now())
    made.work()
    assert market.row(made.first).status == "Complete with exceptions"
    return made


def a_file(done: Done, kind: str = "data") -> Path:
    return next(done.market.folder / part.file_name for part in done.market.parts(done.first) if part.kind == kind)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def one_letter(done: Done) -> Path:
    return min(done.letters.glob("*.eml"))


def another_letter(done: Done) -> None:
    text = one_letter(done).read_text()
    begin = text.index("Message-ID: <") + len("Message-ID: <")
    (done.letters / "x.eml").write_text(text[:begin] + "another" + text[begin:])


def set_order(**values: Any) -> Callable[[Done], None]:
    return lambda done: done.execute(update(report_order).where(report_order.c.number == done.first).values(values))


def set_part(**values: Any) -> Callable[[Done], None]:
    part = order_part.c
    return lambda done: done.execute(
        update(order_part).where(part.order_number == done.first, part.part == 1).values(values)
    )


def built_from_later_data(done: Done) -> None:
    """One of two orders with the same question reads what was loaded after both."""
    done.market.load_days(range(6), date(2026, 11, 1), date(2026, 11, 9), number=2, wh=999)
    mine = report_order.c.number == done.second
    done.execute(
        update(report_order).where(mine).values(status=Status.IN_PROGRESS.value, as_of_load=2),
        update(order_part).where(order_part.c.order_number == done.second).values(state="planned"),
    )
    done.work()
    done.execute(update(report_order).where(mine).values(as_of_load=1))


PLANTED: dict[str, tuple[Callable[[Done], object], str]] = {
    "file lost": (lambda done: a_file(done).unlink(), "is not there"),
    "file damaged": (lambda done: flip(a_file(done)), "is not the file that was recorded"),
    "file exchanged": (
        lambda done: shutil.copyfile(a_file(done, "exceptions"), a_file(done)),
        "is not the file that was recorded",
    ),
    "file of nobody": (
        lambda done: shutil.copyfile(a_file(done), done.market.folder / "Another.asc"),
        "belongs to no published part",
    ),
    "letter lost": (lambda done: one_letter(done).unlink(), "has 0 letters"),
    "letter doubled": (another_letter, "has 2 letters"),
    "callback lost": (
        lambda done: done.events.write_text("".join(done.events.read_text().splitlines(keepends=True)[1:])),
        "has 0 callbacks",
    ),
    "callback doubled": (
        lambda done: done.events.write_text(done.events.read_text() * 2),
        "was written 2 times",
    ),
    "answered order lost": (
        lambda done: done.write(what="answer", trans_id="four", number=99),
        "order 99 was answered and does not exist",
    ),
    "order doubled": (
        lambda done: done.execute(
            update(report_order).where(report_order.c.number == done.second).values(trans_id="one")
        ),
        "has the orders [",
    ),
    "order of nobody": (set_order(trans_id="unknown"), "asked for by nobody"),
    "order stuck": (set_order(status="In Progress"), "is In Progress: None"),
    "order failed": (set_order(status="Failed", failure="INTERNAL"), "is Failed: INTERNAL"),
    "sums wrong": (set_order(days_delivered=53), "asked is not delivered plus excepted"),
    "asked wrong": (set_order(days_asked=69), "counts 69 ESI-ID-days asked"),
    "part stuck": (set_part(state="building"), "with parts"),
    "part miscounted": (set_part(days_delivered=44), "45 ESI-ID-days in the file, 44 recorded"),
    "content not recorded": (set_part(plain_sha256="0" * 64), "plain content is not what was recorded"),
    "effect left": (
        lambda done: done.execute(update(outbox).where(outbox.c.id == 1).values(done_at=None)),
        "was not carried out",
    ),
    "file not loaded": (lambda done: done.write(what="drop", name="x.lse"), "x.lse was loaded 0 times"),
    "file left in the inbox": (
        lambda done: (done.market.hub.settings.ftps.root / TDSP / "inbox" / "x.lse").write_text(""),
        "left in the inbox",
    ),
    # the audit log cannot be put back: last
    "snapshot not kept": (built_from_later_data, "are the same question with different answers"),
    "completed twice": (
        lambda done: done.execute(
            insert(audit_log).values(
                at=real_now(), event="order:build:completed", actor="hub:work", object=f"order:{done.first}", details={}
            )
        ),
        "was completed 2 times",
    ),
}


def test_an_honest_hub_has_nothing_wrong(done: Done) -> None:
    assert done.violations() == []
    counts = done.checker.check().counts
    assert counts["orders Cancelled"] == 1
    assert (counts["orders Complete with exceptions"], counts["letters due"], counts["callbacks due"]) == (2, 2, 2)
    shutil.copyfile(one_letter(done), done.letters / "again.eml")  # the same letter a second time
    assert done.violations() == []


def test_every_planted_bug_is_found(done: Done, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Each is planted into the same honest world, looked for, and taken back."""
    for name, (plant, said) in PLANTED.items():
        kept = tmp_path_factory.mktemp("kept") / "folder"
        shutil.copytree(done.folder, kept)
        rows = _rows(done)
        plant(done)
        assert any(said in violation for violation in done.violations()), (name, done.violations())
        _put_back(done, rows)
        for path in (done.market.hub.settings.ftps.root, done.letters):
            shutil.rmtree(path)
            shutil.copytree(kept / path.relative_to(done.folder), path)
        for path in (done.journal, done.events):
            shutil.copyfile(kept / path.name, path)


_TABLES = (outbox, order_part, report_order)


def _rows(done: Done) -> dict[str, list[dict[str, Any]]]:
    with done.market.store.read() as connection:
        return {table.name: [row._asdict() for row in connection.execute(select(table))] for table in _TABLES}


def _put_back(done: Done, rows: dict[str, list[dict[str, Any]]]) -> None:
    done.execute(*(delete(table) for table in _TABLES))
    done.execute(*(insert(table).values(rows[table.name]) for table in reversed(_TABLES)))
