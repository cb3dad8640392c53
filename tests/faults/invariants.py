"""What must be true of a hub after whatever was done to it, found out without the hub's own code.

Everything is accounted for from outside: the journal that the clients kept, rows of the database as they stand, files
on the FTPS site as a company opens them, letters as the mail server got them, callbacks as the company's server wrote
them down. Nothing of ``smt_ws`` is imported.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import sqlite3
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from adapters import openpgp

COMPLETE = {"Complete", "Complete with exceptions"}
ENDED = COMPLETE | {"Cancelled", "Expired"}
_SUBJECT = re.compile(r"Order (\d+): ")
#: What an activity report's name has around the name of its file.
_REPORT = re.compile(r"^Activity-|-[0-9a-f]{12}\.csv$")


@dataclass
class World:
    """Where everything is that a hub leaves behind."""

    database: str
    ftps_root: Path
    #: One file for each letter as it was received.
    letters: Path
    #: DUNS → lines of JSON that the company's RequesterCallback wrote.
    callbacks: Mapping[str, Path]
    #: Lines of JSON of the clients: what was asked (``trans_id``), what was answered (``number``), files dropped.
    journal: Path
    #: DUNS → armoured OpenPGP secret key.
    secrets: Mapping[str, str]
    scratch: Path
    #: TDSP → its folder on the FTPS site.
    tdsp: str = ""


@dataclass
class Findings:
    violations: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def no(self, what: str) -> None:
        self.violations.append(what)


@dataclass
class Opened:
    """A delivered file as its company sees it, by its SHA-256."""

    member: str
    plain: bytes


class Checker:
    """Checks a world again and again; a file that was opened once is not decrypted again."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._opened: dict[str, Opened] = {}

    def check(self) -> Findings:
        found = Findings()
        rows = Rows.read(self.world.database)
        entries = read_journal(self.world.journal)
        self._asked_and_answered(rows, entries, found)
        self._orders(rows, found)
        plain = self._files(rows, found)
        self._contents(rows, plain, found)
        self._letters(rows, found)
        self._callbacks(rows, found)
        self._outbox(rows, found)
        self._loads(rows, entries, found)
        return found

    # -- orders

    def _asked_and_answered(self, rows: Rows, entries: list[dict[str, Any]], found: Findings) -> None:
        asked = {entry["trans_id"]: entry for entry in entries if entry["what"] == "ask"}
        answered = {entry["trans_id"]: entry["number"] for entry in entries if entry["what"] == "answer"}
        by_trans_id = defaultdict(list)
        for order in rows.orders.values():
            if order["service_type"] == "ADHOC":
                by_trans_id[order["trans_id"]].append(order)
        for trans_id, number in answered.items():
            found.counts["answered"] += 1
            if number not in rows.orders:
                found.no(f"order {number} was answered and does not exist")
            elif [order["number"] for order in by_trans_id.get(trans_id, [])] != [number]:
                numbers = [order["number"] for order in by_trans_id.get(trans_id, [])]
                found.no(f"request {trans_id} was answered {number} and has the orders {numbers}")
        for trans_id, orders in by_trans_id.items():
            if trans_id not in asked:
                found.no(f"order {orders[0]['number']} was asked for by nobody ({trans_id})")
            elif len(orders) > 1:
                found.no(f"request {trans_id} has {len(orders)} orders")
            else:
                entry, (order,) = asked[trans_id], orders
                days = (date.fromisoformat(entry["last"]) - date.fromisoformat(entry["first"])).days + 1
                if order["days_asked"] != days * len(entry["esiids"]):
                    found.no(f"order {order['number']} counts {order['days_asked']} ESI-ID-days asked")

    def _orders(self, rows: Rows, found: Findings) -> None:
        for number, order in rows.orders.items():
            found.counts[f"orders {order['status']}"] += 1
            if order["status"] not in ENDED:
                found.no(f"order {number} is {order['status']}: {order['failure']}")
            if order["status"] in COMPLETE and order["days_asked"] != order["days_delivered"] + order["days_excepted"]:
                found.no(f"order {number}: asked is not delivered plus excepted")
            states = {part["state"] for part in rows.parts[number]}
            if states & {"planned", "building", "failed"}:
                found.no(f"order {number} is {order['status']} with parts {sorted(states)}")
            if order["status"] in COMPLETE and "cancelled" in states:
                found.no(f"order {number} is {order['status']} with cancelled parts")
            completed = rows.audited[f"order:{number}", "order:build:completed"]
            if completed != (order["status"] in COMPLETE or order["status"] == "Expired"):
                found.no(f"order {number} is {order['status']} and was completed {completed} times")

    # -- files

    def _files(self, rows: Rows, found: Findings) -> dict[int, dict[int, Opened]]:
        """Hold what the site shows against what is recorded; returns what is in the files."""
        plain: dict[int, dict[int, Opened]] = defaultdict(dict)
        expected: dict[Path, tuple[int, dict[str, Any]]] = {}
        for number, order in rows.orders.items():
            folder = self.world.ftps_root / order["duns"] / order["folder"]
            for part in rows.parts[number]:
                if part["state"] == "published":
                    expected[folder / part["file_name"]] = (number, part)
        seen = {
            path
            for folder in ("adhoc", "daily")
            for path in self.world.ftps_root.glob(f"*/{folder}/*")
            if not path.name.startswith(".")
        }
        for path in sorted(seen - set(expected)):
            found.no(f"file {path.name} is seen and belongs to no published part")
        for path, (number, part) in expected.items():
            found.counts["files"] += 1
            if path not in seen:
                found.no(f"order {number}, part {part['part']}: {path.name} is not there")
                continue
            content = path.read_bytes()
            sha256 = hashlib.sha256(content).hexdigest()
            if (sha256, len(content)) != (part["sha256"], part["size"]):
                found.no(f"order {number}, part {part['part']}: {path.name} is not the file that was recorded")
                continue
            try:
                plain[number][part["part"]] = self._open(path, sha256, rows.orders[number]["duns"])
            except Exception as error:
                found.no(f"order {number}, part {part['part']}: cannot be opened: {type(error).__name__}: {error}")
        return plain

    def _open(self, path: Path, sha256: str, duns: str) -> Opened:
        if sha256 not in self._opened:
            out = self.world.scratch / "opened.zip"
            out.unlink(missing_ok=True)
            openpgp.decrypt_file(path, out, self.world.secrets[duns])
            with zipfile.ZipFile(io.BytesIO(out.read_bytes())) as archive:
                (member,) = archive.namelist()
                self._opened[sha256] = Opened(member, archive.read(member))
        return self._opened[sha256]

    def _contents(self, rows: Rows, plain: dict[int, dict[int, Opened]], found: Findings) -> None:
        same: dict[tuple[Any, ...], tuple[int, str]] = {}
        for number, opened in plain.items():
            order, delivered = rows.orders[number], 0
            digest = hashlib.sha256()
            for part in rows.parts[number]:
                file = opened.get(part["part"])
                if file is None:
                    continue
                where = f"order {number}, part {part['part']}"
                if hashlib.sha256(file.plain).hexdigest() != part["plain_sha256"]:
                    found.no(f"{where}: its plain content is not what was recorded")
                if part["kind"] == "data":
                    days = _ESIID_DAYS[order["format"]](file.plain)
                    delivered += days
                    digest.update(file.plain)
                    if days != part["days_delivered"]:
                        found.no(f"{where}: {days} ESI-ID-days in the file, {part['days_delivered']} recorded")
                elif part["kind"] == "exceptions" and order["status"] in COMPLETE:
                    excepted = _excepted_days(file.plain)
                    if excepted != order["days_excepted"]:
                        found.no(f"{where}: {excepted} ESI-ID-days excepted, {order['days_excepted']} recorded")
                elif part["kind"] == "remarks":
                    remarks = len(file.plain.splitlines()) - 1
                    if not remarks or remarks != part["records"]:
                        found.no(f"{where}: {remarks} remarks in the file, {part['records']} recorded")
                elif part["kind"] == "manifest":
                    told = {(one["name"], one["sha256"]) for one in json.loads(file.plain)["files"]}
                    known = {
                        (one["file_name"], one["sha256"])
                        for one in rows.parts[number]
                        if one["kind"] != "manifest" and one["state"] == "published"
                    }
                    if told != known:
                        found.no(f"{where}: the manifest does not name the files that there are")
            if order["status"] in COMPLETE:
                if delivered != order["days_delivered"]:
                    found.no(
                        f"order {number}: {delivered} ESI-ID-days in its files, {order['days_delivered']} recorded"
                    )
                question = (order["as_of_load"], order["exceptions"], order["first_day"], order["last_day"], *(
                    part["slices"] for part in rows.parts[number]
                ))  # fmt: skip
                first, known_digest = same.setdefault(question, (number, digest.hexdigest()))
                if known_digest != digest.hexdigest():
                    found.no(f"orders {first} and {number} are the same question with different answers")

    # -- what was told

    def _letters(self, rows: Rows, found: Findings) -> None:
        told: dict[int, set[str]] = defaultdict(set)
        for path in self.world.letters.glob("*.eml"):
            found.counts["letters received"] += 1
            letter = message_from_bytes(path.read_bytes(), policy=policy.default)
            subject = _SUBJECT.match(str(letter["Subject"]))
            if subject:
                told[int(subject[1])].add(str(letter["Message-ID"]))
        self._each_once("letter", rows, told, found, duns=None)

    def _callbacks(self, rows: Rows, found: Findings) -> None:
        for duns, path in self.world.callbacks.items():
            told: dict[int, set[str]] = defaultdict(set)
            lines = path.read_text().splitlines() if path.exists() else []
            events = [json.loads(line) for line in lines]
            for trans_id, count in Counter(event["trans_id"] for event in events).items():
                found.counts["callbacks"] += 1
                if count > 1:
                    found.no(f"callback {trans_id} was written {count} times")
            for event in events:
                number = int(event["correlationId"])
                told[number].add(event["trans_id"])
                order = rows.orders.get(number)
                if order and event["esiidDaysDelivered"] != order["days_delivered"]:
                    found.no(f"order {number}: the callback tells of {event['esiidDaysDelivered']} ESI-ID-days")
            self._each_once("callback", rows, told, found, duns=duns)

    def _each_once(
        self, what: str, rows: Rows, told: Mapping[int, set[str]], found: Findings, *, duns: str | None
    ) -> None:
        for number, order in rows.orders.items():
            if duns is not None and order["duns"] != duns:
                continue
            wanted = 1 if order["status"] in COMPLETE or order["status"] == "Expired" else 0
            found.counts[f"{what}s due"] += wanted
            if len(told.get(number, ())) != wanted:
                found.no(f"order {number} is {order['status']} and has {len(told.get(number, ()))} {what}s")
        for number in set(told) - set(rows.orders):
            found.no(f"a {what} tells of order {number}, which does not exist")

    def _outbox(self, rows: Rows, found: Findings) -> None:
        for row in rows.effects:
            found.no(f"effect {row['dedupe_key']} was not carried out: {row['last_error']}")

    # -- what came in

    def _loads(self, rows: Rows, entries: Iterable[dict[str, Any]], found: Findings) -> None:
        if not self.world.tdsp:
            return
        home = self.world.ftps_root / self.world.tdsp
        left = sorted(path.name for path in (home / "inbox").glob("[!.]*"))
        if left:
            found.no(f"files are left in the inbox: {left[:5]}")
        reports = Counter(_REPORT.sub("", path.name) for path in (home / "reports").glob("[!.]*"))
        for entry in entries:
            if entry["what"] != "drop":
                continue
            found.counts["files dropped"] += 1
            loaded = rows.loaded[entry["name"]]
            if loaded != 1:
                found.no(f"{entry['name']} was loaded {loaded} times")
            if reports[entry["name"]] != 1:
                found.no(f"{entry['name']} has {reports[entry['name']]} activity reports")


