"""How the simulated TDSP and its homes behave: delays, chances and single devices, from TOML, drawn from a seed.

A draw depends on the seed and on what it is for, never on how many came before it: the same scenario gives the same
course after a restart, in any order of calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from hashlib import blake2b
from typing import Any, Final

__all__ = ["Behaviour", "Chances", "Delays", "Scenario", "ScenarioError", "scenario_of"]

_DRAWS: Final = 2**64


class ScenarioError(ValueError):
    """The scenario cannot be played; the message names the key."""


class Behaviour(StrEnum):
    """How one device answers."""

    GOOD = "good"
    #: On the meter's list it stays; it never hears anything.
    OFFLINE = "offline"
    #: Its owner never switches it on while the join window is open.
    NEVER_JOINS = "never_joins"
    #: Its owner leaves every load control event before it begins.
    OPTS_OUT = "opts_out"
    #: Its owner leaves every load control event when half of it is over.
    LEAVES = "leaves"
    #: Its owner leaves every load control event before it begins, and comes back when half of it is over.
    RETURNS = "returns"
    #: The meter cannot take it off its list.
    STUCK = "stuck"


@dataclass(frozen=True)
class Delays:
    """Seconds, least and most, between one step and the next."""

    acknowledge: tuple[float, float] = (0.0, 0.1)
    pending: tuple[float, float] = (0.1, 0.2)
    meter_ready: tuple[float, float] = (0.1, 0.3)
    join: tuple[float, float] = (0.2, 0.6)
    remove: tuple[float, float] = (0.1, 0.4)
    #: Until a message has gone from the head end to the device.
    carry: tuple[float, float] = (0.0, 0.3)
    #: Until somebody in the home confirms a text.
    confirm: tuple[float, float] = (0.2, 0.6)
    #: How long a device that a message could not be carried to is tried.
    unreachable: tuple[float, float] = (5.0, 5.0)
    join_window: tuple[float, float] = (30 * 86_400.0, 30 * 86_400.0)
    #: How long a post that is held back comes after its time.
    held_back: tuple[float, float] = (0.5, 2.0)


@dataclass(frozen=True)
class Chances:
    """From 0 (never) to 1 (always)."""

    #: A device that the scenario does not name has this behaviour.
    offline: float = 0.0
    never_joins: float = 0.0
    opts_out: float = 0.0
    leaves: float = 0.0
    returns: float = 0.0
    #: Somebody in the home confirms a text that asks for it.
    confirms: float = 1.0
    #: The TDSP posts a status a second time.
    repeat: float = 0.0
    #: The TDSP posts a status late, after those that follow it.
    hold_back: float = 0.0
    #: The hub's answer to posts is lost on its way, so that the TDSP posts them all again.
    lose_answer: float = 0.0


@dataclass(frozen=True)
class Scenario:
    """One course of things."""

    seed: int = 1
    #: Devices that a meter takes.
    slots: int = 5
    #: Load control events that a device keeps until they are over; it rejects one more.
    events: int = 8
    delays: Delays = field(default_factory=Delays)
    chances: Chances = field(default_factory=Chances)
    #: By EUI-64, 16 upper-case hexadecimal digits.
    devices: Mapping[str, Behaviour] = field(default_factory=dict)
    #: The installation code that is printed on a device, by EUI-64: with another one it cannot join.
    install_codes: Mapping[str, str] = field(default_factory=dict)
    #: ESI IDs whose meter has no firmware for SEP 1.0.
    without_firmware: frozenset[str] = frozenset()

    def draw(self, *about: object) -> float:
        """A number from 0 up to 1, the same every time for the same *about*."""
        told = "\x1f".join(map(str, (self.seed, *about))).encode()
        return int.from_bytes(blake2b(told, digest_size=8).digest(), "big") / _DRAWS

    def chance(self, name: str, *about: object) -> bool:
        """Draw whether *name* (of `Chances`) happens in this one case, which *about* names."""
        return self.draw(name, *about) < float(getattr(self.chances, name))

    def delay(self, name: str, *about: object) -> float:
        """Draw the seconds of *name* (of `Delays`) for this one case."""
        least, most = getattr(self.delays, name)
        return float(least + (most - least) * self.draw(name, *about))

    def behaviour(self, eui64: str) -> Behaviour:
        """How the device *eui64* answers, always."""
        if eui64 in self.devices:
            return self.devices[eui64]
        for name in _DRAWN:
            if self.chance(name.value, eui64):
                return name
        return Behaviour.GOOD


#: Behaviours that `Chances` give to devices without a name.
_DRAWN: Final = (
    Behaviour.OFFLINE, Behaviour.NEVER_JOINS, Behaviour.OPTS_OUT, Behaviour.LEAVES, Behaviour.RETURNS
)  # fmt: skip


def scenario_of(table: Mapping[str, Any]) -> Scenario:
    """Read a scenario from its TOML table. Raises ScenarioError for what it does not know or cannot mean."""
    known = {"seed", "slots", "events", "delays", "chances", "device", "meter"}
    if unknown := set(table) - known:
        raise ScenarioError(f"unknown: {', '.join(sorted(unknown))}; known are {', '.join(sorted(known))}")
    devices, codes = {}, {}
    for entry in table.get("device", ()):
        eui64 = str(entry.get("eui64", "")).upper()
        if len(eui64) != 16 or set(entry) - {"eui64", "behaviour", "install_code"}:
            raise ScenarioError(f"device {entry}: give eui64 (16 digits), and behaviour or install_code")
        try:
            devices[eui64] = Behaviour(entry.get("behaviour", "good"))
        except ValueError as error:
            raise ScenarioError(f"device {eui64}: behaviour is one of {', '.join(Behaviour)}") from error
        if "install_code" in entry:
            codes[eui64] = str(entry["install_code"]).upper()
    without = set()
    for entry in table.get("meter", ()):
        if set(entry) != {"esiid", "han_capable"}:
            raise ScenarioError(f"meter {entry}: give esiid and han_capable")
        if not entry["han_capable"]:
            without.add(str(entry["esiid"]))
    slots, events, seed = table.get("slots", 5), table.get("events", 8), table.get("seed", 1)
    for name, number in (("slots", slots), ("events", events)):
        if not isinstance(number, int) or not 1 <= number <= 100:
            raise ScenarioError(f"{name} is a whole number from 1 to 100")
    if not isinstance(seed, int):
        raise ScenarioError("seed is a whole number")
    return Scenario(
        seed=seed,
        slots=slots,
        events=events,
        delays=_section(Delays, table.get("delays", {}), _span),
        chances=_section(Chances, table.get("chances", {}), _probability),
        devices=devices,
        install_codes=codes,
        without_firmware=frozenset(without),
    )


def _section(kind: Any, table: Mapping[str, Any], read: Any) -> Any:
    known = {one.name for one in fields(kind)}
    if unknown := set(table) - known:
        raise ScenarioError(f"unknown: {', '.join(sorted(unknown))}; known are {', '.join(sorted(known))}")
    return kind(**{name: read(name, value) for name, value in table.items()})


def _span(name: str, value: Any) -> tuple[float, float]:
    pair = value if isinstance(value, list) else [value, value]
    if len(pair) != 2 or not all(isinstance(one, int | float) for one in pair) or not 0 <= pair[0] <= pair[1]:
        raise ScenarioError(f"{name}: seconds, or [least, most] in seconds")
    return float(pair[0]), float(pair[1])


def _probability(name: str, value: Any) -> float:
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ScenarioError(f"{name}: a number from 0 to 1")
    return float(value)
