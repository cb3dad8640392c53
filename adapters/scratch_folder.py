"""Folders for plain content that must not outlive the process at work on it.

Each is locked while it is in use. The lock ends with its process, however that one ends, so whoever comes next can tell
a folder that was left behind from one in use.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["scratch_folder", "sweep_scratch"]

_PREFIX: Final = ".scratch-"
_LOCK: Final = "lock"


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """Give a new folder below *parent*, gone at the end; those that killed processes left go first. Raises OSError."""
    parent.mkdir(parents=True, exist_ok=True)
    sweep_scratch(parent)
    while True:
        folder = parent / f"{_PREFIX}{secrets.token_hex(6)}"
        folder.mkdir(mode=0o700)
        if (lock := _locked(folder / _LOCK, wait=True)) is not None:
            break
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def sweep_scratch(parent: Path) -> list[Path]:
    """Remove the scratch folders below *parent* that no process has in use; return them. Raises OSError."""
    removed = []
    with os.scandir(parent) as entries:
        folders = [Path(entry.path) for entry in entries if entry.name.startswith(_PREFIX)]
    for folder in sorted(folders):
        if (lock := _locked(folder / _LOCK, wait=False)) is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)
            removed.append(folder)
    return removed


def _locked(path: Path, *, wait: bool) -> int | None:
    """Take the lock and return its handle; None if another process has it, or has removed the folder meanwhile."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        if os.path.samestat(os.fstat(handle), path.stat()):
            return handle
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(handle)
    return None
