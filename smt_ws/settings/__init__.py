"""Everything an operator may set, from ``smt-ws.toml`` and the environment (``SMT_WS_…``), checked at start.

The environment wins over the file. Every limit has its reason and requirement id beside it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from smt_ws.settings.doors import Ftps, Health, Portal, Soap, Tls
from smt_ws.settings.market import Agreements, Han, Limits, Validation
from smt_ws.settings.section import Location, SettingsError, absolute
from smt_ws.settings.work import Callbacks, GreenButton, Intake, Mail, OpenPgp, Outbox, Work

__all__ = [
    "DEFAULT_FILE",
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
    "Portal",
    "Settings",
    "SettingsError",
    "Soap",
    "Tls",
    "Validation",
    "Work",
    "read_settings",
]

#: Where the settings file is looked for when none is named.
DEFAULT_FILE = "smt-ws.toml"


def _database(url: str) -> str:
    # A SQLite file is relative to the settings file, like every other location.
    name = url.removeprefix("sqlite:///")
    return url if name == url or name.startswith("/") else f"sqlite:///{absolute(Path(name))}"


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
