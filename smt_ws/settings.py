"""Everything an operator may set, from ``smt-ws.toml`` and the environment (``SMT_WS_…``), checked at start.

The environment wins over the file. Every limit has its reason and requirement id beside it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from smt_ws.errors import HubError

__all__ = [
    "Agreements",
    "Callbacks",
    "Ftps",
    "GreenButton",
    "Han",
    "Health",
    "Intake",
    "Limits",
    "Mail",
    "OpenPgp",
    "Outbox",
    "Settings",
    "SettingsError",
    "Soap",
    "Validation",
    "read_settings",
]

#: Where the settings file is looked for when none is named.
DEFAULT_FILE = "smt-ws.toml"


class SettingsError(HubError):
    """The settings cannot be used. Mend the named keys in smt-ws.toml or the SMT_WS_ environment variables."""

    code = "SETTINGS"
    callers_fault = False


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


def _database(url: str) -> str:
    # A SQLite file is relative to the settings file, like every other location.
    name = url.removeprefix("sqlite:///")
    return url if name == url or name.startswith("/") else f"sqlite:///{_absolute(Path(name))}"


Location = Annotated[Path, AfterValidator(_absolute)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class Soap(_Section):
    """The SOAP endpoint."""

    host: str = "127.0.0.1"
    port: int = Field(5200, ge=0, le=65535)
    base_url: str | None = Field(None, description="the public address written into WSDLs; default https://host:port")
    workers: int = Field(2, ge=1, le=64, description="processes; one a core")
    threads: int = Field(8, ge=2, le=256, description="threads a process; well above the idle connections expected")
    queue_seconds: float = Field(
        2, gt=0, description="how long a request may wait for a thread in a burst; else HUB_BUSY, HTTP 503"
    )
    bytes_in_hand: int = Field(
        16_000_000, ge=1_000_000, description="of long messages a process handles at once; else HUB_BUSY"
    )
    proxy_socket: Path | None = Field(None, description="unix socket behind a TLS proxy, instead of host and port")


class Tls(_Section):
    """The hub's own certificates and the authorities whose client certificates it looks at."""

    certificate: Location = Path("certs/hub-tls.crt")
    key: Location = Path("certs/hub-tls.key")
    client_authorities: Location = Path("certs/ca.crt")
    crl: Location | None = Field(
        None, description="revocation lists (PEM), one of each client authority; read anew when the file changes"
    )
    when_crl_expired: Literal["refuse", "serve"] = Field(
        "refuse",
        description="a list past its nextUpdate refuses every client of its authority, or (serve) those it names alone",
    )
    signing_certificate: Location = Path("certs/hub-signing.crt")
    signing_key: Location = Path("certs/hub-signing.key")

    def require_files(self) -> None:
        """Raise `SettingsError` naming every certificate or key file that cannot be read."""
        files = {name: file for name in type(self).model_fields if isinstance(file := getattr(self, name), Path)}
        missing = [f"tls.{name}: {path}" for name, path in files.items() if not os.access(path, os.R_OK)]
        if missing:
            raise SettingsError(f"these files cannot be read: {'; '.join(missing)}")


class Portal(_Section):
    """The pages for customers: the invitations' Accept and Reject, accounts, agreements."""

    host: str = "127.0.0.1"
    port: int = Field(5443, ge=0, le=65535)
    base_url: str | None = Field(
        None, description="the public address that e-mails link to, without a path; default https://host:port"
    )
    workers: int = Field(1, ge=1, le=64, description="processes")
    threads: int = Field(8, ge=2, le=256, description="threads a process")
    proxy_socket: Path | None = Field(None, description="unix socket behind a TLS proxy, instead of host and port")
    secret: Location = Field(
        Path("certs/portal-secret"),
        description="file with at least 32 random bytes, such as 64 hex digits: seals forms; the same on every machine",
    )

    @property
    def url(self) -> str:
        """What every link in an e-mail begins with."""
        return (self.base_url or f"https://{self.host}:{self.port}").rstrip("/")

    def read_secret(self) -> bytes:
        """What seals forms against forgery. Raises `SettingsError` where there is none, or it is short."""
        try:
            secret = self.secret.read_bytes().strip()
        except OSError as error:
            raise SettingsError(
                f"portal.secret: {error.strerror}. Make one with `openssl rand -hex 32` and keep it"
            ) from error
        if len(secret) < 32:
            raise SettingsError(f"portal.secret: {self.secret} holds {len(secret)} bytes; it needs at least 32")
        return secret


