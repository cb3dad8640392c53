"""Marks on uploads whose end the client did not confirm, from the FTPS site to whoever loads them.

A mark is an empty file in ``.unconfirmed`` beside the inbox, named after the upload's inode and time of last writing:
it stays with the upload when that is renamed, and a later upload of the same name does not inherit it.
"""

from datetime import datetime
from pathlib import Path
from typing import Final

from adapters.publishing import make_durable

__all__ = ["forget_mark", "is_marked", "mark_unconfirmed", "sweep_marks"]

_FOLDER: Final = ".unconfirmed"


def mark_unconfirmed(home: Path, upload: Path) -> None:
    """Mark *upload*, anywhere on the file system of the company's *home*, durably. Raises OSError."""
    mark = _mark(home, upload)
    if not mark.parent.is_dir():
        mark.parent.mkdir(mode=0o750, exist_ok=True)
        make_durable(home)
    mark.touch()
    make_durable(mark.parent)


def is_marked(home: Path, upload: Path) -> bool:
    """Whether *upload* is marked. Raises OSError where there is no such file."""
    return _mark(home, upload).exists()


def forget_mark(home: Path, upload: Path) -> None:
    """Remove the mark, if there is one. Raises OSError."""
    _mark(home, upload).unlink(missing_ok=True)


def sweep_marks(home: Path, older_than: datetime) -> list[Path]:
    """Remove the marks of uploads that were replaced before anybody took them; return what was removed.

    *older_than* (aware, real time) is well before the oldest upload that may still wait.
    """
    try:
        old = [mark for mark in (home / _FOLDER).iterdir() if mark.stat().st_mtime < older_than.timestamp()]
    except FileNotFoundError:
        return []
    for mark in old:
        mark.unlink(missing_ok=True)
    return old


def _mark(home: Path, upload: Path) -> Path:
    found = upload.lstat()
    return home / _FOLDER / f"{found.st_ino}-{found.st_mtime_ns}"
