"""How much an inbox may hold: files and bytes, those being received included."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Quota", "Room"]


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

    @classmethod
    def of(cls, folder: Path, quota: Quota) -> "Room":
        """Count what is in *folder* now. Raises OSError."""
        files = size = 0
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    found = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # taken in meanwhile
                files += 1
                size += found.st_size
        return cls(quota, max(0, quota.files - files), max(0, quota.size - size), size > quota.size)

    def refusal(self, announced: int | None, exists: Callable[[], bool]) -> str | None:
        """Why an upload of *announced* bytes (None: unknown) cannot begin, as an FTP reply; None: it can.

        *exists*: whether it replaces a file that is counted already.
        """
        if not self.files and not exists():
            return f"552 The inbox holds {self.quota.files} files, its limit. Nothing is lost; try again later."
        if not self.size or (announced is not None and announced > self.size):
            return out_of_room(self.quota)
        return None


def out_of_room(quota: Quota) -> str:
    """The reply to an upload for which the inbox has not enough bytes left."""
    return f"552 The inbox may hold {quota.size} bytes, and this file has no room. Nothing is lost; try again later."
