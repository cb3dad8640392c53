"""The simulated TDSP's own file: who it is, where it serves, whose calls it takes, and its scenario.

Relative paths are relative to the file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from adapters.csv_layout import RowReject, read
from adapters.market_csv import METERS
from adapters.tdsp.scenario import Scenario, ScenarioError, scenario_of

__all__ = ["Config", "read_config", "read_meters"]

_SECTIONS: Final = {"tdsp", "hub", "scenario"}


@dataclass(frozen=True)
class Config:
    """One simulated TDSP."""

    #: Its DUNS numbers; the first one stands in the posts.
    duns: tuple[str, ...]
    host: str
    port: int
    #: PEM files: what it serves TLS and connects with, what it signs with, and whom it lets connect.
    tls_certificate: Path
    tls_key: Path
    signing_certificate: Path
    signing_key: Path
    ca: Path
    #: The SQLite file that it lives in.
    state: Path
    #: CSV of its meters, as it would send them to the hub; none: it has those that its state has.
    meters: Path | None
    #: How far its clock is ahead of real time, in seconds.
    clock_shift_seconds: float
    #: The hub's ``TDSPCallback``, and the certificates with which the hub connects and signs.
    hub_url: str
    hub_tls_certificate: Path
    hub_signing_certificate: Path
    #: Posts of one call.
    posts_per_call: int
    scenario: Scenario


def read_config(file: Path, *, scenario: Path | None = None) -> Config:
    """Read *file*; *scenario* is another file whose ``[scenario]`` counts instead.

    Raises ScenarioError where something is missing, unknown or cannot be meant, and OSError.
    """
    table = _toml(file)
    if unknown := set(table) - _SECTIONS:
        raise ScenarioError(f"{file}: unknown: {', '.join(sorted(unknown))}; known are {', '.join(sorted(_SECTIONS))}")
    played = table.get("scenario", {}) if scenario is None else _toml(scenario).get("scenario", {})
    values: dict[str, Any] = {"host": "127.0.0.1", "meters": None, "clock_shift_seconds": 0.0, "posts_per_call": 500}
    values |= table.get("tdsp", {}) | {f"hub_{name}": value for name, value in table.get("hub", {}).items()}
    known = {one.name: one.type for one in fields(Config) if one.name != "scenario"}
    if set(values) != set(known):
        wrong = sorted(set(values) ^ set(known))
        raise ScenarioError(f"{file}: missing or unknown: {', '.join(wrong)}")
    for name, kind in known.items():
        if "Path" in str(kind) and values[name] is not None:
            values[name] = (file.parent / values[name]).absolute()
    values["duns"] = tuple(values["duns"])
    if not values["duns"]:
        raise ScenarioError(f"{file}: duns names no DUNS number")
    return Config(**values, scenario=scenario_of(played))


def read_meters(file: Path) -> Iterator[tuple[str, str]]:
    """The meters that hang, as (ESI ID, serial number), from a CSV of `adapters.market_csv.METERS`."""
    with file.open("rb") as stream:
        for row in read(stream, METERS):
            if isinstance(row, RowReject):
                raise ScenarioError(f"{file}: line {row.line}: {row.reason}")
            if row.removed_on is None:
                yield row.esiid, row.meter_number


def _toml(file: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{file}: {error}") from error
