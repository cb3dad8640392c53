"""Mixed load: companies that order, cancel and are careful; a TDSP that delivers. All is written to a journal."""

from __future__ import annotations

import http.client
import json
import random
import ssl
import threading
import time
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from wire_client import BLUEBONNET, PECAN, TDSP, WireClient, cancel, usage

from adapters.lse import LseRecord, file_name
from adapters.lse_read import read
from adapters.lse_write import write
from smt_ws.sandbox.build import Sandbox

FIRST, LAST = date(2026, 10, 1), date(2026, 11, 18)


class Journal:
    """What clients asked and were answered; each line is on the disk before the client goes on."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()

    def write(self, **entry: Any) -> None:
        with self._lock, self._path.open("a") as file:
            file.write(json.dumps(entry) + "\n")


class Clients:
    """Threads that send requests until they are stopped; each insists until it is answered."""

    def __init__(
        self, sandbox: Sandbox, esiids: Sequence[str], lse_files: Sequence[Path], journal: Journal, name: str, seed: int
    ) -> None:
        hub = sandbox.hub()
        hub.store.close()
        self.settings = hub.settings
        self._wire = WireClient(sandbox, self.settings)
        self._esiids, self._lse_files, self._journal = list(esiids), list(lse_files), journal
        self._name, self._seed = name, seed
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self.unanswered = 0

    def start(self, companies: Sequence[str] = (PECAN, BLUEBONNET) * 4) -> None:
        for number, duns in enumerate(companies):
            self._threads.append(threading.Thread(target=self._order_on, args=(number, duns)))
        self._threads.append(threading.Thread(target=self._deliver_on))
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """No new requests; those under way are insisted on."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _order_on(self, number: int, duns: str) -> None:
        chance = random.Random(f"{self._seed}-{number}")
        turn = 0
        while not self._stop.wait(chance.uniform(0.2, 2.0)):
            turn += 1
            small = chance.random() < 0.6
            esiids = chance.sample(self._esiids, chance.randint(1, 3) if small else len(self._esiids))
            first = FIRST + timedelta(days=chance.randrange(10))
            last = first + timedelta(days=chance.randrange(5) if small else 20)
            trans_id = f"{self._name}-{number}-{turn}"
            self._journal.write(
                what="ask", trans_id=trans_id, duns=duns, esiids=esiids, first=first.isoformat(), last=last.isoformat()
            )
            body = usage(esiids, start=f"{first:%m/%d/%Y}", end=f"{last:%m/%d/%Y}", trans_id=trans_id, duns=duns)
            order_number = self._insist(body, duns, chance)
            if order_number is None:
                self.unanswered += 1
                continue
            self._journal.write(what="answer", trans_id=trans_id, number=int(order_number))
            if chance.random() < 0.1:
                # Refused where the order is finished: either is an answer.
                self._insist(cancel(order_number, trans_id=f"{trans_id}-c", duns=duns), duns, chance, refusal=True)

    def _insist(self, body: str, duns: str, chance: random.Random, *, refusal: bool = False) -> str | None:
        """Send until it is answered, signed anew each time: the same content is the same request."""
        end = time.monotonic() + 180
        while time.monotonic() < end:
            try:
                message = self._wire.sign(body, signer=self._wire.signing(duns))
                answer = self._wire.post(message, tls=self._wire.tls(duns))
                if answer.status == 200:
                    return answer.text("correlationId")
                if refusal and b"ORDER_FINISHED" in answer.content:
                    return None
            except (OSError, http.client.HTTPException, ssl.SSLError):
                pass
            time.sleep(chance.uniform(0.1, 0.5))
        return None

    def _deliver_on(self) -> None:
        chance = random.Random(f"{self._seed}-tdsp")
        turn = 0
        while not self._stop.wait(chance.uniform(2, 5)):
            turn += 1
            self._deliver(chance, turn)

    def _deliver(self, chance: random.Random, turn: int) -> None:
        """A corrected day, under a name of its own, seen in the inbox whole."""
        with chance.choice(self._lse_files).open("rb") as stream:
            records = [record for record in read(stream) if isinstance(record, LseRecord)]
        # No two files of a campaign have the same content: the hub would rightly say that it has that one already.
        more = 1 + self._seed * 40 + turn
        corrected = [record._replace(values=record.values + more) for record in records]
        name = file_name(TDSP, datetime(2026, 11, 19, 4) + timedelta(seconds=self._seed * 1000 + turn), turn)
        inbox = self.settings.ftps.root / TDSP / "inbox"
        hidden, final = inbox / f".{name}.part", inbox / name
        while not self._stop.is_set():
            try:
                inbox.mkdir(parents=True, exist_ok=True)
                with hidden.open("wb") as out:
                    write(corrected, out)
                self._journal.write(what="drop", name=name)
                hidden.rename(final)
            except OSError:  # the disk is full: a TDSP sends again
                time.sleep(0.5)
            else:
                return