class Ftps(_Section):
    """The FTPS site."""

    host: str = "127.0.0.1"
    port: int = Field(5990, ge=0, le=65535)
    passive_ports: tuple[int, int] | None = None
    masquerade_address: str | None = Field(None, description="the address told to clients behind NAT")
    root: Location = Path("ftps")


class OpenPgp(_Section):
    """The hub's own OpenPGP key, to which TDSPs encrypt what they send (U2). Publish its public half to them."""

    secret_key: Location = Field(
        Path("certs/hub-openpgp-secret.asc"), description="armoured, without a pass phrase, readable by the hub alone"
    )
    largest_plain: int = Field(2 * 1024**3, ge=1, description="bytes of a decrypted file; a message may expand")


class Intake(_Section):
    """What becomes of the files that TDSPs leave in their inboxes."""

    processes: int = Field(
        1, ge=1, le=16, description="files of one TDSP come one after the other, of several side by side"
    )
    archive: Location = Field(Path("archive"), description="every file as it came and its report; not on the FTPS site")
    poll_seconds: float = Field(0.5, gt=0)
    settle_seconds: float = Field(
        1, ge=0, description="a file last written to within this time is left alone: it may still be growing"
    )
    attempts: int = Field(5, ge=1, description="tries before a file is refused for the hub's own fault (disk full)")
    retry_seconds: float = Field(
        2, gt=0, description="pause before the second try; four times as long before each next"
    )


class Mail(_Section):
    """Where notices go: an SMTP server, or (the embedded default) a folder of .eml files."""

    folder: Location | None = Path("mail")
    smtp_host: str | None = None
    smtp_port: int = 587
    smtp_starttls: bool = True
    smtp_user: str | None = None
    smtp_password: str | None = Field(None, repr=False)
    sender: str = "Smart Meter Hub <no-reply@hub.example>"
    operator: str | None = Field(None, description="where the hub writes to its own operator; default: support_contact")
    attach_bytes: int = Field(10_000_000, ge=0, description="files of deliveryMode EML are attached up to this: R10")


class GreenButton(_Section):
    """What Green Button documents are published under (`greenbutton.publisher`). Both must stay for good."""

    base_url: str = Field(
        "https://hub.example/DataCustodian",
        description="resources in documents are named below it; readers compare these names, nothing answers there",
    )
    namespace_secret: Location = Field(
        Path("certs/green-button-secret"), description="file with at least 16 random bytes, such as 64 hex digits"
    )

    def secret(self) -> bytes:
        """The secret that hides ESI IDs in documents. Raises `SettingsError` where there is none to be read."""
        try:
            return self.namespace_secret.read_bytes().strip()
        except OSError as error:
            raise SettingsError(
                f"green_button.namespace_secret: {error.strerror}. Make one with `openssl rand -hex 32` and keep it"
            ) from error


