"""The floor under an interval order: packed days out of PostgreSQL, formatted as CSV bytes on both cores, kept nowhere.

Imports nothing of the hub: plain psycopg and a tight loop, what an experienced programmer would write in an afternoon.
No zip, no encryption, no exceptions, no files. Prints one line of JSON: seconds, rows and bytes.

    python benchmarks/floor.py --url postgresql://127.0.0.1/test --schema NAME [--workers 2]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import struct
import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import psycopg

CENTRAL = ZoneInfo("America/Chicago")
DAYS_AT_ONCE = 2_000


def times_of(day):
    """The columns of one operating day that do not depend on who used what: 92, 96 or 100 pairs of clock times."""
    begin = datetime(day.year, day.month, day.day, tzinfo=CENTRAL).astimezone(UTC)
    next_day = day + timedelta(days=1)
    end = datetime(next_day.year, next_day.month, next_day.day, tzinfo=CENTRAL).astimezone(UTC)
    found = []
    while begin < end:
        after = begin + timedelta(minutes=15)
        local = [moment.astimezone(CENTRAL).strftime("%H:%M") for moment in (begin, after)]
        found.append((f",{local[0]},{local[1]},".encode(), begin.strftime(",%Y-%m-%dT%H:%MZ\n").encode()))
        begin = after
    return found


def work(url, schema, first, last, answers):
    """Format the days of the premises from *first* to *last*."""
    kwh = [b"%d.%03d,A,Consumption" % divmod(wh, 1000) for wh in range(20_000)]
    heads, rows, size = {}, 0, 0
    with psycopg.connect(url, options=f"-csearch_path={schema}") as connection:
        (revised,) = connection.execute("SELECT finished_at FROM load WHERE number = 1").fetchone()
        revised = revised.astimezone(CENTRAL).strftime("%m/%d/%Y %H:%M:%S").encode()
        with connection.cursor(name="days", binary=True) as days:
            days.itersize = DAYS_AT_ONCE
            days.execute(
                "SELECT p.esiid, d.operating_day, d.wh, d.statuses FROM interval_day d JOIN premise p"
                " ON p.id = d.premise_id WHERE d.premise_id BETWEEN %s AND %s",
                (first, last),
            )
            for esiid, day, packed, statuses in days:
                if day not in heads:
                    heads[day] = times_of(day), day.strftime("%m/%d/%Y").encode()
                times, date = heads[day]
                head = b"%s,%s,%s" % (esiid.encode(), date, revised)
                values = struct.unpack(f"<{len(packed) // 4}i", packed)
                if statuses is None:
                    pieces = [b"%s%s%s%s" % (head, at[0], kwh[wh], at[1]) for at, wh in zip(times, values, strict=True)]
                else:
                    pieces = [
                        b"%s%s%d.%03d,%c,Consumption%s" % (head, at[0], wh // 1000, wh % 1000, status, at[1])
                        for at, wh, status in zip(times, values, statuses, strict=True)
                    ]
                rows += len(pieces)
                size += len(b"".join(pieces))
    answers.put((rows, size))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--url", default="postgresql://127.0.0.1/test")
    arguments.add_argument("--schema", required=True)
    arguments.add_argument("--workers", type=int, default=2)
    chosen = arguments.parse_args()
    with psycopg.connect(chosen.url, options=f"-csearch_path={chosen.schema}") as connection:
        (most,) = connection.execute("SELECT max(id) FROM premise").fetchone()
    began, answers, share = time.perf_counter(), multiprocessing.Queue(), -(-most // chosen.workers)
    for first in range(1, most + 1, share):
        given = (chosen.url, chosen.schema, first, first + share - 1, answers)
        multiprocessing.Process(target=work, args=given).start()
    rows, size = (sum(counts) for counts in zip(*(answers.get() for _ in range(chosen.workers)), strict=True))
    print(json.dumps({"seconds": time.perf_counter() - began, "rows": rows, "bytes": size}))


if __name__ == "__main__":
    main()
