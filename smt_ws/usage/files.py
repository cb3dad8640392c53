"""A TDSP's file as it came: what it is, its SHA-256, and its plain content as a stream, unpacked on the way (U2)."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast
from zipfile import is_zipfile

from adapters.file_text import LSE_START, ByteStream, as_lse, as_text, not_text
from adapters.packing import PackingError, open_member
from smt_ws.usage.errors import FileKindUnknownError, FileUnreadableError

__all__ = ["PlainFile", "opened", "proves_its_end", "sender_in_name", "sha256_of"]

_SENDER: Final = re.compile(r"([0-9]{13}|[0-9]{9})[A-Za-z]")
_BLOCK: Final = 256 * 1024
_GZIP: Final = b"\x1f\x8b\x08"
#: What a gzip file may expand to: bytes, and times its own size beyond the first MiB; as of a zip.
_LARGEST: Final = 2 * 1024**3
_RATIO: Final = 250


@dataclass(frozen=True)
class PlainFile:
    """The plain content of a file."""

    #: ``lse`` or what *kind_of_csv* said.
    kind: str
    #: The name of the plain file: inside a zip that of its member.
    name: str
    stream: io.BufferedReader


def sha256_of(path: Path) -> str:
    """SHA-256 of the file as it came, lower-case hex. Raises `FileUnreadableError`."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise FileUnreadableError(f"{path.name}: {error.strerror}") from error


def sender_in_name(name: str) -> str | None:
    """The DUNS number that an LSE file's name begins with, as in ``1039940674000IntervalData….lse``."""
    found = _SENDER.match(name)
    return found[1] if found else None


@contextmanager
def opened(path: Path, kind_of_csv: Callable[[bytes], str | None], *, name: str | None = None) -> Iterator[PlainFile]:
    """Open a plain, zipped or gzipped file; *kind_of_csv* says by its first line what a CSV file holds, None: unknown.

    *name* is the file's name where *path* has another one.

    Raises `FileUnreadableError` (also later, out of the stream: a zip may turn out damaged at its end) and
    `FileKindUnknownError`.
    """
    outer = name or path.name
    try:
        file = path.open("rb")
    except OSError as error:
        raise FileUnreadableError(f"{outer}: {error.strerror}") from error
    with file:
        name, stream = outer, file
        start = file.peek(4)
        if start.startswith(b"PK\x03\x04"):
            try:
                member = open_member(cast(BinaryIO, file))
            except PackingError as error:
                raise FileUnreadableError(f"{outer}: {error}") from error
            name, stream = member.name, _buffered(_unzipped(outer, member.chunks))
        elif start.startswith(_GZIP):
            name, stream = re.sub(r"(?i)\.gz$", "", outer), _buffered(_gunzipped(outer, file))
        if what := not_text(stream):
            raise FileKindUnknownError(f"{name}: {what}")
        stream = as_text(stream)
        kind = _kind(name, stream, kind_of_csv)
        yield PlainFile(kind, name, as_lse(stream) if kind == "lse" else stream)


def proves_its_end(path: Path) -> bool:
    """Whether a file that is cut off cannot be read: a zip or a gzip file. Raises OSError."""
    with path.open("rb") as file:
        return file.read(len(_GZIP)) == _GZIP or is_zipfile(file)


def _kind(name: str, stream: io.BufferedReader, kind_of_csv: Callable[[bytes], str | None]) -> str:
    start = stream.peek(4096).removeprefix(b"\xef\xbb\xbf")
    # the market's rule: an LSE file has .lse and not .csv in its name
    if (".lse" in name.lower() and ".csv" not in name.lower()) or LSE_START.match(start):
        return "lse"
    kind = kind_of_csv(start.split(b"\n", 1)[0].rstrip(b"\r"))
    if kind is None:
        raise FileKindUnknownError(f"{name}: neither an LSE file nor a CSV file with a header the hub knows")
    return kind


def _buffered(chunks: Iterator[bytes]) -> io.BufferedReader:
    return io.BufferedReader(ByteStream(chunks), _BLOCK)


def _unzipped(name: str, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The member's chunks; damage comes out as the hub's own error."""
    try:
        yield from chunks
    except PackingError as error:
        raise FileUnreadableError(f"{name}: {error}") from error


def _gunzipped(name: str, file: io.BufferedReader) -> Iterator[bytes]:
    """The plain content of a gzip file; damage comes out as the hub's own error."""
    allowed = min(_LARGEST, os.fstat(file.fileno()).st_size * _RATIO + 1024**2)
    size = 0
    with gzip.GzipFile(fileobj=file) as plain:
        try:
            while chunk := plain.read(_BLOCK):
                size += len(chunk)
                if size > allowed:
                    raise FileUnreadableError(f"{name}: expands to more than the {allowed} bytes accepted")
                yield chunk
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise FileUnreadableError(f"{name}: the gzip file is damaged or cut short") from error
