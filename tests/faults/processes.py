"""The processes of a campaign: the hub under its supervisor, a mail server, a company's server, and their ends."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from smt_ws.sandbox.build import Sandbox

_PYTHON = sys.executable
_HERE = Path(__file__).resolve().parent


def descendants(pid: int) -> list[int]:
    """The processes that *pid* has started, and theirs."""
    found = []
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(word) for word in listed.read_text().split()]
        except OSError:
            continue
    return found + [deeper for child in found for deeper in descendants(child)]


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
    except OSError:
        return ""


def send(pid: int, number: int) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


class Started:
    """One process of the campaign's own, killed and started again."""

    def __init__(self, command: Sequence[str], log: Path, environment: dict[str, str] | None = None) -> None:
        self._command, self._log = list(command), log
        self._environment = os.environ | (environment or {})
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, stdout=log, stderr=log, env=self._environment, process_group=0
            )

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        if self.process is not None and self.alive:
            self.process.kill()
        if self.process is not None:
            self.process.wait()

    def stop(self, seconds: float = 60) -> None:
        if self.process is None:
            return
        if self.alive:
            self.process.terminate()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()


def hub(sandbox: Sandbox, *, planted: str | None = None) -> Started:
    """``smt-ws serve``; with *planted*, as it would be with that bug in it (``planted/NAME.py``)."""
    environment = {"PYTHONPATH": str(_HERE / "planted" / planted)} if planted else {}
    arguments = ["--settings", str(sandbox.settings_file), "serve", "--drain", "20"]
    return Started([_PYTHON, "-m", "smt_ws.cli", *arguments], sandbox.folder / "hub.log", environment)


def scheduler(sandbox: Sandbox) -> Started:
    """A second scheduler, as on another machine."""
    arguments = ["--settings", str(sandbox.settings_file), "schedule"]
    return Started([_PYTHON, "-m", "smt_ws.cli", *arguments], sandbox.folder / "hub.log")


def mail_server(port: int, letters: Path, log: Path) -> Started:
    return Started([_PYTHON, str(_HERE / "mail_sink.py"), str(port), str(letters)], log)


def callback_server(sandbox: Sandbox, duns: str, port: int, record: Path, log: Path) -> Started:
    arguments = ["simulate-requester", str(sandbox.folder), duns, "--port", str(port), "--record", str(record)]
    return Started([_PYTHON, "-m", "smt_ws.cli", *arguments], log)


class Killer:
    """``kill -9`` of a random process of the hub, now and then of all of it; counts them by role."""

    ROLES = ("soap", "gunicorn", "ftps", "work", "intake", "schedule", "portal", "health", "serve")

    def __init__(self, served: Started, chance: random.Random) -> None:
        self.served, self.chance = served, chance
        self.killed: dict[str, int] = {}

    def kill_one(self) -> None:
        served = self.served
        if not served.alive:
            served.start()
            return
        assert served.process is not None
        children = descendants(served.process.pid)
        # Not again before it has started everything: a hub that never comes up would meet no other fault.
        if len(children) > len(self.ROLES) and self.chance.random() < 0.02:
            self._count("serve")
            served.kill()
        elif children:
            pid = self.chance.choice(children)
            role = self.role(pid)
            if role and send(pid, signal.SIGKILL):
                self._count(role)

    def role(self, pid: int) -> str:
        """As it calls itself, or, before that, as it was started."""
        command = command_of(pid).partition("smt_ws.cli")
        words = (command[2] or command[0]).replace("smt-ws ", "").split()
        return next((role for role in self.ROLES for word in words if word.startswith(role)), "")

    def some(self, role: str) -> list[int]:
        if not self.served.alive or self.served.process is None:
            return []
        return [pid for pid in descendants(self.served.process.pid) if self.role(pid) == role]

    def _count(self, role: str) -> None:
        self.killed[role] = self.killed.get(role, 0) + 1


def wait_for(port_file: Path, seconds: float = 60) -> int:
    end = time.monotonic() + seconds
    while not port_file.exists():
        if time.monotonic() > end:
            raise TimeoutError(f"{port_file} was not written")
        time.sleep(0.05)
    return int(json.loads(port_file.read_text()))
