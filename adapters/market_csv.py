"""What a TDSP tells of its premises besides usage, as CSV: the layouts are ours (requirements U6, U8; interfaces.md 2).

Common to all: UTF-8 (a byte-order mark is taken), comma, quotes only where needed, first line the names of the columns
in any order. A column that is not known is an error of the file, so that a misspelt one cannot be lost; a column that
is optional may be left out or left empty. Dates are operating days, `YYYY-MM-DD`. First and last day of a range are in
it; an empty last day means that it goes on. Codes (ESI ID, DUNS) are text: leading zeros matter.

Premises (`PREMISES`): the places that have a meter.

| column            | needed | meaning and format                                              | example               |
|-------------------|--------|-----------------------------------------------------------------|-----------------------|
| `ESIID`           | yes    | the premise, 1 to 64 letters and digits (today 17 or 22)        | `10443720007574303`   |
| `TDSP_DUNS`       | yes    | the TDSP whose wires reach it, 9 or 13 digits                   | `1039940674000`       |
| `SERVICE_ADDRESS` | yes    | street and number, up to 200 characters                         | `12 Example St Apt 2` |
| `CITY`            | yes    | up to 100 characters                                            | `Dallas`              |
| `STATE`           | yes    | two capital letters                                             | `TX`                  |
| `ZIP`             | yes    | five digits, or five, a hyphen and four                         | `75201`               |
| `PREMISE_TYPE`    | yes    | `RESIDENTIAL`, `SMALL_NON_RESIDENTIAL`, `LARGE_NON_RESIDENTIAL` | `RESIDENTIAL`         |
| `STATUS`          | yes    | `ACTIVE`, `DE_ENERGIZED` or `INACTIVE`                          | `ACTIVE`              |
| `COUNTY`          | no     | up to 50 characters                                             | `Dallas`              |
| `READ_CYCLE`      | no     | the billing cycle in which it is read, up to 10 characters      | `07`                  |
| `LOAD_PROFILE`    | no     | up to 50 characters                                             | `RESLOWR_NCENT_NWS`   |
| `STATION_CODE`    | no     | the substation that feeds it, up to 20 characters               | `EXMPL`               |
| `STATION_NAME`    | no     | up to 50 characters                                             | `EXAMPLE SUB`         |
| `GENERATION_FROM` | no     | the first day that surplus generation is measured               | `2024-05-02`          |
| `GENERATION_TO`   | no     | the last such day; empty: it goes on                            |                       |

From `GENERATION_FROM` to `GENERATION_TO` each day of the generation channel is due like that of consumption. Where the
file does not say since when, it is due from the first day of generation that the TDSP delivers. A later
`GENERATION_FROM` than the last day told before begins a new spell.

Meters (`METERS`): which meter measures a premise, and since when its data is for the market (U8). A meter exchange is
two rows. An optional column that is left out or empty changes nothing that an earlier file said.

| column             | needed | meaning and format                                       | example             |
|--------------------|--------|----------------------------------------------------------|---------------------|
| `ESIID`            | yes    | the premise                                              | `10443720007574303` |
| `METER_NUMBER`     | yes    | up to 20 letters, digits and hyphens                     | `104137265LG`       |
| `INSTALLED_ON`     | yes    | the day it was hung                                      | `2026-02-03`        |
| `PROVISIONED_ON`   | no     | the day from which it is provisioned; empty: not yet     | `2026-03-01`        |
| `REMOVED_ON`       | no     | the day it was taken down; empty: it hangs               |                     |
| `MANUFACTURER`     | no     | up to 50 characters                                      | `Landis+Gyr`        |
| `MODEL`            | no     | up to 50 characters                                      | `FOCUS AX-SD`       |
| `FIRMWARE_VERSION` | no     | up to 50 characters                                      | `2.08.11`           |
| `HAN_PROFILE`      | no     | the in-home protocol that it speaks, up to 20 characters | `SEP 1.0`           |
| `HAN_MAC_ADDRESS`  | no     | its own in-home address (EUI-64), 16 hexadecimal digits  | `000781000001A2B3`  |
| `HAN_PROTOCOL`     | no     | the in-home radio, up to 20 characters                   | `ZIGBEE`            |
| `UTILITY_METER_ID` | no     | the TDSP's own name of it, up to 30 characters           | `OX104137265`       |
| `METER_CLASS`      | no     | up to 20 characters                                      | `CL200`             |
| `METER_PHASES`     | no     | `1` or `3`                                               | `1`                 |
| `KWH_MULTIPLIER`   | no     | what its reading is multiplied by, a decimal number      | `1`                 |
| `CHANNELS`         | no     | the channels it records, `4`, `1` or both                | `4 1`               |
| `INTERVAL_MINUTES` | no     | how long an interval is                                  | `15`                |
| `REVERSE_FLOW`     | no     | what it does with energy fed back, up to 30 characters   | `SEPARATE REGISTER` |
| `DG_CHANNEL`       | no     | `Y` when energy fed back has a channel of its own, or `N`| `N`                 |
| `DISCONNECT`       | no     | `Y` when it can be switched off from afar, or `N`        | `Y`                 |
| `METER_STATUS`     | no     | up to 20 characters                                      | `ACTIVE`            |
| `TESTED_ON`        | no     | the day of its last test                                 | `2026-01-20`        |
| `COMMUNICATES`     | no     | `Y` when it reports by itself, or `N`                    | `Y`                 |
| `INSTRUMENT_RATED` | no     | `Y` when it measures through transformers, or `N`        | `N`                 |
| `CT_RATIO`         | no     | of the current transformers, up to 20 characters         | `200:5`             |
| `PT_RATIO`         | no     | of the potential transformers, up to 20 characters       | `1:1`               |

REP of record (`REPS_OF_RECORD`): who served a premise when.

| column      | needed | meaning and format                       | example             |
|-------------|--------|------------------------------------------|---------------------|
| `ESIID`     | yes    | the premise                              | `10443720007574303` |
| `REP_DUNS`  | yes    | the retail electric provider             | `111111111`         |
| `FROM_DATE` | yes    | the first day that it serves             | `2026-04-01`        |
| `TO_DATE`   | no     | the last day that it serves; empty: open | `2026-09-30`        |

Occupancy (`OCCUPANCIES`): since when the present customer has been there (R5). No name, no person: dates only.

| column          | needed | meaning and format                               | example             |
|-----------------|--------|--------------------------------------------------|---------------------|
| `ESIID`         | yes    | the premise                                      | `10443720007574303` |
| `MOVE_IN_DATE`  | yes    | the first day of the customer                    | `2025-06-15`        |
| `MOVE_OUT_DATE` | no     | the last day of the customer; empty: still there | `2026-05-31`        |
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from adapters.csv_layout import (
    Column,
    HeaderError,
    Layout,
    calendar_day,
    decimal,
    duns_text,
    esiid_text,
    matching,
    names_of,
    one_of,
    positions_of,
    printable,
    yes_no,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "LAYOUTS",
    "METERS",
    "OCCUPANCIES",
    "PREMISES",
    "REPS_OF_RECORD",
    "MeterRow",
    "OccupancyRow",
    "PremiseRow",
    "RepOfRecordRow",
    "layout_of",
]


@dataclass(frozen=True, slots=True)
class PremiseRow:
    """A premise, as its TDSP describes it."""

    line: int
    esiid: str
    tdsp_duns: str
    service_address: str
    city: str
    state: str
    zip: str
    premise_type: str
    status: str
    generation_from: date | None = None
    generation_to: date | None = None
    #: What else the row says, by the column's name in small letters.
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class MeterRow:
    """A meter at a premise, from the day it was hung."""

    line: int
    esiid: str
    meter_number: str
    installed_on: date
    provisioned_on: date | None
    removed_on: date | None
    manufacturer: str | None
    model: str | None
    firmware_version: str | None
    han_profile: str | None
    han_mac_address: str | None
    #: What else the row says, by the column's name in small letters.
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class RepOfRecordRow:
    """A REP that served a premise from one day to another, both of them served."""

    line: int
    esiid: str
    rep_duns: str
    from_date: date
    to_date: date | None


@dataclass(frozen=True, slots=True)
class OccupancyRow:
    """A customer's time at a premise, first and last day in it."""

    line: int
    esiid: str
    move_in_date: date
    move_out_date: date | None


