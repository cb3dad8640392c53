"""The pause in the intake of a TDSP's files after one that took too much to open: known to every process, by a file."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

__all__ = ["begin_pause", "is_paused"]

_FILE: Final = ".intake/paused"


def begin_pause(home: Path, seconds: float) -> None:
    """Let the files of the TDSP at *home* wait for so long, in real time. Raises OSError."""
    file = home / _FILE
    file.touch()
    # the file's time says when the pause ends
    end = time.time() + seconds
    os.utime(file, (end, end))


def is_paused(home: Path) -> bool:
    """Whether the files of the TDSP at *home* wait. Raises OSError."""
    file = home / _FILE
    try:
        if file.stat().st_mtime > time.time():
            return True
        file.unlink(missing_ok=True)
    except FileNotFoundError:
        pass
    return False
