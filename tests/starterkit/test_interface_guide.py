"""K1: the interface guide's tables are those that the code prints, and they leave nothing out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner
from guided_hub import GuidedHub

from adapters import market_csv, usage_csv
from adapters.csv_layout import Layout
from smt_ws.cli.guide import guide
from smt_ws.guide import codes, contract
from smt_ws.guide.markdown import UnknownTableError, filled
from smt_ws.guide.tables import TABLES
from smt_ws.orders.remarks import HEADER
from smt_ws.orders.rules import PartState, Status
from smt_ws.sandbox.requester import Requester
from smt_ws.soap.app import SERVICES

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "guide" / "interface.md"


def test_the_page_holds_what_the_code_prints() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == filled(text, TABLES), "run: smt-ws guide --page docs/guide/interface.md"


def test_the_page_has_a_place_for_every_table() -> None:
    assert sorted(re.findall(r"<!-- printed: ([a-z-]+) -->", PAGE.read_text(encoding="utf-8"))) == sorted(TABLES)


def test_a_page_that_is_out_of_date_is_told_and_mended(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- printed: reports -->\nold\n<!-- end -->\nafter\n")
    told = CliRunner().invoke(guide, ["--page", str(page), "--check"])
    assert (told.exit_code, "out of date" in told.output) == (1, True)
    assert CliRunner().invoke(guide, ["--page", str(page)]).exit_code == 0
    assert TABLES["reports"]() in page.read_text()
    assert "old" not in page.read_text()
    assert CliRunner().invoke(guide, ["--page", str(page), "--check"]).exit_code == 0


def test_one_table_can_be_printed_alone() -> None:
    told = CliRunner().invoke(guide, ["order-states"])
    assert told.output == f"## order-states\n\n{TABLES['order-states']()}\n\n"
    assert CliRunner().invoke(guide, ["no-such-table"]).exit_code == 2


def test_a_misspelt_mark_is_an_error() -> None:
    with pytest.raises(UnknownTableError, match="reprots"):
        filled("<!-- printed: reprots -->\n<!-- end -->\n", TABLES)


def test_every_operation_and_every_element_of_the_contract_is_told() -> None:
    told = contract.fields()
    for service in SERVICES:
        for name in re.findall(r'<xs:element name="(\w+)"', (ROOT / "xsd" / f"{service}.xsd").read_text()):
            assert f"`{name}`" in told or f"/{name}`" in told or f"`{name}`" in contract.operations(), name


def test_every_status_and_state_is_told() -> None:
    assert all(f"`{status.name}`" in codes.order_states() for status in Status)
    assert all(f"`{state.name}`" in codes.part_states() for state in PartState)


@pytest.mark.parametrize("layout", [*market_csv.LAYOUTS, *usage_csv.LAYOUTS], ids=lambda layout: layout.name)
def test_the_market_layouts_told_are_those_that_are_read(layout: Layout[object]) -> None:
    rows = re.findall(r"^\| `(\w+)`\s*\| (yes|no)\s*\|", TABLES["market"](), re.MULTILINE)
    wanted = [(column.name, "yes" if column.needed else "no") for column in layout.columns]
    starts = [i for i in range(len(rows)) if rows[i : i + len(wanted)] == wanted]
    assert len(starts) == 1


def test_all_codes_are_upper_case_and_each_has_a_sentence() -> None:
    for name in (name for name in TABLES if name.startswith("codes-")):
        for code, text in re.findall(r"^\| `([^`]+)` \| (.*) \|$", TABLES[name](), re.MULTILINE):
            assert re.fullmatch(r"[A-Z0-9]+(_[A-Z0-9]+)*", code), code
            assert text.endswith("."), (code, text)
            assert len(text) > 15, (code, text)


@pytest.mark.timeout(300)
def test_exceptions_remarks_and_manifest_are_laid_out_as_the_page_says(guided_hub: GuidedHub, tmp_path: Path) -> None:
    """Neither is rendered apart from an order, so the page is compared with files that were delivered."""
    requester = Requester(guided_hub.sandbox, guided_hub.sandbox.player("111111111"), guided_hub.settings)
    answer = requester.order(
        [*guided_hub.market.esiids[:3], "10443729999999999"], "11/01/2026", "11/07/2026", str(uuid4())
    )
    status = requester.wait(answer.correlationId, lambda _: None)
    fetched = requester.fetch([file.name for file in status.file if file.state == "PUBLISHED"], tmp_path)
    plain = {path.name[:8]: requester.open(path, tmp_path) for path in fetched}
    page = PAGE.read_text(encoding="utf-8")
    header, row, *_ = plain["Exceptio"].read_text().splitlines()
    assert f"```\n{header}\n```" in page
    assert f"`{row.split(',')[3]}`" in TABLES["codes-exceptions"]()
    manifest = json.loads(plain["Manifest"].read_text())
    told = set(re.findall(r"`(\w+)`", page[page.index("### Manifest") : page.index("## 6.")]))
    keys = {*manifest, *manifest["esiidDays"], *manifest["exceptions"][0], *manifest["files"][0], "remark"}
    assert all(set(one) == {"code", "esiidDays", "remark"} for one in manifest["remarks"])
    assert f"```\n{','.join(HEADER)}\n```" in page
    assert told == keys
