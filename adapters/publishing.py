"""A file is seen whole or not at all (requirement R7; reliability item R10).

A file is written under a hidden name in the folder where it will be seen, made durable, and only then given its
name; the folder itself is made durable last, so that a published file survives the loss of power. Hidden names begin
with ``.`` and end with ``.part``: the FTPS site neither lists nor serves them, and ``sweep`` removes those that a
killed process left behind.
"""

import os
import secrets
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Final

_SUFFIX: Final = ".part"


class PublishingError(Exception):
    """A file could not be given its final name."""

    code: ClassVar[str] = "PUBLISHING_ERROR"


class NotATemporaryNameError(PublishingError):
    """The temporary and the final name must differ only as `.NAME….part` and `NAME`, in one folder.

    Only a rename inside one folder is atomic; make temporary names with ``temporary_name``.
    """

    code = "PUBLISHING_NAMES"


def temporary_name(final: Path) -> Path:
    """A hidden name beside ``final``, different at each call: two workers that both believe in a part never share."""
    return final.with_name(f"{_begins(final)}{secrets.token_hex(6)}{_SUFFIX}")


def _begins(final: Path) -> str:
    # 255 bytes is the longest name on the usual file systems
    stem = final.name.encode()[: 255 - 1 - 13 - len(_SUFFIX)].decode(errors="ignore")
    return f".{stem}."


def is_temporary(name: str) -> bool:
    """Whether a file name is one that ``temporary_name`` makes."""
    return name.startswith(".") and name.endswith(_SUFFIX)


def publish(temporary: Path, final: Path, *, may_stay_hidden: bool = False) -> None:
    """Give a finished file its name, durably; an earlier file of that name is replaced in the same instant.

    *may_stay_hidden*: the final name may begin with a dot, as that of an upload that its client will rename.

    When this returns, file and name survive a power cut. When it raises, either nothing is to be seen under ``final``
    (and ``temporary`` may be left for ``sweep``), or all of it is and only the folder's durability is unsure: publish
    the same part again. Raises NotATemporaryNameError, OSError.
    """
    if temporary.parent != final.parent or not is_temporary(temporary.name) or is_temporary(final.name):
        raise NotATemporaryNameError(f"cannot publish {temporary.name!r} as {final.name!r}")
    if final.name.startswith(".") and not may_stay_hidden:
        raise NotATemporaryNameError(f"cannot publish {temporary.name!r} as {final.name!r}")
    make_durable(temporary)
    temporary.replace(final)
    make_durable(final.parent)


def discard_temporaries(final: Path) -> None:
    """Remove what others have begun under temporary names of *final*, so that none of them can be published any more.

    For whoever takes a part over: a process that comes back in the instant before its `publish` finds nothing to give
    the name to. A folder that is not there holds none. Raises OSError.
    """
    begins = _begins(final)
    try:
        with os.scandir(final.parent) as entries:
            names = [entry.name for entry in entries if entry.name.startswith(begins) and is_temporary(entry.name)]
    except FileNotFoundError:
        return
    for name in names:
        final.with_name(name).unlink(missing_ok=True)


def make_durable(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on stable storage. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(folder: Path, older_than: datetime) -> list[Path]:
    """Remove temporary files last written before ``older_than`` (aware, real time); return what was removed.

    Choose a moment well before the longest time a worker holds a part without writing. Other files, sub-folders and
    links are left alone; a file that vanishes meanwhile is no error. Raises OSError for an unreadable folder.
    """
    limit = older_than.timestamp()
    removed = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if not is_temporary(entry.name):
                continue
            try:
                if entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_mtime < limit:
                    Path(entry.path).unlink()
                    removed.append(Path(entry.path))
            except FileNotFoundError:
                continue
    return sorted(removed)