class Limits(_Section):
    """Every bound on what a request may ask, with its source."""

    esiids_per_request: int = Field(50_000, ge=1, le=50_000, description="R3")
    orders_per_day: int = Field(20_000, ge=1, description="orders of a company on one day (US/Central)")
    open_esiids: int = Field(1_000_000, ge=1, description="ESI IDs in a company's unfinished orders: 20 of the largest")
    days_per_part: int = Field(50_000, ge=1, le=50_000, description="ESI-ID-days a file: R7; keeps zip below zip64")
    history_months_market: int = Field(48, ge=1, description="REPs and TDSPs, interval and daily: R4")
    history_months_others: int = Field(13, ge=1, description="third parties, customers, regulators: R4")
    history_months_bills: int = Field(24, ge=1, description="monthly billing, everybody: R4")
    inline_days_interval: int = Field(40, ge=1, description="days answered in the response itself: R9")
    inline_days_daily: int = Field(1200, ge=1, description="R9")
    inline_days_monthly: int = Field(732, ge=1, description="24 months: R9")
    keep_files_days: int = Field(10, ge=1, description="R7, R8")
    changes_per_request: int = Field(
        500_000, ge=1, description="days of one channel that an order for changes may hold: R13; about 0.25 kB each"
    )
    missing_usage_days: int = Field(10_000, ge=1, description="ESI-ID-days a MissingUsage answer may be about: R14")
    due_days: int = Field(2, ge=1, description="a day's data is due this many days later; before that: not yet due")
    late_days: int = Field(
        10, ge=1, description="after that, a missing day is late at the TDSP until this age; then a gap"
    )
    missing_days_back: int = Field(38, ge=1, le=400, description="days the missing-usage report looks back: U7")
    repeat_hours: float = Field(24, gt=0, description="how long a repeated request gets its first answer")
    body_bytes: int = Field(8_000_000, ge=100_000, description="one SOAP message; 50,000 ESI IDs take about 2 MB")


class Agreements(_Section):
    """Bounds on what companies may ask customers for (A6, A7, A13, A23). Three one-time reports a year is a rule."""

    invitation_days: int = Field(30, ge=1, le=365, description="an invitation is open so long: A7, BR-4")
    resends: int = Field(1, ge=0, le=10, description="times that an invitation may be sent again: A13")
    meters_per_request: int = Field(50, ge=1, le=1000, description="each becomes an agreement of its own: A5")
    esiids_per_customer: int = Field(
        10, ge=1, description="ESI IDs for which one address of a customer who is not registered is invited a year: A23"
    )
    unconfirmed_an_hour: int = Field(
        100, ge=1, description="requests of a company that name what does not fit together, before it has to wait: A23"
    )
    keep_years: int = Field(3, ge=1, description="agreements that have ended, with their history, stay so long: A16")
    disowned_alarm: int = Field(
        3, ge=1, description="invitations of one company that customers disown in 30 days before the operator is told"
    )
    public_mail_domains: tuple[str, ...] = Field(
        (
            "aol.com",
            "att.net",
            "comcast.net",
            "gmail.com",
            "hotmail.com",
            "icloud.com",
            "live.com",
            "msn.com",
            "outlook.com",
            "proton.me",
            "sbcglobal.net",
            "yahoo.com",
        ),
        description="where everybody has an address: a company there is not refused a customer there too: A23",
    )


class Han(_Section):
    """Devices of the home area network and messages to them."""

    rep_of_record_exempt: bool | None = Field(
        None,
        description="the REP of record needs no agreement for devices and messages: H8; default: in a sandbox only",
    )
    install_code_keys: Location = Field(
        Path("certs/install-code-keys"),
        description="file with the keys that seal installation codes, one a line, newest first (smt-ws han new-key)",
    )
    text_bytes: int = Field(
        58, ge=1, le=254, description="UTF-8 bytes of a text message: H4; 58 fit into one radio frame"
    )
    start_days_ahead: int = Field(31, ge=1, le=366, description="how far ahead a message may begin")
    join_window_hours: int = Field(
        720, ge=1, description="after Meter Ready: a device that has not joined by then is Add Failed"
    )
    removal_hours: int = Field(72, ge=1, description="a removal without an answer is Remove Failed after this time")
    overdue_hours: int = Field(72, ge=1, description="an add without progress is told to the operator after this time")
    repeat_minutes: float = Field(10, gt=0, description="how long a repeated message gets its first answer")
    keep_install_codes_days: int = Field(
        30, ge=0, description="installation codes of devices that are gone are destroyed after this time"
    )
    targets_per_call: int = Field(500, ge=1, le=5000, description="meters of one message in one call of a TDSP")
    log_days: int = Field(1100, ge=1, le=1100, description="days of the message log that one request may ask for")
    keep_messages_days: int = Field(
        1100, ge=30, description="messages and their log stay so long, three years like agreements: H6, A16"
    )