def _attribute(name: str, read: Callable[[str], Any]) -> Column:
    return Column(name, read, needed=False, attribute=True)


PREMISES: Final = Layout(
    "premises",
    PremiseRow,
    (
        Column("ESIID", esiid_text),
        Column("TDSP_DUNS", duns_text),
        Column("SERVICE_ADDRESS", printable(200)),
        Column("CITY", printable(100)),
        Column("STATE", matching(r"[A-Z]{2}", "two capital letters")),
        Column("ZIP", matching(r"[0-9]{5}(?:-[0-9]{4})?", "five digits, or five, a hyphen and four")),
        Column("PREMISE_TYPE", one_of("RESIDENTIAL", "SMALL_NON_RESIDENTIAL", "LARGE_NON_RESIDENTIAL")),
        Column("STATUS", one_of("ACTIVE", "DE_ENERGIZED", "INACTIVE")),
        _attribute("COUNTY", printable(50)),
        _attribute("READ_CYCLE", printable(10)),
        _attribute("LOAD_PROFILE", printable(50)),
        _attribute("STATION_CODE", printable(20)),
        _attribute("STATION_NAME", printable(50)),
        Column("GENERATION_FROM", calendar_day, needed=False),
        Column("GENERATION_TO", calendar_day, needed=False),
    ),
    in_order=(("GENERATION_FROM", "GENERATION_TO"),),
)
METERS: Final = Layout(
    "meters",
    MeterRow,
    (
        Column("ESIID", esiid_text),
        Column("METER_NUMBER", matching(r"[A-Za-z0-9-]{1,20}", "1 to 20 letters, digits and hyphens")),
        Column("INSTALLED_ON", calendar_day),
        Column("PROVISIONED_ON", calendar_day, needed=False),
        Column("REMOVED_ON", calendar_day, needed=False),
        Column("MANUFACTURER", printable(50), needed=False),
        Column("MODEL", printable(50), needed=False),
        Column("FIRMWARE_VERSION", printable(50), needed=False),
        Column("HAN_PROFILE", printable(20), needed=False),
        Column("HAN_MAC_ADDRESS", matching(r"[0-9A-Fa-f]{16}", "16 hexadecimal digits"), needed=False),
        _attribute("HAN_PROTOCOL", printable(20)),
        _attribute("UTILITY_METER_ID", printable(30)),
        _attribute("METER_CLASS", printable(20)),
        _attribute("METER_PHASES", one_of("1", "3")),
        _attribute("KWH_MULTIPLIER", decimal),
        _attribute("CHANNELS", one_of("4", "1", "4 1", "1 4")),
        _attribute("INTERVAL_MINUTES", one_of("15", "30", "60")),
        _attribute("REVERSE_FLOW", printable(30)),
        _attribute("DG_CHANNEL", yes_no),
        _attribute("DISCONNECT", yes_no),
        _attribute("METER_STATUS", printable(20)),
        _attribute("TESTED_ON", calendar_day),
        _attribute("COMMUNICATES", yes_no),
        _attribute("INSTRUMENT_RATED", yes_no),
        _attribute("CT_RATIO", printable(20)),
        _attribute("PT_RATIO", printable(20)),
    ),
    in_order=(
        ("INSTALLED_ON", "PROVISIONED_ON"),
        ("INSTALLED_ON", "REMOVED_ON"),
        ("PROVISIONED_ON", "REMOVED_ON"),
    ),
)
REPS_OF_RECORD: Final = Layout(
    "REP of record",
    RepOfRecordRow,
    (
        Column("ESIID", esiid_text),
        Column("REP_DUNS", duns_text),
        Column("FROM_DATE", calendar_day),
        Column("TO_DATE", calendar_day, needed=False),
    ),
    in_order=(("FROM_DATE", "TO_DATE"),),
)
OCCUPANCIES: Final = Layout(
    "occupancy",
    OccupancyRow,
    (
        Column("ESIID", esiid_text),
        Column("MOVE_IN_DATE", calendar_day),
        Column("MOVE_OUT_DATE", calendar_day, needed=False),
    ),
    in_order=(("MOVE_IN_DATE", "MOVE_OUT_DATE"),),
)
LAYOUTS: Final = (PREMISES, METERS, REPS_OF_RECORD, OCCUPANCIES)


def layout_of(header: str) -> Layout[Any] | None:
    """Return the layout whose columns a header line names, None when it is none of ours."""
    for layout in LAYOUTS:
        try:
            positions_of(names_of(header), layout)
        except HeaderError:
            continue
        return layout
    return None
