"""A TDSP's file as it came: what it is, its SHA-256, and its plain content as a stream, unzipped on the way (U2)."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

from adapters.packing import Member, PackingError, open_member
from smt_ws.usage.errors import FileKindUnknownError, FileUnreadableError

__all__ = ["PlainFile", "opened", "sender_in_name", "sha256_of"]

_SENDER: Final = re.compile(r"([0-9]{13}|[0-9]{9})[A-Za-z]")
_BLOCK: Final = 256 * 1024


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
    """Open a plain or zipped file; *kind_of_csv* says by its first line what a CSV file holds, None: unknown.

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
        if file.peek(4)[:4] == b"PK\x03\x04":
            try:
                member = open_member(cast(BinaryIO, file))
            except PackingError as error:
                raise FileUnreadableError(f"{outer}: {error}") from error
            name, stream = member.name, io.BufferedReader(_Unzipped(outer, member), _BLOCK)
        yield PlainFile(_kind(name, stream, kind_of_csv), name, stream)


def _kind(name: str, stream: io.BufferedReader, kind_of_csv: Callable[[bytes], str | None]) -> str:
    start = stream.peek(4096).removeprefix(b"\xef\xbb\xbf")
    # the market's rule: an LSE file has .lse and not .csv in its name
    if (".lse" in name.lower() and ".csv" not in name.lower()) or start.lstrip().startswith(b"00000001,"):
        return "lse"
    kind = kind_of_csv(start.split(b"\n", 1)[0].rstrip(b"\r"))
    if kind is None:
        raise FileKindUnknownError(f"{name}: neither an LSE file nor a CSV file with a header the hub knows")
    return kind


class _Unzipped(io.RawIOBase):
    """The member's chunks as a stream; damage comes out as the hub's own error."""

    def __init__(self, name: str, member: Member) -> None:
        self._name = name
        self._chunks = member.chunks
        self._waiting = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        room = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        try:
            while not self._waiting:
                self._waiting = memoryview(next(self._chunks))
        except StopIteration:
            return 0
        except PackingError as error:
            raise FileUnreadableError(f"{self._name}: {error}") from error
        size = min(len(room), len(self._waiting))
        room[:size] = self._waiting[:size]
        self._waiting = self._waiting[size:]
        return size