class Validation(_Section):
    """What is checked of every interval day at load (U5): severities, and the figures in the rules' formulas."""

    severities: dict[str, Literal["reject", "flag"]] = Field(
        default_factory=dict, description="by rule code, where the rule's severity may be set"
    )
    take_unprovisioned: tuple[str, ...] = Field(
        (), description="DUNS of TDSPs whose days are taken, and flagged, before the meter is provisioned: U8"
    )
    inactive_wh: int = Field(0, ge=0, description="Wh a day that a premise without service may use")
    pulse_overflow_wh: int = Field(655_350, ge=1, description="Wh an interval: 65,535 pulses of 10 Wh")
    residential_kw: int = Field(96, ge=1, description="highest demand of a home: 240 V x 400 A")
    other_kw: int = Field(2_500, ge=1, description="highest demand of any other premise")
    sum_tolerance_wh: int = Field(1_000, ge=0, description="Wh a day: registers may be read in whole kWh")
    zero_run_intervals: int = Field(
        48, ge=1, description="zeros in a row; 12 hours are longer than the sun feeds a home"
    )
    spike_percent: int = Field(180, ge=1, description="by how much the highest interval may exceed the third highest")
    spike_floor_wh: int = Field(2_500, ge=0, description="no spike below: one appliance more is none")
    usage_factor: float = Field(
        10, gt=1, description="high: more than so many times, low: less than one part in so many"
    )
    usage_floor_wh: int = Field(5_000, ge=0, description="Wh a day: a difference below this is neither high nor low")
    usage_days: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (1, 7), description="days back that a day's usage is compared with"
    )


class Health(_Section):
    """Where the hub tells how it is, and from when on that is worth a warning."""

    host: str = Field("127.0.0.1", description="no client certificate is asked for: not an address of the world")
    port: int = Field(5280, ge=0, le=65535)
    disk_free_bytes: int = Field(
        1_000_000_000, ge=0, description="free space below which new orders are refused, before writes fail"
    )
    queue_minutes: float = Field(30, gt=0, description="how long a part that could be built may wait for a worker")
    outbox_minutes: float = Field(30, gt=0, description="how long a mail or call that is due may wait")
    dead_letters: int = Field(0, ge=0, description="mails and calls given up that are no cause for a warning")
    clock_seconds: float = Field(120, gt=0, description="how long the scheduler may give no sign of life")
    certificate_days: int = Field(30, ge=1, description="days before one of the hub's certificates ends")


class Work(_Section):
    """The workers."""

    processes: int = Field(1, ge=1, le=64)
    small_processes: int = Field(
        1, ge=0, le=16, description="further workers for small orders alone: somebody is free while the others are not"
    )
    small_days: int = Field(3_000, ge=1, description="ESI-ID-days of the largest small order")
    lease_seconds: float = Field(120, gt=0, description="a claim returns when its worker has been silent so long")
    poll_seconds: float = Field(0.5, gt=0)
    attempts: int = Field(8, ge=1, description="tries before a part, and with it its order, fails")


class Outbox(_Section):
    """How mails and calls to other servers are carried out, and how one that fails is dealt with."""

    threads: int = Field(8, ge=1, le=64, description="of a worker process: so many servers are called side by side")
    attempts: int = Field(12, ge=1, description="tries that a server refused before an effect is given up")
    lease_seconds: float = Field(
        300, gt=0, description="a claimed effect returns then if its worker is gone; longer than the slowest call"
    )
    failures: int = Field(5, ge=1, description="failures in a row after which a server is left alone for a while")
    longest_open_seconds: float = Field(300, gt=0, description="a server that is well again is found within this time")


