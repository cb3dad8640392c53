"""Running the simulated TDSP: its service, its world and its posts, in one process over one file."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

from adapters.soap.gate import Gate
from adapters.soap.server import serve
from adapters.tdsp.config import Config, read_meters
from adapters.tdsp.posting import keep_posting
from adapters.tdsp.service import application
from adapters.tdsp.state import State
from adapters.tdsp.world import let_happen
from adapters.tls import TlsFiles

__all__ = ["exchange_meter", "prepare", "run"]


def prepare(config: Config) -> None:
    """Make the state, and put up the meters of the configured file where the state has none."""
    state = State(config.state)
    if config.meters is not None and not state.has_meters():
        with state.transaction():
            state.set_meters(read_meters(config.meters))
    state.close()


def exchange_meter(config: Config, esiid: str, serial: str, *, han_capable: bool | None = None) -> None:
    """Hang another meter at *esiid*, as soon as the simulator runs."""
    state = State(config.state)
    with state.transaction():
        state.plan([(_clock(config)(), "exchange", {"esiid": esiid, "serial": serial, "han_capable": han_capable})])
    state.close()


def run(config: Config, *, ready_file: Path | None = None, threads: int = 4) -> None:
    """Serve until SIGTERM. *ready_file* gets the bound addresses as JSON once calls are taken."""
    prepare(config)

    def load() -> Gate:
        # after the fork: the threads belong to the process that serves
        now, world, posts = _clock(config), threading.Event(), threading.Event()

        def taken() -> None:
            world.set()
            posts.set()

        for target, kept in (
            (let_happen, {"changed": world, "told": posts.set}),
            (keep_posting, {"changed": posts}),
        ):
            threading.Thread(target=target, args=(config,), kwargs={"now": now, **kept}, daemon=True).start()
        return application(config, now=now, changed=taken)

    def ready(addresses: list[Any]) -> None:
        if ready_file is not None:
            ready_file.write_text(json.dumps(addresses))

    serve(
        load,
        bind=f"{config.host}:{config.port}",
        tls=TlsFiles(certificate=config.tls_certificate, key=config.tls_key, client_ca=config.ca),
        workers=1,
        threads=threads,
        on_ready=ready,
        name="smt-ws simulate-tdsp",
    )


def _clock(config: Config) -> Any:
    return lambda: time.time() + config.clock_shift_seconds
