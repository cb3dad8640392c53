"""The stage of the storyboards of documents 001 and 002: a hub of its own, whose clock is moved while it runs.

Letters come over SMTP: to a mail server in the test's own process, which hands them to people by their addresses.
"""

from __future__ import annotations

import asyncio
import csv
import os
from asyncio import Server
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from threading import Condition, Thread
from time import monotonic, sleep
from typing import Any, TypeVar

from aiosmtpd.smtp import SMTP
from whole_hub import LANTERN, RunningHub

from smt_ws.clock import real_now
from smt_ws.sandbox.build import Sandbox
from smt_ws.sandbox.customer import Customer
from smt_ws.sandbox.market import Market

__all__ = ["Person", "PostOffice", "Stage", "until"]

Answer = TypeVar("Answer")


class PostOffice:
    """A mail server's boxes: every letter as it came, by the address that the envelope names."""

    def __init__(self) -> None:
        self._boxes: dict[str, list[EmailMessage]] = {}
        self._came = Condition()

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        letter = message_from_bytes(envelope.content, policy=policy.default)
        with self._came:
            for address in envelope.rcpt_tos:
                self._boxes.setdefault(address, []).append(letter)
            self._came.notify_all()
        return "250 kept"

    def box(self, address: str) -> list[EmailMessage]:
        with self._came:
            return list(self._boxes.get(address, ()))

    def wait_for(self, address: str, subject: str, timeout: float) -> EmailMessage:
        """The newest letter to *address* with *subject* in its subject, as soon as there is one."""

        def newest() -> EmailMessage | None:
            found = [one for one in self._boxes.get(address, ()) if subject in str(one["Subject"])]
            return found[-1] if found else None

        with self._came:
            letter = self._came.wait_for(newest, timeout)
            if letter is None:
                there = [str(one["Subject"]) for one in self._boxes.get(address, ())]
                raise TimeoutError(
                    f"no letter to {address} about {subject!r} within {timeout:.0f} s; there are {there}"
                )
            return letter

    @contextmanager
    def opened(self) -> Iterator[int]:
        """Take letters at the port that this gives, in a thread of its own."""
        loop = asyncio.new_event_loop()
        thread = Thread(target=loop.run_forever, name="post office")
        thread.start()

        def done(work: Coroutine[Any, Any, Server]) -> Server:
            return asyncio.run_coroutine_threadsafe(work, loop).result(30)

        async def closed(server: Server) -> Server:
            server.close()
            await server.wait_closed()
            return server

        try:
            server = done(loop.create_server(lambda: SMTP(self, loop=loop), "127.0.0.1", 0))
            try:
                yield int(server.sockets[0].getsockname()[1])
            finally:
                done(closed(server))
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(180)
            loop.close()


@dataclass
class Person(Customer):
    """Somebody with a mailbox at the post office, and a browser."""

    office: PostOffice = field(kw_only=True)

    def letters(self) -> list[EmailMessage]:
        return self.office.box(self.email)

    def wait_for(self, subject: str, *, timeout: float = 180) -> EmailMessage:
        return self.office.wait_for(self.email, subject, timeout)


class Stage(RunningHub):
    """A running hub that can be taken to another day, with the people of its letters."""

    def __init__(self, sandbox: Sandbox, market: Market, pid: int, office: PostOffice) -> None:
        super().__init__(sandbox, market, pid)
        self.office = office
        self._clock = sandbox.hub().clock
        special = {market.special.exchanged[0], market.special.new_home[0], market.special.gap[0]}
        with market.meters.open(newline="") as file:
            #: Homes whose one meter has always been there.
            self.homes = [row for row in csv.DictReader(file) if row["ESIID"] not in special]

    def person(self, email: str) -> Person:
        return Person(self.settings, self.sandbox.certificates / "ca.crt", email, office=self.office)

    def now(self) -> datetime:
        return self._clock.now()

    def go_to(self, moment: datetime) -> None:
        """Let it be *moment* for every process of the hub; time goes on from there."""
        file = self.settings.clock_file
        assert file is not None
        seconds = (moment - real_now()).total_seconds() - self.settings.clock_shift_seconds
        hidden = file.with_suffix(".new")
        hidden.write_text(f"{seconds:.3f}")
        os.replace(hidden, file)

    def authorization(self, duns: str = LANTERN) -> tuple[Any, Any]:
        """A company's program, and its proxy of ``CSPAuthorization``."""
        program = self.requester(duns)
        return program, program.client("CSPAuthorization").service


def until(ask: Callable[[], Answer], good: Callable[[Answer], bool], *, timeout: float = 180) -> Answer:
    """Ask over the wire until the answer is *good*: there is nothing else to wait on."""
    end = monotonic() + timeout
    while not good(answer := ask()):
        assert monotonic() < end, f"after {timeout:.0f} s it is still {answer}"
        sleep(0.3)
    return answer
