"""``smt-ws simulate-requester``: a company of a sandbox that takes the hub's callbacks."""

from __future__ import annotations

import json
from pathlib import Path

import click

from smt_ws.settings.ports import SIMULATED_REQUESTER

__all__ = ["simulate_requester"]


@click.command("simulate-requester")
@click.argument("sandbox_folder", metavar="SANDBOX", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("duns")
@click.option("--port", default=SIMULATED_REQUESTER, show_default=True, help="0: any that is free.")
@click.option("--record", type=click.Path(dir_okay=False, path_type=Path), default=Path("callbacks.jsonl"),
              show_default=True, help="Where each event is written, as a line of JSON.")  # fmt: skip
@click.option("--refuse", is_flag=True, help="Answer every call that it is not taken; the hub will call again.")
@click.option(
    "--ready-file", type=click.Path(dir_okay=False, path_type=Path), help="Write the port here when it serves."
)
def simulate_requester(
    sandbox_folder: Path, duns: str, port: int, record: Path, refuse: bool, ready_file: Path | None
) -> None:
    """Serve RequesterCallback for the company with DUNS of the sandbox in the folder SANDBOX.

    \b
    Example:
      smt-ws simulate-requester demo 111111111 --port 5301
      smt-ws company callback set 111111111 https://127.0.0.1:5301/soap/RequesterCallback
    """
    from smt_ws.sandbox.build import Sandbox
    from smt_ws.sandbox.listener import PATH, listen

    def ready(bound: int) -> None:
        click.echo(f"taking calls at https://127.0.0.1:{bound}{PATH}, written to {record}")
        if ready_file is not None:
            fresh = ready_file.with_suffix(".new")
            fresh.write_text(json.dumps(bound))
            fresh.replace(ready_file)

    sandbox = Sandbox(sandbox_folder)
    listen(sandbox, sandbox.player(duns), record=record.absolute(), port=port, refuse=refuse, on_ready=ready)
