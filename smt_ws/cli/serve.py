"""``smt-ws serve`` and its parts: the processes of a running hub."""

from __future__ import annotations

from pathlib import Path

import click
import setproctitle

from smt_ws.hub import Hub
from smt_ws.serve import lifeline
from smt_ws.serve.logs import start_logging
from smt_ws.serve.stopping import stop_event
from smt_ws.serve.supervisor import Role, Supervisor

__all__ = ["ftps", "health", "intake", "portal", "schedule", "serve", "soap", "work"]

_ready_file = click.option(
    "--ready-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the bound address here, as JSON, once connections are taken.",
)


def _begin(name: str) -> None:
    setproctitle.setproctitle(f"smt-ws {name}")
    start_logging(name)
    lifeline.follow()


@click.command()
@click.option("--no-ftps", is_flag=True, help="Another server serves the FTPS folders.")
@click.option("--no-portal", is_flag=True, help="Another machine shows the pages for customers.")
@click.option("--drain", default=30.0, show_default=True, help="Seconds that running work may take after SIGTERM.")
@click.option(
    "--ready-folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Each process writes its bound address here once it takes connections.",
)
@click.pass_obj
def serve(hub: Hub, no_ftps: bool, no_portal: bool, drain: float, ready_folder: Path | None) -> None:
    """Run the whole hub on this machine: SOAP endpoint, FTPS site, portal, workers, intake, scheduler, health.

    A process that dies is started again. The first SIGTERM or Ctrl-C lets everything finish what it has in hand; a
    second one ends it at once.

    \b
    Examples:
      smt-ws serve
      smt-ws --settings /etc/smt-ws.toml serve --no-ftps
      smt-ws --at 2026-11-20T09:00:00-06:00 serve      (in a sandbox)
    """
    _begin("serve")
    from smt_ws.settings.files import ROLES, require_files
    from smt_ws.store.revision import require_current

    require_current(hub.store)
    elsewhere = {role for role, left_out in (("ftps", no_ftps), ("portal", no_portal)) if left_out}
    require_files(hub.settings, *(ROLES - elsewhere))
    hub.store.close()

    def ready(name: str) -> tuple[str, ...]:
        return () if ready_folder is None else ("--ready-file", str((ready_folder / f"{name}.json").absolute()))

    roles = [Role("soap", ("soap", *ready("soap")))]
    if not no_ftps:
        roles.append(Role("ftps", ("ftps", *ready("ftps"))))
    if not no_portal:
        roles.append(Role("portal", ("portal", *ready("portal"))))
    roles += [Role(f"work-{n + 1}", ("work",)) for n in range(hub.settings.work.processes)]
    roles += [Role(f"work-small-{n + 1}", ("work", "--small")) for n in range(hub.settings.work.small_processes)]
    intakes = range(hub.settings.intake.processes)
    roles += [Role(f"intake-{n + 1}", ("intake",), large_pages=True) for n in intakes]
    roles.append(Role("schedule", ("schedule",)))
    roles.append(Role("health", ("health", *ready("health"))))
    raise click.exceptions.Exit(Supervisor(roles, drain_seconds=drain).run())


@click.command()
@_ready_file
@click.pass_obj
def soap(hub: Hub, ready_file: Path | None) -> None:
    """Run only the SOAP endpoint (mutual TLS on soap.host:soap.port, or a unix socket behind a TLS proxy)."""
    _begin("soap")
    from smt_ws.serve.soap import run_soap

    run_soap(hub, ready_file=ready_file)


@click.command()
@_ready_file
@click.pass_obj
def ftps(hub: Hub, ready_file: Path | None) -> None:
    """Run only the FTPS site."""
    _begin("ftps")
    from smt_ws.serve.ftps import run_ftps

    run_ftps(hub, ready_file=ready_file)


@click.command()
@_ready_file
@click.pass_obj
def portal(hub: Hub, ready_file: Path | None) -> None:
    """Run only the portal (HTTPS on portal.host:portal.port, or a unix socket behind a TLS proxy)."""
    _begin("portal")
    from smt_ws.serve.portal import run_portal

    run_portal(hub, ready_file=ready_file)


@click.command()
@click.option("--once", is_flag=True, help="Do what is due now, then end.")
@click.option("--small", is_flag=True, help="Build small orders only (work.small_days), to be free for them.")
@click.pass_obj
def work(hub: Hub, once: bool, small: bool) -> None:
    """Run one worker: builds files of orders and sends what waits in the outbox.

    Start as many as the machine has cores, on as many machines as you like; they share the database and the FTPS
    folders.

    \b
    Examples:
      smt-ws work
      smt-ws work --once
      smt-ws work --small
    """
    _begin("work")
    from smt_ws.orders import work as worker
    from smt_ws.serve.garbage import collect_rarely
    from smt_ws.serve.handlers import handlers_of
    from smt_ws.settings.files import require_files
    from smt_ws.store.revision import require_current

    require_current(hub.store)
    require_files(hub.settings, "work")
    handlers = handlers_of(hub)
    if once:
        while worker.work_once(hub, worker="once", handlers=handlers):
            pass
        return
    collect_rarely()
    worker.work(hub, stop=stop_event(), handlers=handlers, small_only=small)


@click.command()
@click.option("--once", is_flag=True, help="Take in what is there now, then end.")
@click.pass_obj
def intake(hub: Hub, once: bool) -> None:
    """Run only the intake: loads what TDSPs leave in their FTPS inboxes, and answers with activity reports.

    Files of one TDSP are taken one after the other; start several to take in those of several TDSPs side by side.

    \b
    Examples:
      smt-ws intake
      smt-ws intake --once
    """
    _begin("intake")
    from smt_ws.settings.files import require_files
    from smt_ws.store.revision import require_current
    from smt_ws.usage.inbox import Inboxes, run_intake

    require_current(hub.store)
    require_files(hub.settings, "intake")
    if once:
        inboxes = Inboxes(hub)
        while inboxes.take_in_once():
            pass
        return
    run_intake(hub, stop=stop_event())


@click.command()
@click.option("--once", is_flag=True, help="Look once, print it, and end with 0 (ok), 1 (warn) or 2 (fail).")
@click.option("--json", "as_json", is_flag=True, help="With --once: print what /readyz answers.")
@_ready_file
@click.pass_obj
def health(hub: Hub, once: bool, as_json: bool, ready_file: Path | None) -> None:
    """Tell how the hub is: /livez, /readyz and /metrics over HTTP on health.host:health.port.

    \b
    Examples:
      smt-ws health
      smt-ws health --once
      smt-ws health --once --json
    """
    if once:
        from smt_ws.cli.readiness import show

        raise click.exceptions.Exit(show(hub, as_json=as_json))
    _begin("health")
    from smt_ws.serve.health import run_health

    run_health(hub, ready_file=ready_file)


@click.command()
@click.pass_obj
def schedule(hub: Hub) -> None:
    """Run only the scheduler: retention and the other jobs that happen by the clock. One at a time does the work."""
    _begin("schedule")
    from jobs.clock import run_clock
    from smt_ws.store.revision import require_current

    require_current(hub.store)
    run_clock(hub, stop=stop_event())
