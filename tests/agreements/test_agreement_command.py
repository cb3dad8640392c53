"""``smt-ws agreement``: export into the folder, a list from a file, what is disowned (A18, A23)."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

from agreement_market import LANTERN, Town, esiid
from click.testing import CliRunner, Result
from sqlalchemy import update

from adapters import openpgp
from smt_ws.agreements.export import COLUMNS
from smt_ws.agreements.rules import Purpose
from smt_ws.cli.agreement import agreement_command
from smt_ws.parties.tables import company


def test_the_list_tells_the_end_of_an_agreement_from_that_of_its_invitation(town: Town, monkeypatch):
    """An agreement without an end of its own has none, whatever its invitation had."""
    monkeypatch.setenv("COLUMNS", "140")
    number, tokens = town.invited(0)
    waits, _tokens = town.invited(1)
    town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT])
    lines = {
        cells[0].strip(): cells for line in run(town, "list").output.splitlines() if (cells := line[1:].split("│"))
    }
    assert [cell.strip() for cell in lines[number][1:4]] == ["", "", "Active"]
    assert [cell.strip() for cell in lines[waits][1:4]] == ["2026-12-20", "", "Pending"]


def run(town: Town, *arguments: str) -> Result:
    return CliRunner().invoke(agreement_command, arguments, obj=town.hub, catch_exceptions=False)


def test_the_operator_exports_a_list_from_a_file_and_looks_into_what_is_disowned(town: Town, tmp_path: Path):
    secret, public = openpgp.make_key("Lantern <desk@lantern.example>")
    with town.store.write() as connection:
        connection.execute(
            update(company).where(company.c.legal_name == "Lantern Savings").values(openpgp_certificate=public)
        )
    first, second = (one.number for one in town.invite(0, 1, address="198.51.100.7"))
    town.invite(2)
    town.post()
    listed = tmp_path / "esiids.txt"
    listed.write_text(f"{esiid(0)}, {esiid(1)}\n{esiid(5)}\n")
    told = run(town, "export", LANTERN, "--by", "esiid", "--items-from", str(listed))
    assert told.output.startswith("2 agreements in ")
    (delivered,) = (town.hub.settings.ftps.root / LANTERN / "adhoc").glob("Agreements*.asc")
    assert delivered.name in told.output
    plain = tmp_path / "plain.zip"
    openpgp.decrypt_file(delivered, plain, secret)
    with zipfile.ZipFile(plain) as archive:
        rows = list(csv.DictReader(archive.read(archive.namelist()[0]).decode().splitlines()))
    assert tuple(rows[0]) == COLUMNS
    assert [(row["AGREEMENT_NUMBER"], row["ESIID"], row["STATUS"]) for row in rows] == [
        (first, esiid(0), "Pending"),
        (second, esiid(1), "Pending"),
    ]
    assert rows[0]["EXPIRES_ON"] == "12/20/2026"

    # three customers disown what was accepted from the asker's own address; the operator releases one, ends another
    for home in range(3, 6):
        number, tokens = town.invited(home, address="198.51.100.7")
        town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT], address="198.51.100.7")
        town.answer(Purpose.DISOWN, tokens[Purpose.DISOWN])
    suspicious = run(town, "suspicious").output
    assert "Lantern" in suspicious
    assert "look into" in suspicious
    assert "3 │ 3" in " ".join(suspicious.split())
    shown = run(town, "show", number).output
    assert "Frozen" in shown
    assert esiid(5) not in shown
    assert "in force again" in run(town, "release", number).output
    assert town.open_grants(number)
    assert "is ended" in run(town, "end", number).output
    assert town.open_grants(number) == set()
    assert number in run(town, "list", "--status", "Terminated").output
