"""What every section of the settings is: known keys alone, fixed once read; and what is wrong with one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from smt_ws.errors import HubError

__all__ = ["Location", "Section", "SettingsError", "absolute"]


class SettingsError(HubError):
    """The settings cannot be used. Mend the named keys in smt-ws.toml or the SMT_WS_ environment variables."""

    code = "SETTINGS"
    callers_fault = False


def absolute(path: Path) -> Path:
    """Return *path* as it is from the folder in which the settings are read: that of their file."""
    return path.expanduser().absolute()


Location = Annotated[Path, AfterValidator(absolute)]


class Section(BaseModel):
    """A section. Keys that it does not know are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)
