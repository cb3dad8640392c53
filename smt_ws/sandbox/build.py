"""Making a sandbox: a folder with everything a hub and its market need on one machine.

Nothing in it is secret from its owner, and nothing in it is good for production: every certificate is a sample.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, Final

from adapters import openpgp
from smt_ws.clock import FixedClock, real_now
from smt_ws.errors import HubError
from smt_ws.han.secrets import new_key
from smt_ws.hub import Hub
from smt_ws.parties import companies, ftps_accounts
from smt_ws.parties.certificates import read_certificates
from smt_ws.parties.profile import Profile, set_profile
from smt_ws.sandbox.certificates import file_stem, make_sample_certificates
from smt_ws.sandbox.homes_to_look_at import write_guide
from smt_ws.sandbox.market import Market, build_market
from smt_ws.sandbox.tdsp import prepare_tdsp
from smt_ws.serve.ftps import make_folders
from smt_ws.settings import ports as default_ports
from smt_ws.settings import read_settings
from smt_ws.store import migrate
from smt_ws.usage.activity import Activity, write_report
from smt_ws.usage.bill_end_days import set_end_day
from smt_ws.usage.bill_periods import EndDay
from smt_ws.usage.load import load_file

__all__ = [
    "COMPANIES",
    "SHARING_TDSP",
    "AlreadyThereError",
    "Player",
    "Sandbox",
    "load_market",
    "make_sandbox",
    "register",
]

ACTOR: Final = "operator:sandbox"
#: The sandbox lives on this day: a few days after the last usage, with the end of daylight saving inside its window.
NOW: Final = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
FIRST_DAY: Final = date(2026, 9, 20)
DAYS: Final = 60
#: The days of the other market, with the begin of daylight saving among them.
SPRING, SPRING_DAYS, SPRING_HOMES = date(2026, 3, 1), 20, 10
_MARKER: Final = "smt-ws.toml"
SHARING_TDSP: Final = "5555555550000"


class AlreadyThereError(HubError):
    """The folder holds something already. Name a new folder, or let an old sandbox be replaced with --replace."""

    code = "SANDBOX_EXISTS"


@dataclass(frozen=True)
class Player:
    """One company of the sandbox, with what its own people would hold."""

    name: str
    kind: str
    duns: str
    folder: Path

    @property
    def stem(self) -> str:
        """The beginning of its certificates' file names."""
        return file_stem(self.name)

    @property
    def ftps_password(self) -> str:
        """The password of its FTPS account."""
        return (self.folder / "ftps-password").read_text().strip()

    @property
    def openpgp_secret(self) -> str:
        """The key that decrypts its reports."""
        return (self.folder / "openpgp-secret.asc").read_text()


#: Two REPs, a third party and two TDSPs; the bills of the second share their boundary days.
COMPANIES: Final = (
    ("Pecan Energy", "REP", "111111111"),
    ("Bluebonnet Power", "REP", "222222222"),
    ("Lantern Analytics", "CSP", "333333333"),
    ("Lone Star Wires", "TDSP", "4444444440000"),
    ("Brazos River Wires", "TDSP", "5555555550000"),
)


@dataclass(frozen=True)
class Sandbox:
    """A sandbox that is there."""

    folder: Path

    @property
    def settings_file(self) -> Path:
        """Its settings."""
        return self.folder / _MARKER

    @property
    def certificates(self) -> Path:
        """The folder of all certificates and keys."""
        return self.folder / "certs"

    def hub(self) -> Hub:
        """Its hub, as any process of it would open it."""
        return Hub.of(read_settings(self.settings_file))

    def player(self, duns: str) -> Player:
        """The company with this DUNS number."""
        name, kind = next((name, kind) for name, kind, number in COMPANIES if number == duns)
        return Player(name, kind, duns, self.folder / "companies" / file_stem(name))


def make_sandbox(
    folder: Path,
    *,
    database: str | None = None,
    replace: bool = False,
    ports: tuple[int, int] = (default_ports.SOAP, default_ports.FTPS),
) -> Sandbox:
    """Make certificates, settings, database and companies in *folder*.

    *database* defaults to SQLite in the folder; *ports* are those of SOAP and FTPS, where they are free (0: any, for
    health and the simulated TDSP too).
    Raises `AlreadyThereError` where the folder is not empty, unless it is a sandbox and *replace* is set.
    """
    folder = folder.absolute()
    if folder.exists() and any(folder.iterdir()):
        if not (replace and (folder / _MARKER).exists()):
            raise AlreadyThereError(f"{folder}: {AlreadyThereError.sentence()}")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    sandbox = Sandbox(folder)
    make_sample_certificates(sandbox.certificates, {name: duns for name, _kind, duns in COMPANIES}, now=real_now())
    _keep(sandbox.certificates / "green-button-secret", secrets.token_hex(32) + "\n")
    _keep(sandbox.certificates / "portal-secret", secrets.token_hex(32) + "\n")
    _keep(sandbox.certificates / "install-code-keys", new_key() + "\n")
    sandbox.settings_file.write_text(_settings(database, ports))
    hub = sandbox.hub()
    _make_hub_key(sandbox, hub.settings.openpgp.secret_key)
    migrate.upgrade(hub.store)
    for name, kind, duns in COMPANIES:
        register(hub, sandbox, Player(name, kind, duns, folder / "companies" / file_stem(name)))
        if duns == SHARING_TDSP:
            set_end_day(hub.store, duns=duns, end_day=EndDay.SHARED, actor=ACTOR, clock=hub.clock)
        elif kind == "TDSP":
            port = _free_port(default_ports.SIMULATED_TDSP if all(ports) else 0)
            prepare_tdsp(hub, folder, duns=duns, stem=file_stem(name), port=port, actor=ACTOR)
    hub.store.close()
    return sandbox


