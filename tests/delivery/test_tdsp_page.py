"""K1: the page of rules for TDSPs says what the hub does: names, limits and settings are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

from adapters.ftps import RIGHTS
from adapters.upload_names import TEMPORARY_NAMES
from smt_ws.settings import Ftps, Intake
from smt_ws.usage.activity import END_NOT_CONFIRMED

PAGE = (Path(__file__).parents[2] / "docs" / "tdsp-uploads.md").read_text()


def test_folders_and_rights_are_those_of_the_site() -> None:
    told = dict(re.findall(r"^\| `/(\w+)` \| ([^|]+) \|", PAGE, re.MULTILINE))
    assert set(told) == set(RIGHTS["tdsp"])
    words = {"retrieve": "fetch", "delete": "delete", "store": "upload", "rename": "rename"}
    for folder, rights in RIGHTS["tdsp"].items():
        assert all(words[right] in told[folder] for right in rights), folder


def test_names_limits_and_settings_are_those_of_the_code() -> None:
    named = next(line for line in PAGE.splitlines() if line.startswith("`.in.*`"))
    assert tuple(re.findall(r"`([^`]+)`", named)) == TEMPORARY_NAMES == Ftps().temporary_names
    assert f"{Ftps().inbox_files:,} files and {Ftps().inbox_bytes / 1024**3:.0f} GiB" in PAGE
    assert Intake().temporary_rest_seconds == 3600
    assert END_NOT_CONFIRMED in PAGE
    for section, name in re.findall(r"`(ftps|intake)\.(\w+)", PAGE):
        assert name in {"ftps": Ftps, "intake": Intake}[section].model_fields
