"""Zip and OpenPGP as the hub does them, against the bare libraries on the same bytes in the same run.

    python benchmarks/packing.py [--full]     # 100 MB (10 %), or 1 GB

The plain bytes look like the interval CSV. The bare run is ISA-L's raw deflate at level 1 over chunks in memory,
written to a file, and pysequoia on that file. Ours is ``ZipWriter`` and ``encrypt_file``: at most 1.3 times.
The SHA-256 of the plain content that ``pack`` takes for the manifest is shown by itself: on a processor without
SHA instructions it costs about as much as zip and OpenPGP. Runs are interleaved; figures are medians of three.
"""

import argparse
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pysequoia
from isal import isal_zlib

from adapters.openpgp import encrypt_file, make_key
from adapters.packing import ZipWriter, pack

FULL = 1_000_000_000
LIMIT = 1.3
MOMENT = datetime(2026, 11, 22, 4, 15, tzinfo=UTC)


def csv_chunks(size: int) -> list[bytes]:
    """About ``size`` bytes of interval CSV, standard profile, in chunks of one ESI ID's month."""
    draw = random.Random(7)
    chunks = []
    total = number = 0
    while total < size:
        number += 1
        esiid = f"1044372{number:010}"
        lines = []
        for interval in range(96 * 31):
            day, quarter = divmod(interval, 96)
            start, end = (f"{at // 4 % 24:02}:{at % 4 * 15:02}" for at in (quarter, quarter + 1))
            lines.append(
                f"{esiid},10/{day + 1:02}/2026,10/{day + 1:02}/2026 23:10:04,{start},{end},"
                f"{draw.gammavariate(1.6, 0.22):.3f},A,Consumption,2026-10-{day + 1:02}T{start}:00Z\r\n"
            )
        chunks.append("".join(lines).encode())
        total += len(chunks[-1])
        # a few hundred different months are enough: deflate looks back 32 KiB only
        if number == 200:
            month = list(chunks)
            while total < size:
                chunks += month
                total += sum(map(len, month))
    return chunks


def main() -> int:
    """Measure, print, and say whether the limit holds."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--full", action="store_true", help="1 GB instead of 100 MB")
    options.add_argument("--folder", type=Path, help="where to write; default: the system's temporary folder")
    chosen = options.parse_args()
    size = FULL if chosen.full else FULL // 10
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        if shutil.disk_usage(folder).free < size:
            print(f"not enough disk in {folder}: {size / 1e6:.0f} MB wanted")
            return 2
        return measure(csv_chunks(size), Path(folder))


def measure(chunks: list[bytes], folder: Path) -> int:
    """Run the contestants in turn."""
    plain = sum(map(len, chunks))
    _, certificate = make_key("benchmark")
    recipient = pysequoia.Cert.from_bytes(certificate.encode())
    packed, sealed = folder / "packed", folder / "sealed.asc"

    def bare() -> None:
        deflate = isal_zlib.compressobj(1, isal_zlib.DEFLATED, -15)
        with packed.open("wb") as out:
            for chunk in chunks:
                out.write(deflate.compress(chunk))
            out.write(deflate.flush())
        pysequoia.encrypt_file(input=packed, output=sealed, recipients=[recipient])

    def ours() -> None:
        with packed.open("wb") as out, ZipWriter(out, "IntervalMeterUsage.CSV", MOMENT) as zip_writer:
            for chunk in chunks:
                zip_writer.write(chunk)
        encrypt_file(packed, sealed, certificate, now=datetime.now(UTC))

    def with_digest() -> None:
        with packed.open("wb") as out:
            pack(chunks, "IntervalMeterUsage.CSV", MOMENT, out)
        encrypt_file(packed, sealed, certificate, now=datetime.now(UTC))

    contestants: dict[str, Callable[[], None]] = {
        "bare isal level 1 + pysequoia": bare,
        "ours: zip + OpenPGP": ours,
        "ours with SHA-256 of the plain content": with_digest,
    }
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(3):
        for name, run in contestants.items():
            for left_over in (packed, sealed):
                left_over.unlink(missing_ok=True)
            begun = time.perf_counter()
            run()
            taken[name].append(time.perf_counter() - begun)
    print(f"{plain / 1e6:.0f} MB of interval CSV; {packed.stat().st_size / plain:.3f} of it packed")
    medians = {name: statistics.median(times) for name, times in taken.items()}
    base = medians["bare isal level 1 + pysequoia"]
    for name, median in medians.items():
        print(f"{name:42} {median:7.3f} s  {plain / 1e6 / median:6.0f} MB/s  {median / base:5.2f} x")
    ratio = medians["ours: zip + OpenPGP"] / base
    print(f"ratio {ratio:.2f}, at most {LIMIT}: {'holds' if ratio <= LIMIT else 'MISSED'}")
    return 0 if ratio <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
