"""P4, R7: every kind of caller that may order finds, over FTPS, each folder that the hub delivers to."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.ftps import RIGHTS
from smt_ws.parties.rules import KINDS
from smt_ws.serve.ftps import account_kind, make_folders

#: Where the hub puts what companies ordered, what is posted daily, and what tells of their agreements and homes.
DELIVERED = ("adhoc", "daily", "enrollment")
#: Every requesterType of the SOAP services, with the kind of company that sends it.
REQUESTER_TYPES = sorted((sent, kind.name) for kind in KINDS.values() for sent in kind.requester_types)


@pytest.mark.parametrize("folder", DELIVERED)
@pytest.mark.parametrize(("requester_type", "kind"), REQUESTER_TYPES)
def test_whoever_may_order_fetches_and_deletes_what_is_delivered(
    tmp_path: Path, requester_type: str, kind: str, folder: str
) -> None:
    assert (make_folders(tmp_path, "111111111", kind) / folder).is_dir()
    assert RIGHTS[account_kind(kind)][folder] == {"retrieve", "delete"}, requester_type


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_only_a_tdsp_has_an_inbox_and_reports(tmp_path: Path, kind: str) -> None:
    home = make_folders(tmp_path, "111111111", kind)
    own = {"inbox", "reports"} if kind == "TDSP" else set()
    assert {path.name for path in home.iterdir()} == {*DELIVERED, *own}