def load_market(
    sandbox: Sandbox,
    *,
    premises: int = 200,
    seed: int = 7,
    loaded: Callable[[Activity, int, int], None] = lambda _activity, _done, _of: None,
) -> Market:
    """Make the markets' files under ``market/`` as the TDSPs would send them, load them all, and return the first.

    The second is a small one on the other TDSP's wires, around the begin of daylight saving. `HOMES.md` in the sandbox
    tells what is to be seen where. *loaded* hears of each file: its activity, how many are done, of how many.
    """
    reps = [duns for _name, kind, duns in COMPANIES if kind == "REP"]
    tdsp = next(duns for _name, kind, duns in COMPANIES if kind == "TDSP")
    market = build_market(
        sandbox.folder / "market",
        tdsp_duns=tdsp,
        rep_duns=(reps[0], reps[1]),
        seed=seed,
        premises=premises,
        first_day=FIRST_DAY,
        days=DAYS,
    )
    spring = build_market(
        sandbox.folder / "market" / "spring",
        tdsp_duns=SHARING_TDSP,
        rep_duns=(reps[0], reps[1]),
        seed=seed + 1,
        premises=SPRING_HOMES,
        first_day=SPRING,
        days=SPRING_DAYS,
        bills_end=EndDay.SHARED,
    )
    files = [(one, path, delivered) for one in (spring, market) for path, delivered in _files(one)]
    hub = sandbox.hub()
    for done, (one, path, delivered) in enumerate(files, 1):
        # Loaded when the TDSP delivered it, so that revision times are those of a market.
        activity = load_file(hub.store, path, clock=FixedClock(delivered), tdsp_duns=one.tdsp_duns, actor=ACTOR)
        write_report(activity, hub.settings.ftps.root / one.tdsp_duns / "reports")
        loaded(activity, done, len(files))
    hub.store.close()
    write_guide(sandbox.folder / "HOMES.md", market, spring)
    return market


def _files(market: Market) -> list[tuple[Path, datetime]]:
    begin = datetime.combine(market.first_day, time(), UTC)
    files = [(path, begin) for path in (market.premises, market.meters, market.rep_of_record)]
    files += [(file.path, file.delivered) for file in market.lse_files]
    return [*files, (market.bills, files[-1][1])]


def _settings(database: str | None, ports: tuple[int, int]) -> str:
    shift = (NOW - real_now()).total_seconds()
    lines = [
        "# A sandbox, made by `smt-ws sandbox`. Paths are relative to this file.",
        'environment = "sandbox"',
        f"# The clock is moved so that it was {NOW.isoformat()} when this was made.",
        f"clock_shift_seconds = {shift:.0f}",
        "# Seconds written into this file move it further, while the hub runs.",
        'clock_file = "clock-moved"',
    ]
    if database:
        lines.append(f"database = {json.dumps(database)}")
    lines += [
        "[soap]",
        f"port = {_free_port(ports[0])}",
        "[portal]",
        f"port = {_free_port(default_ports.PORTAL if all(ports) else 0)}",
        "[ftps]",
        f"port = {_free_port(ports[1])}",
        "[health]",
        f"port = {_free_port(default_ports.HEALTH if all(ports) else 0)}",
        "",
    ]
    return "\n".join(lines)


def _free_port(wanted: int) -> int:
    for port in (wanted, 0):
        with closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port on 127.0.0.1")


def _keep(path: Path, secret: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secret)


def _make_hub_key(sandbox: Sandbox, secret_key: Path) -> None:
    """Make the hub's OpenPGP key, and put its public half beside the certificates, for TDSPs to encrypt to."""
    secret, public = openpgp.make_key("Sample hub <files@hub.example>")
    _keep(secret_key, secret)
    (sandbox.certificates / "hub-openpgp-public.asc").write_text(public)


def register(hub: Hub, sandbox: Sandbox, player: Player) -> None:
    """Make *player* a company of the sandbox: its certificates are there; its keys, password and folders are made."""
    player.folder.mkdir(parents=True, mode=0o700)
    secret, public = openpgp.make_key(f"{player.name} (sample) <it@{player.stem}.example>")
    password = secrets.token_urlsafe(12)
    for name, content in (
        ("openpgp-secret.asc", secret),
        ("openpgp-public.asc", public),
        ("ftps-password", password + "\n"),
    ):
        _keep(player.folder / name, content)
    common: dict[str, Any] = {"store": hub.store, "actor": ACTOR, "clock": hub.clock}
    companies.add_company(
        **common,
        legal_name=player.name,
        kind=player.kind,
        email=f"reports@{player.stem}.example",
        duns=[player.duns],
    )
    if player.kind in ("REP", "CSP"):
        # Customers are told whom to call (A14).
        profile = Profile(contact_phone="512-555-0100")
        set_profile(hub.store, duns=player.duns, profile=profile, actor=ACTOR, clock=hub.clock)
    authorities = read_certificates((sandbox.certificates / "ca.crt").read_bytes())
    for use in ("tls", "signing"):
        companies.register_certificate(
            **common,
            duns=player.duns,
            content=(sandbox.certificates / f"{player.stem}-{use}.crt").read_bytes(),
            for_tls=use == "tls",
            for_signing=use == "signing",
            authorities=authorities,
            environment="sandbox",
        )
    companies.set_openpgp_certificate(**common, duns=player.duns, armored=public)
    ftps_accounts.set_ftps_password(**common, duns=player.duns, password=password)
    make_folders(hub.settings.ftps.root, player.duns, player.kind)
