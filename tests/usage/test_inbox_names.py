"""U2, U4: what looks temporary waits for its name; a plain file that may be cut off says so (both stores)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from inbox_market import days_in, drop, home, hub_over, nothing_is_left, reports, sealed, take_all, zipped
from small_market import ONCOR, OTHER, add_premises, day_of

from adapters.unconfirmed_uploads import is_marked, mark_unconfirmed, sweep_marks
from smt_ws.clock import FixedClock, real_now
from smt_ws.hub import Hub
from smt_ws.parties import companies
from smt_ws.store.engine import Store
from smt_ws.usage.inbox import Inboxes

DAY = date(2026, 11, 10)
LseFile = Callable[..., Path]
TEMPORARY = ("a.lse.filepart", "a.lse.1a2b3c4d.partial", ".in.a.lse", "a.lse.TMP")


@pytest.fixture
def hub(store: Store, clock: FixedClock, tmp_path: Path) -> Hub:
    add_premises(store, 6)
    return hub_over(store, tmp_path, clock)


def first_row(hub: Hub) -> dict[str, str]:
    (rows,) = reports(hub).values()
    return rows[0]


@pytest.mark.parametrize("name", TEMPORARY)
def test_a_temporary_name_is_not_taken_until_it_is_renamed(hub: Hub, lse_file: LseFile, name: str) -> None:
    waiting = drop(hub, lse_file("a", day_of(1, DAY)), name=name)
    drop(hub, lse_file("b", day_of(2, DAY)), name="b.lse")
    take_all(hub)
    assert days_in(hub.store) == 1
    assert waiting.exists()
    waiting.rename(waiting.with_name("a.lse"))
    take_all(hub)
    assert days_in(hub.store) == 2
    assert {name.split("-")[1]: rows[0]["RULE"] for name, rows in reports(hub).items()} == {"a.lse": "", "b.lse": ""}
    assert nothing_is_left(hub)


@pytest.mark.parametrize("name", TEMPORARY)
def test_a_temporary_name_that_has_rested_is_taken_and_its_report_doubts_its_end(
    hub: Hub, lse_file: LseFile, name: str
) -> None:
    waiting = drop(hub, lse_file("a", day_of(1, DAY)), name=name)
    rest = hub.settings.intake.temporary_rest_seconds
    os.utime(waiting, (time.time() - rest + 60,) * 2)
    take_all(hub)
    assert waiting.exists()
    os.utime(waiting, (time.time() - rest - 1,) * 2)
    take_all(hub)
    assert (first_row(hub)["OUTCOME"], first_row(hub)["RULE"]) == ("LOADED", "END_NOT_CONFIRMED")
    assert "its name is temporary" in first_row(hub)["REASON"]
    assert nothing_is_left(hub)


def test_which_names_are_temporary_and_how_long_they_rest_are_settings(
    store: Store, clock: FixedClock, lse_file: LseFile, tmp_path: Path
) -> None:
    add_premises(store, 6)
    hub = hub_over(store, tmp_path, clock, temporary_rest_seconds=0)
    drop(hub, lse_file("a", day_of(1, DAY)), name="a.filepart")
    take_all(hub)
    assert days_in(store) == 1
    own = hub.settings.ftps.model_copy(update={"temporary_names": ("*.xfer",)})
    rests = hub.settings.intake.model_copy(update={"temporary_rest_seconds": 60})
    other = Hub(hub.settings.model_copy(update={"ftps": own, "intake": rests}), store, clock)
    drop(other, lse_file("b", day_of(2, DAY)), name="b.filepart")
    kept = drop(other, lse_file("c", day_of(3, DAY)), name="c.xfer")
    take_all(other)
    assert days_in(store) == 2
    assert kept.exists()


@pytest.mark.parametrize("form", ["plain", "zip", "plain in OpenPGP"])
@pytest.mark.parametrize("renamed", [False, True])
def test_an_upload_whose_end_was_not_confirmed_says_so_unless_it_proves_its_end_itself(
    hub: Hub, lse_file: LseFile, form: str, renamed: bool
) -> None:
    file = lse_file("a", day_of(1, DAY))
    file = zipped(file) if form == "zip" else sealed(file) if "OpenPGP" in form else file
    upload = drop(hub, file, name="a.tmp" if renamed else None)
    mark_unconfirmed(home(hub), upload)
    if renamed:
        upload.rename(upload.with_name(file.name))
    take_all(hub)
    row = first_row(hub)
    assert (row["OUTCOME"], row["RULE"]) == ("LOADED", "END_NOT_CONFIRMED" if form == "plain" else "")
    assert ("neither TLS's closing alert" in row["REASON"]) == (form == "plain")
    assert list((home(hub) / ".unconfirmed").iterdir()) == []
    assert nothing_is_left(hub)


def test_a_later_upload_of_the_same_name_does_not_inherit_the_mark(hub: Hub, lse_file: LseFile) -> None:
    mark_unconfirmed(home(hub), drop(hub, lse_file("cut", day_of(1, DAY)), name="a.lse"))
    whole = drop(hub, lse_file("whole", day_of(1, DAY), day_of(2, DAY)), name="a.lse")
    assert not is_marked(home(hub), whole)
    take_all(hub)
    assert first_row(hub)["RULE"] == ""
    (mark,) = (home(hub) / ".unconfirmed").iterdir()
    os.utime(mark, (0, 0))
    assert sweep_marks(home(hub), real_now()) == [mark]
    assert sweep_marks(hub.settings.ftps.root / "nowhere", real_now()) == []


def test_files_of_a_suspended_tdsp_wait_until_it_is_resumed_p10(hub: Hub, lse_file: LseFile, clock: FixedClock) -> None:
    file = drop(hub, lse_file("a", day_of(1, DAY)))
    other = drop(hub, lse_file("b", day_of(2, DAY)), duns=OTHER)
    by = {"actor": "operator:test", "clock": clock}
    companies.suspend(hub.store, duns=ONCOR, **by)
    inboxes = Inboxes(hub)
    while inboxes.take_in_once():
        pass
    assert file.exists()
    assert not other.exists()
    companies.resume(hub.store, duns=ONCOR, **by)
    while inboxes.take_in_once():
        pass
    assert days_in(hub.store) == 1
    assert first_row(hub)["OUTCOME"] == "LOADED"
