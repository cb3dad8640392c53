"""The demonstration: a market is made and loaded, the hub runs, a REP orders its usage data and reads it.

Every step goes over the real wire: a signed zeep call over mutual TLS, FTPS with certificate and password, OpenPGP.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email import message_from_bytes, policy
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from smt_ws.sandbox.build import COMPANIES, Sandbox, load_market, make_sandbox
from smt_ws.sandbox.demo_agreement import show_agreement
from smt_ws.sandbox.demo_han import show_home_area_network
from smt_ws.sandbox.market import Market
from smt_ws.sandbox.requester import Requester
from smt_ws.sandbox.saying import say_waiting
from smt_ws.usage.activity import Activity
from smt_ws.usage.loads import Tally

__all__ = ["Demo", "running_hub"]

#: An ESI ID that is nobody's, and one that is none: both end in the exceptions file, not in a refused order.
_UNKNOWN, _MALFORMED = "10443729999999999", "1044372-TYPO"


@contextmanager
def running_hub(sandbox: Sandbox, *, wait: float = 180) -> Iterator[subprocess.Popen[bytes]]:
    """``smt-ws serve`` over *sandbox*, taking connections; drained at the end. Its log is ``hub.log``."""
    ready = sandbox.folder / "ready"
    ready.mkdir(exist_ok=True)
    for old in ready.iterdir():
        old.unlink()
    with (sandbox.folder / "hub.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 — our own command line
            [
                *(sys.executable, "-m", "smt_ws.cli", "--settings", str(sandbox.settings_file)),
                *("serve", "--ready-folder", str(ready)),
            ],
            stdout=log,
            stderr=log,
        )
    try:
        end = time.monotonic() + wait
        while not all((ready / f"{name}.json").exists() for name in ("soap", "ftps", "portal")):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the hub did not start; see {sandbox.folder / 'hub.log'}")
            time.sleep(0.05)
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(45)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@dataclass
class Demo:
    """One run of the demonstration, told on *console*."""

    folder: Path
    console: Console
    premises: int = 200
    seed: int = 7
    database: str | None = None
    keep: bool = False
    _steps: list[tuple[str, float]] = field(default_factory=list, init=False)

    def run(self) -> None:
        """Everything, from an empty folder to the first lines of a decrypted file."""
        with self._step("Make certificates, settings, database and five companies"):
            sandbox = make_sandbox(self.folder, database=self.database, replace=True)
            for name, kind, duns in COMPANIES:
                self.console.print(f"  {kind:<4}  {duns:<13}  {name}", highlight=False)
        with self._step(f"Make {self.premises} premises with 60 days of usage, and load what the TDSP sends"):
            market = self._load(sandbox)
        with self._step("Start the hub: SOAP over mutual TLS, FTPS, worker, scheduler"):
            self._wait_for("the hub to take connections", f"its log: {sandbox.folder / 'hub.log'}")
            hub = running_hub(sandbox)
            process = hub.__enter__()
            settings = sandbox.hub().settings
            self.console.print(f"  SOAP  https://127.0.0.1:{settings.soap.port}/soap/MeterUsage?wsdl")
            self.console.print(f"  FTPS  127.0.0.1:{settings.ftps.port}")
            self.console.print(f"  portal  {settings.portal.url}")
        try:
            requester = Requester(sandbox, sandbox.player(COMPANIES[0][2]), settings)
            self._journey(requester, market)
            show_home_area_network(self.console, requester, market, self._step)
            self._show(show_agreement(sandbox, market, self.console, self._step))
            self._timing()
            if self.keep:
                self._keep(requester, process)
        finally:
            hub.__exit__(None, None, None)
        self.console.print(f"Everything is in [bold]{sandbox.folder}[/]; the hub's log is hub.log there.")

    def _load(self, sandbox: Sandbox) -> Market:
        total = Tally()
        with self._progress() as progress:
            task = progress.add_task("loading", total=None)

            def loaded(activity: Activity, done: int, of: int) -> None:
                progress.update(task, completed=done, total=of)
                if activity.kind == "lse":
                    total.loaded += activity.tally.loaded
                    total.replaced += activity.tally.replaced
                    total.rejected += activity.tally.rejected
                    total.flagged += activity.tally.flagged

            market = load_market(sandbox, premises=self.premises, seed=self.seed, loaded=loaded)
        self.console.print(
            f"  {len(market.lse_files)} LSE files: {total.loaded:,} days loaded, {total.replaced:,} of them replaced by"
            f" a later version, {total.rejected:,} rejected, {total.flagged:,} flagged",
            highlight=False,
        )
        return market

    def _journey(self, requester: Requester, market: Market) -> None:
        with self._step("Ask who the hub takes us for (Connectivity.Ping)"):
            ping = requester.client("Connectivity").service.Ping(**requester.header("ping"))
            self.console.print(
                f"  {ping.companyName}, DUNS {', '.join(ping.dunsNumber)}; TLS certificate until"
                f" {ping.tlsCertificate.expiresAt:%Y-%m-%d}; clock skew {ping.clockSkewSeconds} s",
                highlight=False,
            )
        first, last = f"{market.first_day:%m/%d/%Y}", f"{market.last_day + timedelta(days=1):%m/%d/%Y}"
        with self._step("Order interval data: a signed call with zeep (MeterUsage.RequestIntervalData)"):
            answer = requester.order([*market.esiids, _UNKNOWN, _MALFORMED], first, last)
            self.console.print(
                f"  order [bold]{answer.correlationId}[/]: {answer.esiidsAsked} ESI IDs asked, of"
                f" {answer.esiidsRefused} nothing may be seen (the other REP's, unknown, malformed)",
                highlight=False,
            )
        with self._step("Wait for it (ReportRequestStatus.GetStatus)"):
            status = self._wait(requester, answer.correlationId)
        with self._step("Fetch its files over FTPS, decrypt and unzip them"):
            plain = self._fetch(requester, status)
        for path in plain:
            self._show(path)
        with self._step("The same of a home with solar panels as Green Button: order, wait, fetch, decrypt"):
            answer = requester.order([market.special.solar], first, last, trans_id="3", report_format="XML")
            plain = self._fetch(requester, self._wait(requester, answer.correlationId))
        self._show(next(path for path in plain if path.suffix == ".XML"), lines=24)
        self._show_mail(requester)

    def _fetch(self, requester: Requester, status: Any) -> list[Path]:
        into = requester.player.folder / "received"
        fetched = requester.fetch([file.name for file in status.file if file.state == "PUBLISHED"], into)
        for path in fetched:
            self.console.print(f"  {path.name}  {path.stat().st_size:,} bytes", highlight=False, soft_wrap=True)
        return [requester.open(path, into) for path in fetched]

    def _wait_for(self, what: str, where: str) -> None:
        say_waiting(self.console, f"{what} ({where})")

    def _wait(self, requester: Requester, correlation_id: str) -> Any:
        with self._progress() as progress:
            task = progress.add_task(f"waiting for order {correlation_id}", total=None)

            def told(status: Any) -> None:
                progress.update(task, completed=status.order.partsDone, total=status.order.partsTotal)

            status = requester.wait(correlation_id, told)
        order = status.order
        self.console.print(
            f"  {order.status}: {order.esiidDaysAsked:,} ESI-ID-days asked = {order.esiidDaysDelivered:,} delivered +"
            f" {order.esiidDaysExcepted:,} excepted",
            highlight=False,
        )
        table = Table("code", "ESI-ID-days", "reason", box=None, pad_edge=True)
        for one in status.exception:
            table.add_row(one.code, f"{one.count:,}", one.reason)
        self.console.print(table)
        if order.status not in {"COMPLETE", "COMPLETE_WITH_EXCEPTIONS"}:
            raise RuntimeError(f"order {correlation_id} ended as {order.status}")
        return status

    def _show(self, path: Path, lines: int = 6) -> None:
        self.console.rule(path.name, align="left", style="dim")
        if path.suffix == ".JSON":
            document = json.loads(path.read_text())
            document["files"] = document["files"][:1]
            self.console.print_json(json.dumps(document))
            return
        with path.open() as file:
            for line in islice(file, lines):
                self.console.print(line.rstrip("\n"), highlight=False, markup=False, soft_wrap=True)
            rest = sum(1 for _ in file)
        if rest:
            self.console.print(f"… and {rest:,} more lines", style="dim")

    def _show_mail(self, requester: Requester) -> None:
        folder = requester.settings.mail.folder
        assert folder is not None
        self._wait_for("the e-mail that says so", f"it comes to {folder}")
        end = time.monotonic() + 10
        while not (mails := sorted(folder.glob("*.eml"))) and time.monotonic() < end:
            time.sleep(0.1)
        self.console.rule("e-mail", align="left", style="dim")
        for path in mails:
            mail = message_from_bytes(path.read_bytes(), policy=policy.default)
            self.console.print(f"To: {mail['To']}\nSubject: {mail['Subject']}", highlight=False, markup=False)

    def _keep(self, requester: Requester, process: subprocess.Popen[bytes]) -> None:
        sandbox, player, settings = requester.sandbox, requester.player, requester.settings
        certs, stem = sandbox.certificates, player.stem
        self.console.rule("The hub keeps running; Ctrl-C ends it", align="left")
        for line in (
            "As another terminal could call it:",
            f"  curl --cacert {certs}/ca.crt --cert {certs}/{stem}-tls.crt --key {certs}/{stem}-tls.key \\",
            f"    'https://127.0.0.1:{settings.soap.port}/soap/MeterUsage?wsdl'",
            f"  curl --ssl-reqd --cacert {certs}/ca.crt --cert {certs}/{stem}-tls.crt --key {certs}/{stem}-tls.key \\",
            f"    --user {player.duns}:{player.ftps_password} ftp://127.0.0.1:{settings.ftps.port}/adhoc/",
            f"  smt-ws --settings {sandbox.settings_file} order list",
            f"Letters to customers: {settings.mail.folder}; their links open pages at {settings.portal.url}",
            f"Keys: {certs} (PKCS#12 files for soapUI: password sample); OpenPGP: {player.folder}",
        ):
            self.console.print(line, highlight=False, markup=False, soft_wrap=True)
        try:
            process.wait()
        except KeyboardInterrupt:
            self.console.print("stopping")

    def _progress(self) -> Progress:
        columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("files"))
        return Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal)

    @contextmanager
    def _step(self, title: str) -> Iterator[None]:
        self.console.print(f"[bold]{len(self._steps) + 1}. {title}[/]")
        began = time.perf_counter()
        yield
        self._steps.append((title, time.perf_counter() - began))

    def _timing(self) -> None:
        self.console.rule("what each step took", align="left", style="dim")
        for number, (title, seconds) in enumerate(self._steps, 1):
            self.console.print(f"{seconds:7.2f} s  {number}. {title}", highlight=False)
        self.console.print(f"{sum(seconds for _, seconds in self._steps):7.2f} s  in all", highlight=False)
