"""Load one file of a TDSP: LSE, or one of the CSV files, plain, zipped, or zipped and encrypted (U1–U6).

One file is one load and one transaction: what is wrong with a record is noted in the activity, what is wrong with the
file refuses it, and a crash at any moment leaves the store as it was. The same file again changes nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from adapters.lse import LseRecord
from adapters.lse_read import read, read_batches
from smt_ws.clock import Clock, central_today
from smt_ws.settings import SettingsError, Validation
from smt_ws.store.engine import Store
from smt_ws.usage import bills, intervals, market, reads
from smt_ws.usage.activity import Activity, Finding
from smt_ws.usage.bill_end_days import end_day_of
from smt_ws.usage.errors import FileRefusedError, SenderUnknownError
from smt_ws.usage.files import PlainFile, opened, proves_its_end, sender_in_name, sha256_of
from smt_ws.usage.intervals import Progress
from smt_ws.usage.loads import AlreadyLoaded, Incoming, loading
from smt_ws.usage.rules import Severity, severities
from smt_ws.usage.sealed import Opening, plain_file

__all__ = ["load_file"]


def load_file(
    store: Store,
    path: Path,
    *,
    clock: Clock,
    actor: str = "hub:load",
    tdsp_duns: str | None = None,
    validation: Validation | None = None,
    adjusted: Mapping[str, Severity] | None = None,
    progress: Progress | None = None,
    opening: Opening | None = None,
    before_commit: Callable[[Activity], None] | None = None,
    allow_test_esiids: bool = False,
    end_doubt: str = "",
    turn: AbstractContextManager[object] | None = None,
) -> Activity:
    """Load the file at *path* and say what became of each record.

    *tdsp_duns* is the TDSP that sent it; None: as the file says itself (the name of an LSE file, the sender in its
    first record, the TDSP of the first premise of a CSV file). *validation* are the settings that the rules take
    (default: as they come), *adjusted* severities override theirs. *opening* says how encrypted files are opened (None:
    they are refused). *before_commit* hears of a load that is about to be committed, and prevents it by raising.
    *allow_test_esiids*, the setting of sandboxes, takes ESI IDs of 1 to 64 letters and digits besides real ones.
    *end_doubt* says why the end of the file may be missing; the activity repeats it unless the file proves its own end,
    as a zip, a gzip file and an encrypted file do. *turn* is held from when the file is open.

    A refused file is an outcome of the activity, not an exception; raises what is the hub's own fault: `LoadLostError`,
    `SettingsError` for a severity that cannot be set, `adapters.openpgp.UnreadableCertificateError` for the hub's own
    key, database and disk errors.
    """
    began = time.monotonic()
    # a name may have bytes that are no UTF-8, which neither store nor report could hold
    file_name = os.fsencode(path.name).decode(errors="replace")
    activity = Activity(file_name, "", "", tdsp_duns or "", "refused", None)
    try:
        activity = replace(activity, sha256=sha256_of(path))
        with plain_file(path, opening) as (plain, name), turn or nullcontext():
            if plain == path and not proves_its_end(path):
                activity = replace(activity, end_doubt=end_doubt)
            activity = _load(
                store,
                plain,
                name,
                activity,
                clock,
                actor,
                validation or Validation(),
                adjusted or {},
                progress,
                before_commit,
                allow_test_esiids,
            )
    except FileRefusedError as error:
        activity = replace(activity, code=error.code, reason=str(error))
    return replace(activity, seconds=time.monotonic() - began)


def _load(
    store: Store,
    path: Path,
    plain_name: str,
    activity: Activity,
    clock: Clock,
    actor: str,
    figures: Validation,
    adjusted: Mapping[str, Severity],
    progress: Progress | None,
    before_commit: Callable[[Activity], None] | None,
    allow_test_esiids: bool,
) -> Activity:
    with opened(path, market.kind_of, name=plain_name) as file:
        kind, name = file.kind, file.name
        sender = activity.tdsp_duns or sender_in_name(name) or _sender_in(store, file)
    if not sender:
        raise SenderUnknownError(f"{plain_name}: nothing in it says which TDSP it is from")
    activity = replace(activity, kind=kind, tdsp_duns=sender)
    severity = _severity(figures, adjusted, sender)
    incoming = Incoming(kind, sender, activity.file_name, activity.sha256)
    findings: list[Finding] = []
    done = activity
    try:
        with (
            loading(store, clock, incoming, actor=actor) as load,
            opened(path, market.kind_of, name=plain_name) as file,
        ):
            today = central_today(clock)
            taken: Any = {"sender": sender, "allow_test_esiids": allow_test_esiids, "progress": progress}
            checked: Any = taken | {"today": today, "severity": severity, "figures": figures}
            if kind == "lse":
                batches = read_batches(file.stream, at_once=intervals.AT_ONCE)
                findings = intervals.take_in(load, store, batches, **checked)
            elif kind == "register_reads":
                rows = market.rows_of(file.stream, kind)
                findings = reads.take_in(load, store, rows, **checked)
            elif kind == "monthly_bills":
                rows = market.rows_of(file.stream, kind)
                end_day = end_day_of(load.connection, sender)
                findings = bills.take_in(load, rows, today=today, end_day=end_day, **taken)
            else:
                findings = market.take_in(load, kind, file.stream, now=clock.now(), severity=severity, **taken)
            found = tuple(findings)
            done = replace(activity, outcome="loaded", load_number=load.number, tally=load.tally, findings=found)
            if before_commit is not None:
                before_commit(done)
    except AlreadyLoaded as earlier:
        return replace(activity, outcome="repeated", load_number=earlier.number)
    return done


def _severity(figures: Validation, adjusted: Mapping[str, Severity], sender: str) -> dict[str, Severity]:
    """Severities of all rules for a TDSP's file: the table's, the settings', the TDSP's own (U8), the caller's."""
    chosen = {code: Severity(name) for code, name in figures.severities.items()}
    if sender in figures.take_unprovisioned:
        chosen["METER_NOT_PROVISIONED"] = Severity.FLAG
    try:
        return severities(chosen | dict(adjusted))
    except ValueError as error:
        raise SettingsError(f"validation.severities: {error}") from error


def _sender_in(store: Store, file: PlainFile) -> str | None:
    if file.kind != "lse":
        with store.read() as connection:
            return market.sender_in(connection, file.kind, file.stream)
    first = next((record for record in read(file.stream) if isinstance(record, LseRecord)), None)
    return None if first is None else first.sender or first.mre
