"""Programs of others read our documents and come to the same totals (issue figures; facts 5.1)."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from greenbutton import document, interval, totals
from greenbutton.publisher import Publisher

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
GREENBUTTON_OBJECTS = "greenbutton-objects==2024.7.11"
CITYSSM = "@cityssm/green-button-parser@1.0.1"

READ_IN_PYTHON = """
import json, sys
from greenbutton_objects.parse import parse_feed
found = {}
for point in parse_feed(sys.argv[1]):
    for reading in point.meterReadings:
        kind = reading.readingType
        readings = list(reading.intervalReadings)
        name = f"{point.link_self.rpartition('/')[2]} {kind.intervalLength} {kind.flowDirection.value}"
        found[name] = [
            len(readings),
            sum(round(r.value) for r in readings),
            sum(bool(r.readingQualities) for r in readings),
            min(r.timePeriod.start.timestamp() for r in readings),
        ]
json.dump(found, sys.stdout)
"""

READ_IN_NODE = """
import { readFileSync } from 'node:fs'
import { atomToGreenButtonJson, helpers } from '@cityssm/green-button-parser'
const feed = await atomToGreenButtonJson(readFileSync(process.argv[2], 'utf8'))
const found = {}
for (const entry of helpers.getEntriesByContentType(feed, 'IntervalBlock')) {
  const kind = helpers.getReadingTypeEntryFromIntervalBlockEntry(feed, entry).content.ReadingType
  const point = helpers.getUsagePointEntryFromIntervalBlockEntry(feed, entry)
  const name = `${point.links.self.split('/').pop()} ${kind.intervalLength} ${kind.flowDirection}`
  const sums = (found[name] ??= [0, 0, 0, Infinity])
  for (const block of entry.content.IntervalBlock) {
    for (const reading of block.IntervalReading) {
      sums[0] += 1
      sums[1] += Number(reading.value)
      sums[2] += (reading.ReadingQuality?.length ?? 0) > 0 ? 1 : 0
      sums[3] = Math.min(sums[3], Number(reading.timePeriod.start))
    }
  }
}
console.log(JSON.stringify(found))
"""

Usage = tuple[Path, dict[str, list[int]]]


@pytest.fixture(scope="module")
def usage(
    make_day: Callable[..., Any], publisher: Publisher, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[bool], Usage]:
    """A document over both daylight-saving days, and what it holds by usage point, length and direction."""
    home, solar = "10443720007574303", "1008901000139050014100"
    march = [date(2026, 3, 7) + timedelta(days=n) for n in range(3)]
    autumn = [date(2026, 10, 31) + timedelta(days=n) for n in range(3)]
    holes = "A" * 5 + "M" * 3 + "E" * 4 + "A" * 84
    days = {
        home: [make_day(day, statuses=holes[: 92 if day.day == 8 else 96]) for day in march],
        solar: [make_day(day, esiid=solar, channel=channel) for day in autumn for channel in (4, 1)],
    }
    reads = [totals.Energy(day, day, 30_000 + day.day, NOW) for day in autumn]
    bills = [totals.Energy(date(2026, 9, 1), date(2026, 9, 30), 812_345, NOW)]
    home_token, solar_token = (publisher.usage_point_token(esiid) for esiid in (home, solar))
    first = {
        day: datetime(day.year, day.month, day.day, 6 if day.month == 3 else 5, tzinfo=UTC) for day in march + autumn
    }
    present = [n for n in range(96) if not 5 <= n < 8]
    in_march = 2 * sum(present) + sum(n for n in present if n < 92)
    in_autumn = 2 * sum(range(96)) + sum(range(100))
    start = first[autumn[0]].timestamp()
    expected = {
        f"{home_token} 900 1": [2 * 93 + 89, in_march, 12, first[march[0]].timestamp()],
        f"{solar_token} 900 1": [96 + 100 + 96, in_autumn, 0, start],
        f"{solar_token} 900 19": [96 + 100 + 96, in_autumn, 0, start],
        f"{solar_token} 86400 1": [3, sum(read.wh for read in reads), 0, start],
    }

    def written(one_block: bool) -> Usage:
        points = [
            document.UsagePoint(home, interval.series(days[home], one_block=one_block)),
            document.UsagePoint(
                solar,
                [*interval.series(days[solar], one_block=one_block), *totals.daily_series(reads)],
                totals.summaries(bills),
            ),
        ]
        file = tmp_path_factory.mktemp("document") / "usage.xml"
        file.write_bytes(b"".join(document.render(points, publisher=publisher, updated=NOW)))
        return file, expected

    return written


@pytest.fixture(scope="module")
def python_reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("python-reader")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, GREENBUTTON_OBJECTS]
    done = subprocess.run(install, capture_output=True, text=True, timeout=180)
    if done.returncode:
        pytest.skip(f"{GREENBUTTON_OBJECTS} cannot be installed here: {done.stderr.strip()[-200:]}")
    return folder


@pytest.fixture(scope="module")
def node_reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs node and npm")
    folder = tmp_path_factory.mktemp("node-reader")
    install = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent", CITYSSM]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True, timeout=180)
    if done.returncode:
        pytest.skip(f"{CITYSSM} cannot be installed here: {done.stderr.strip()[-200:]}")
    (folder / "read.mjs").write_text(READ_IN_NODE)
    return folder


@pytest.mark.parametrize("one_block", [False, True])
def test_greenbutton_objects_reads_equal_totals(
    python_reader: Path, usage: Callable[[bool], Usage], one_block: bool
) -> None:
    file, expected = usage(one_block)
    done = subprocess.run(
        [sys.executable, "-c", READ_IN_PYTHON, file],
        env={"PYTHONPATH": str(python_reader), "TZ": "UTC"},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == expected


@pytest.mark.parametrize("one_block", [False, True])
def test_cityssm_green_button_parser_reads_equal_totals(
    node_reader: Path, usage: Callable[[bool], Usage], one_block: bool
) -> None:
    file, expected = usage(one_block)
    done = subprocess.run(
        ["node", node_reader / "read.mjs", file], cwd=node_reader, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == expected
