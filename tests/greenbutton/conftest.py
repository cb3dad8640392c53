"""The official schemas, which are not ours to ship, and small documents to look at."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import xmlschema
from lxml import etree

from greenbutton.publisher import Publisher

ATOM = "http://www.w3.org/2005/Atom"
ESPI = "http://naesb.org/espi"
NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
SCHEMAS = {
    "ESPI 0.7 derived": ("espiDerived-0.7/atom.xsd", "espiDerived-0.7/espiDerived.xsd"),
    "ESPI 3.3": ("3.3-2021/atom.xsd", "3.3-2021/usage.xsd"),
    "ESPI 4.0": ("3.3-2021/atom.xsd", "4.0/espi.xsd"),
    "ESPI 4.0, Atom of 4.1": ("atom-4.1/atom.xsd", "4.0/espi.xsd"),
}


@dataclass(frozen=True)
class StoredDay:
    """What the hub hands over: the shape of a stored day, and no class of the hub's."""

    esiid: str
    channel: int
    day: date
    revised: datetime
    values: bytes
    statuses: bytes | None = None


def intervals_in(day: date) -> int:
    central = ZoneInfo("America/Chicago")
    first, last = (
        datetime(at.year, at.month, at.day, tzinfo=central).timestamp() for at in (day, day + timedelta(days=1))
    )
    return int(last - first) // 900


def stored(
    day: date,
    wh: list[int] | None = None,
    statuses: str | None = None,
    *,
    channel: int = 4,
    esiid: str = "10443720007574303",
    revised: datetime = NOW - timedelta(hours=6),
) -> StoredDay:
    values = np.array(range(intervals_in(day)) if wh is None else wh, "<i4").tobytes()
    return StoredDay(esiid, channel, day, revised, values, None if statuses is None else statuses.encode())


@pytest.fixture(scope="session")
def make_day() -> Callable[..., StoredDay]:
    return stored


@pytest.fixture(scope="session")
def publisher() -> Publisher:
    return Publisher("https://hub.example.org/DataCustodian", b"sixteen bytes or more of secret", "0123456789")


@pytest.fixture(scope="session")
def espi() -> Path:
    """The folder with the official files, or a word on where to get them."""
    beside = Path(__file__).resolve().parents[2].parent / "shared" / "espi"
    folder = Path(os.environ.get("SMT_WS_ESPI", beside))
    if (folder / "xsd").is_dir():
        return folder
    missing = (
        f"no official ESPI schemas in {folder}: download them from the Green Button Alliance "
        "(github.com/GreenButtonAlliance and github.com/green-button; docs/conformance.md lists the files) "
        "and name their folder in SMT_WS_ESPI"
    )
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


class _XmlNamespace(etree.Resolver):
    """Answers the one import from w3.org with the copy that a package ships."""

    def resolve(self, url: str, public_id: str, context: object) -> object:
        if url.endswith("/xml.xsd"):
            return self.resolve_filename(str(Path(xmlschema.__file__).parent / "schemas/XML/xml.xsd"), context)
        return None


@pytest.fixture(scope="session", params=SCHEMAS)
def schema(request: pytest.FixtureRequest, espi: Path) -> etree.XMLSchema:
    """Each edition of the schemas, Atom and ESPI together, so that the payload is checked too."""
    atom, usage = (espi / "xsd" / file for file in SCHEMAS[request.param])
    driver = (
        '<schema xmlns="http://www.w3.org/2001/XMLSchema">'
        f'<import namespace="{ATOM}" schemaLocation="{atom.as_uri()}"/>'
        f'<import namespace="{ESPI}" schemaLocation="{usage.as_uri()}"/></schema>'
    )
    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(_XmlNamespace())
    return etree.XMLSchema(etree.fromstring(driver, parser))
