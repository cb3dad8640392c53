"""Traceability: of every version the file and the line that brought it, found again in the archive (both stores)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner
from inbox_market import archived, drop, hub_over, sealed, zipped
from small_market import add_premises, day_of, esiid

from smt_ws.cli.trace import trace as trace_command
from smt_ws.clock import FixedClock
from smt_ws.hub import Hub
from smt_ws.store.engine import Store
from smt_ws.usage.errors import FileUnreadableError
from smt_ws.usage.inbox import Inboxes
from smt_ws.usage.lines import archived_file, line_of
from smt_ws.usage.sealed import Opening
from smt_ws.usage.trace import BillVersion, DayVersion, ReadVersion, trace

DAY, NEXT = date(2026, 11, 10), date(2026, 11, 11)
LseFile = Callable[..., Path]


@pytest.fixture
def hub(store: Store, clock: FixedClock, tmp_path: Path) -> Hub:
    add_premises(store, 4)
    return hub_over(store, tmp_path, clock)


def take_in(hub: Hub, file: Path) -> None:
    drop(hub, file)
    assert Inboxes(hub).take_in_once() == 1


def found(hub: Hub, number: int, version: Callable[..., object], day: date = DAY) -> list[int | None]:
    """The lines of all versions of one kind, the first the oldest."""
    with hub.store.read() as connection:
        traced = trace(connection, esiid(number), day)
    assert traced is not None
    opening, lines = Opening.of(hub.settings), []
    for one in (*traced.days, *traced.reads, *traced.bills):
        if isinstance(one, version):  # type: ignore[arg-type]
            file = archived_file(hub.settings.intake.archive, one.origin)
            assert file is not None
            lines.append(line_of(one, file, esiid=esiid(number), day=day, opening=opening))
    return lines


def line_that_begins(file: Path, start: str, nth: int = 0) -> int:
    lines = file.read_text().split("\n")
    return [n for n, line in enumerate(lines, start=1) if line.startswith(start)][nth]


@pytest.mark.parametrize("form", ["plain", "zip", "zip in OpenPGP"])
def test_the_line_of_an_interval_day_is_that_of_its_record_in_every_form(
    hub: Hub, lse_file: LseFile, form: str
) -> None:
    days = [
        day_of(n, on, channel=channel, reads=("10", "34")) for n in (1, 2) for channel in (4, 1) for on in (DAY, NEXT)
    ]
    plain = lse_file("a", *days)
    file = plain if form == "plain" else zipped(plain)
    take_in(hub, sealed(file) if "OpenPGP" in form else file)
    expected = [line_that_begins(plain, f"00000001,{esiid(2)},{channel},20261111") for channel in (4, 1)]
    assert found(hub, 2, DayVersion, NEXT) == expected
    # the register reads of row two stand in the same record
    assert found(hub, 2, ReadVersion, NEXT) == expected
    assert not list(hub.settings.work_folder.glob("*")), "nothing decrypted is left"


def test_each_version_is_found_in_the_file_that_brought_it(hub: Hub, lse_file: LseFile) -> None:
    first = lse_file("a", day_of(1, DAY), day_of(2, DAY))
    second = lse_file("b", day_of(3, DAY), day_of(2, DAY, wh=300), day_of(1, DAY))
    for file in (first, second):
        take_in(hub, file)
    start = f"00000001,{esiid(2)},4"
    assert found(hub, 2, DayVersion) == [line_that_begins(first, start), line_that_begins(second, start)]
    # the second file said of it what was known
    assert found(hub, 1, DayVersion) == [1]


def test_of_two_records_of_a_day_the_one_that_was_loaded_is_told(hub: Hub, lse_file: LseFile) -> None:
    file = lse_file("a", day_of(1, DAY, wh=7), day_of(1, DAY, wh=8))
    text = file.read_text().replace("10000000,0.007,A", "10000000,0.007,X", 1)
    file.write_text(text)
    take_in(hub, file)
    assert found(hub, 1, DayVersion) == [line_that_begins(file, "00000001,", nth=1)]


def test_lines_of_register_reads_and_bills(hub: Hub, tmp_path: Path) -> None:
    reads, bills = tmp_path / "reads.csv", tmp_path / "bills.csv"
    reads.write_text(
        "ESIID,READ_DATE,CHANNEL,USAGE_KWH,STATUS\n"
        + "".join(f"{esiid(n)},2026-11-{d},{c},{n},A\n" for n in (1, 2) for d in (10, 11) for c in (4, 1))
    )
    bills.write_text(
        "ESIID,START_DATE,END_DATE,ACTUAL_KWH,ACTION\n"
        f"{esiid(1)},2026-11-01,2026-11-15,100,ORIGINAL\n"
        f"{esiid(2)},2026-11-01,2026-11-15,100,ORIGINAL\n"
        f"{esiid(2)},2026-11-01,2026-11-15,,CANCEL\n"
        f"{esiid(2)},2026-11-01,2026-11-15,90,REBILL\n"
    )
    for file in (reads, bills):
        take_in(hub, file)
    assert found(hub, 2, ReadVersion, NEXT) == [8, 9], "consumption, generation"
    assert found(hub, 2, BillVersion) == [5], "the last row is what the load brought"


def test_the_command_says_where_each_version_is_or_why_that_is_not_known(hub: Hub, lse_file: LseFile) -> None:
    file = lse_file("a", day_of(2, DAY), day_of(1, DAY, statuses=b"A" * 95 + b"E"))
    take_in(hub, file)

    def shown() -> str:
        result = CliRunner().invoke(trace_command, [esiid(1), str(DAY), "--intervals"], obj=hub)
        assert result.exit_code == 0, result.output
        return result.output

    assert f"a.lse, line {line_that_begins(file, f'00000001,{esiid(1)}')}\n" in shown()
    assert "95 A, 1 E; 24.000 kWh" in shown()
    assert "      23:00 CST     0.250      0.250      0.250      0.250E\n" in shown()
    (kept,) = archived(hub, "loaded")
    kept.write_bytes(kept.read_bytes().replace(esiid(1).encode(), esiid(3).encode()))
    assert "line not found in the archived file" in shown()
    kept.unlink()
    assert "line not known: it is not in the archive" in shown()


def test_a_file_that_cannot_be_read_any_more_is_no_reason_to_tell_nothing(hub: Hub, lse_file: LseFile) -> None:
    take_in(hub, zipped(lse_file("a", day_of(1, DAY))))
    (kept,) = archived(hub, "loaded")
    kept.write_bytes(kept.read_bytes()[:-30])
    with pytest.raises(FileUnreadableError):
        found(hub, 1, DayVersion)
    result = CliRunner().invoke(trace_command, [esiid(1), str(DAY)], obj=hub)
    assert (result.exit_code, "line not known: " in result.output, "24.000 kWh" in result.output) == (0, True, True)
