"""The store against a model: whatever is loaded in whatever order, every past moment can be read again (U3)."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from small_market import add_premises, day_of, esiid, marked, write_lse

from smt_ws.clock import FixedClock
from smt_ws.parties.access import SLICE
from smt_ws.store.engine import Store
from smt_ws.usage.load import load_file
from smt_ws.usage.read import read_days

#: Around the end of a month and the autumn change of the clocks.
DAYS = [date(2026, 10, 31), date(2026, 11, 1), date(2026, 11, 2)]
Key = tuple[int, int, date]


@pytest.mark.parametrize("seed", [1, 2])
def test_every_past_snapshot_can_be_read_again(store: Store, clock: FixedClock, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    homes = add_premises(store, 3)
    model: dict[Key, list[tuple[int, bytes, bytes | None]]] = defaultdict(list)
    snapshots: dict[int, dict[Key, tuple[int, bytes, bytes | None]]] = {0: {}}
    for n in range(12):
        keys = chance.sample([(h, c, d) for h in range(3) for c in (1, 4) for d in DAYS], chance.randrange(1, 12))
        records = []
        for home, channel, day in keys:
            letters = chance.choice([None, None, marked(day, b"E", 5), marked(day, b"M", 5)])
            wh = np.full(len(marked(day, b"")), chance.randrange(1, 4))
            if letters is not None and b"M" in letters:
                wh[5] = 0
            records.append(day_of(home + 1, day, channel=channel, wh=wh, statuses=letters))
        activity = load_file(store, write_lse(tmp_path / f"{n}.lse", records), clock=clock)
        clock.advance(timedelta(hours=1))
        number = activity.load_number
        assert number is not None
        expected = {"loaded": 0, "replaced": 0, "unchanged": 0}
        for key, record in zip(keys, records, strict=True):
            version = (record.values.astype("<i4").tobytes(), record.statuses)
            outcome = "loaded" if not model[key] else "unchanged" if model[key][-1][1:] == version else "replaced"
            expected[outcome] += 1
            if outcome != "unchanged":
                model[key].append((number, *version))
        tally = activity.tally
        assert {"loaded": tally.loaded, "replaced": tally.replaced, "unchanged": tally.unchanged} == expected
        snapshots[number] = {key: versions[-1] for key, versions in model.items() if versions}

    rows = np.array([(h, homes[h], DAYS[0], DAYS[-1]) for h in range(3)], SLICE)
    names = {esiid(h + 1): h for h in range(3)}
    with store.read() as connection:
        for as_of, snapshot in snapshots.items():
            for channels in ((4,), (1,), (1, 4)):
                latest = read_days(connection, slices=rows, channels=channels, as_of=as_of)
                found = {(names[d.esiid], d.channel, d.day): (d.values, d.statuses) for d in latest}
                assert found == {key: v[1:] for key, v in snapshot.items() if key[1] in channels}
                assert latest.delivered == len({(key[0], key[2]) for key in found})
                missing = sum((b - a).days + 1 for _, _, a, b in latest.missing.tolist())
                assert latest.delivered + missing == 9, "asked = delivered + excepted"
            every = [
                (names[d.esiid], d.day, d.channel, d.values)
                for d in read_days(connection, slices=rows, channels=(1, 4), as_of=as_of, version="A")
            ]
            assert every == [
                (h, day, channel, values)
                for h in range(3)
                for day in DAYS
                for channel in (1, 4)
                for number, values, _ in model[h, channel, day]
                if number <= as_of
            ]
