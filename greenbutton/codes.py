"""The codes of espi.xsd that this hub's documents use, and the reading types made of them.

A reading type says what a series of readings is. Everything this hub publishes is energy in whole Wh of electricity
that passed the TDSP's validation unless a reading says otherwise. `currency` stands although nothing is priced, and
`phase` is the US split phase: readers in use refuse a document without them (facts 5.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

SERVICE_ELECTRICITY: Final = 0
COMMODITY_ELECTRICITY: Final = 1  # secondary metered
WATT_HOURS: Final = 72


class Flow(IntEnum):
    """Which way energy went through the meter; both are positive numbers (U9: kept apart in every report)."""

    DELIVERED = 1
    RECEIVED = 19


class Quality(IntEnum):
    """How good a reading is. ESPI has no plain "estimated": 8 is used when the method is unknown (facts 2.4)."""

    ESTIMATED = 8
    VALIDATED = 17


@dataclass(frozen=True, slots=True)
class ReadingType:
    """One kind of series. `number` is its id in addresses, and that of the meter reading that has it.

    `interval_length` is in seconds and nominal (a day of 23 hours keeps 86,400; its reading states the true length);
    `time_attribute` is ESPI's TimePeriodOfInterest, `measuring_period` its TimeAttributeKind or None.
    """

    number: int
    title: str
    flow: Flow
    interval_length: int
    time_attribute: int = 0
    measuring_period: int | None = None

    def xml(self) -> str:
        """Return the `ReadingType` element, without line end."""
        measuring = (
            "" if self.measuring_period is None else f"<measuringPeriod>{self.measuring_period}</measuringPeriod>\n"
        )
        return (
            '<ReadingType xmlns="http://naesb.org/espi">\n'
            "<accumulationBehaviour>4</accumulationBehaviour>\n"  # delta data: use within each interval
            f"<commodity>{COMMODITY_ELECTRICITY}</commodity>\n"
            "<currency>840</currency>\n"  # US dollar
            "<dataQualifier>12</dataQualifier>\n"  # normal: not a maximum, minimum or average
            f"<defaultQuality>{Quality.VALIDATED}</defaultQuality>\n"
            f"<flowDirection>{self.flow}</flowDirection>\n"
            f"<intervalLength>{self.interval_length}</intervalLength>\n"
            "<kind>12</kind>\n"  # energy
            "<phase>769</phase>\n"  # S1-S2-N, US split phase
            "<powerOfTenMultiplier>0</powerOfTenMultiplier>\n"
            f"<timeAttribute>{self.time_attribute}</timeAttribute>\n"
            f"<uom>{WATT_HOURS}</uom>\n"
            f"{measuring}"
            "</ReadingType>"
        )


INTERVAL_DELIVERED: Final = ReadingType(1, "15-minute energy delivered (Wh)", Flow.DELIVERED, 900, 0, 2)
INTERVAL_RECEIVED: Final = ReadingType(2, "15-minute energy received (Wh)", Flow.RECEIVED, 900, 0, 2)
DAILY_DELIVERED: Final = ReadingType(3, "Daily energy delivered (Wh)", Flow.DELIVERED, 86_400, 11, 4)
DAILY_RECEIVED: Final = ReadingType(4, "Daily energy received (Wh)", Flow.RECEIVED, 86_400, 11, 4)
MONTHLY_DELIVERED: Final = ReadingType(5, "Monthly energy delivered (Wh)", Flow.DELIVERED, 2_678_400, 13)
MONTHLY_RECEIVED: Final = ReadingType(6, "Monthly energy received (Wh)", Flow.RECEIVED, 2_678_400, 13)