def _in_csv(content: bytes) -> int:
    rows = csv.reader(io.StringIO(content.decode()))
    next(rows)
    return len({(row[0], row[1]) for row in rows})


def _in_lse(content: bytes) -> int:
    """Row one of a record names ESI ID, channel, and the first minute of its day."""
    rows = (line.split(",") for line in content.decode().splitlines() if line.startswith("00000001,"))
    return len({(row[1], row[3][:8]) for row in rows})


#: Format → how many ESI-ID-days a plain file holds.
_ESIID_DAYS = {"CSV": _in_csv, "LSE": _in_lse}


def _excepted_days(content: bytes) -> int:
    days = 0
    for row in csv.DictReader(io.StringIO(content.decode())):
        first, last = (_us_date(row[name]) for name in ("FROM_DATE", "TO_DATE"))
        days += (last - first).days + 1
    return days


def _us_date(text: str) -> date:
    month, day, year = text.split("/")
    return date(int(year), int(month), int(day))


def read_journal(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


@dataclass
class Rows:
    """Rows of the database, read in one snapshot by plain SQL."""

    orders: dict[int, dict[str, Any]]
    parts: dict[int, list[dict[str, Any]]]
    effects: list[dict[str, Any]]
    #: (object, event) → lines of the audit log.
    audited: Counter[tuple[str, str]]
    #: File name → times that it was loaded.
    loaded: Counter[str]

    @classmethod
    def read(cls, database: str) -> Rows:
        queries = {
            "orders": "SELECT * FROM report_order ORDER BY number",
            "parts": "SELECT * FROM order_part ORDER BY order_number, part",
            "effects": "SELECT * FROM outbox WHERE done_at IS NULL",
            "audited": "SELECT object, event, count(*) AS times FROM audit_log GROUP BY object, event",
            "loaded": "SELECT file_name, count(*) AS times FROM load WHERE state = 'loaded' GROUP BY file_name",
        }
        found = _read_sqlite(database, queries) if database.startswith("sqlite") else _read_psql(database, queries)
        parts = defaultdict(list)
        for part in found["parts"]:
            parts[part["order_number"]].append(part)
        return cls(
            orders={order["number"]: order for order in found["orders"]},
            parts=parts,
            effects=found["effects"],
            audited=Counter({(row["object"], row["event"]): row["times"] for row in found["audited"]}),
            loaded=Counter({row["file_name"]: row["times"] for row in found["loaded"]}),
        )


def _read_sqlite(database: str, queries: Mapping[str, str]) -> dict[str, list[dict[str, Any]]]:
    path = database.removeprefix("sqlite:///")
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=60)
    connection.row_factory = sqlite3.Row
    try:
        connection.execute("BEGIN")
        return {name: [dict(row) for row in connection.execute(query)] for name, query in queries.items()}
    finally:
        connection.close()


def _read_psql(database: str, queries: Mapping[str, str]) -> dict[str, list[dict[str, Any]]]:
    with psycopg.connect(database.replace("postgresql+psycopg", "postgresql"), row_factory=dict_row) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        return {name: connection.execute(query).fetchall() for name, query in queries.items()}  # type: ignore[arg-type]
