"""How much an inbox may hold: files and bytes, those being received included (P4).

An upload is counted from its first byte: its hidden file is in the inbox. Whatever adds a file to the inbox, or gives
one another name, does so `alone`: a name that changes while somebody counts could be missed under both names.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from adapters.publishing import is_temporary

__all__ = ["InboxFullError", "Quota", "Room", "alone"]


class InboxFullError(Exception):
    """The inbox has no room for an upload; the text is the FTP reply."""


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold *folder* against the other sessions, those of other processes included. Raises OSError.

    The lock is beside the folder, where no account sees it, and ends with its process, however that one ends.
    """
    handle = os.open(folder.with_name(f".{folder.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@dataclass(frozen=True, slots=True)
class Quota:
    """The limits of one inbox."""

    files: int
    size: int


@dataclass(frozen=True, slots=True)
class Room:
    """What an inbox has left. Neither figure is below 0."""

    quota: Quota
    files: int
    size: int
    #: Whether it holds more bytes than it may.
    over: bool
    #: How many files are there under their own names, not counting uploads under way.
    named: int

    @classmethod
    def of(cls, folder: Path, quota: Quota) -> "Room":
        """Count what is in *folder* now. Raises OSError."""
        files = size = named = 0
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    found = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # taken in meanwhile
                files += 1
                named += not is_temporary(entry.name)
                size += found.st_size
        return cls(quota, max(0, quota.files - files), max(0, quota.size - size), size > quota.size, named)

    def refusal(self, announced: int | None, exists: Callable[[], bool]) -> str | None:
        """Why an upload of *announced* bytes (None: unknown) cannot begin, as an FTP reply; None: it can.

        *exists*: whether it replaces a file that is counted already.
        """
        if not self.files and not exists():
            return _out_of_files(self.quota)
        if not self.size or (announced is not None and announced > self.size):
            return out_of_room(self.quota)
        return None

    def refusal_at_end(self, *, replaces: bool) -> str | None:
        """Why an upload that is whole, and counted here, cannot be given its name, as an FTP reply; None: it can.

        *replaces*: whether it takes the place of a file that is counted as well.
        """
        if self.over:
            return out_of_room(self.quota)
        if not replaces and self.named >= self.quota.files:
            # the file that it was to replace has gone meanwhile, and another has its place
            return _out_of_files(self.quota)
        return None


def _out_of_files(quota: Quota) -> str:
    return f"552 The inbox holds {quota.files} files, its limit. Nothing is lost; try again later."


def out_of_room(quota: Quota) -> str:
    """The reply to an upload for which the inbox has not enough bytes left."""
    return f"552 The inbox may hold {quota.size} bytes, and this file has no room. Nothing is lost; try again later."