class Callbacks(_Section):
    """Calls to the companies' own servers (RequesterCallback). Only a sandbox calls into private networks."""

    authorities: Location | None = Field(
        None, description="PEM, who may have issued the certificates of companies' servers; default: those of clients"
    )
    timeout_seconds: float = Field(20, gt=0, le=120, description="for connecting, and for each read")


class Settings(BaseSettings):
    """All settings of one hub. Unknown keys are refused: a misspelt limit must not pass for a set one."""

    model_config = SettingsConfigDict(
        env_prefix="SMT_WS_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        validate_default=True,
        toml_file=DEFAULT_FILE,
    )

    environment: Literal["sandbox", "production"] = "sandbox"
    database: Annotated[str, AfterValidator(_database)] = Field("sqlite:///hub.db", validate_default=True)
    clock_shift_seconds: float = Field(0, description="a sandbox may live at another time: smt-ws --at sets this")
    clock_file: Location | None = Field(
        None, description="a sandbox's clock may be moved while it runs: seconds in this file are added to the shift"
    )
    support_contact: str = Field("support@hub.example", description="in every fault, mail and page (P11)")
    work_folder: Location = Path("work")
    allow_test_esiids: bool = Field(False, description="a sandbox may take ESI IDs of 1-64 letters and digits")
    soap: Soap = Field(default_factory=Soap)
    tls: Tls = Field(default_factory=Tls)
    portal: Portal = Field(default_factory=Portal)
    ftps: Ftps = Field(default_factory=Ftps)
    openpgp: OpenPgp = Field(default_factory=OpenPgp)
    intake: Intake = Field(default_factory=Intake)
    mail: Mail = Field(default_factory=Mail)
    green_button: GreenButton = Field(default_factory=GreenButton)
    limits: Limits = Field(default_factory=Limits)
    agreements: Agreements = Field(default_factory=Agreements)
    han: Han = Field(default_factory=Han)
    validation: Validation = Field(default_factory=Validation)
    work: Work = Field(default_factory=Work)
    health: Health = Field(default_factory=Health)
    outbox: Outbox = Field(default_factory=Outbox)
    callbacks: Callbacks = Field(default_factory=Callbacks)

    @property
    def operator_address(self) -> str:
        """The e-mail address of the hub's own operator."""
        return self.mail.operator or self.support_contact

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then the environment, then the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def read_settings(file: Path | None = None, **overrides: Any) -> Settings:
    """Read the settings; relative paths in them are relative to the settings file's folder.

    *file* defaults to ``SMT_WS_FILE`` or ``smt-ws.toml`` in the current folder (which need not exist).
    Raises `SettingsError` naming every key that is wrong.
    """
    named = file or (Path(os.environ["SMT_WS_FILE"]) if "SMT_WS_FILE" in os.environ else None)
    if named is not None and not named.is_file():
        raise SettingsError(f"there is no settings file {named}")
    source = (named or Path(DEFAULT_FILE)).absolute()

    class FromFile(Settings):
        model_config = SettingsConfigDict(**{**Settings.model_config, "toml_file": source})

    here = Path.cwd()
    try:
        os.chdir(source.parent)  # relative locations are resolved while validating
        settings = FromFile(**overrides)
    except ValidationError as error:
        lines = [f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in error.errors()]
        raise SettingsError(f"{source.name}: " + "; ".join(lines)) from error
    except ValueError as error:  # not TOML
        raise SettingsError(f"{source.name}: {error}") from error
    finally:
        os.chdir(here)
    moved = settings.clock_shift_seconds or settings.clock_file
    if settings.environment == "production" and (moved or settings.allow_test_esiids):
        raise SettingsError("clock_shift_seconds, clock_file and allow_test_esiids are for sandboxes")
    return settings
