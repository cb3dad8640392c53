"""A file that the hub has taken out of a TDSP's inbox and not yet archived: what is on disk about it, step by step.

Below the TDSP's home, where its FTPS account sees nothing, each taken file has a folder of its own:

``.intake/<moment>-<hex>/``
    ``file/<its name>``     the file as it came, moved here out of the inbox in one step
    ``tries``               a line a try, and a line an error
    ``plain/``              its decrypted content, while it is loaded
    ``loaded-<number>.csv`` the report of a load about to be committed under that number

Everything that is done to it can be done again: a process may end between any two steps, and the next one goes on from
what it finds. Only the move into the archive ends it; a folder without a file is left over and removed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from adapters.publishing import make_durable, publish, temporary_name
from adapters.unconfirmed_uploads import forget_mark, is_marked
from adapters.upload_names import TEMPORARY_NAMES, looks_temporary
from smt_ws.usage.activity import Activity, report_name, write_rows

__all__ = ["Rest", "Taken", "alone", "is_work_for", "left_over", "take_next"]

_FOLDER: Final = ".intake"
_MOMENT: Final = "%Y%m%dT%H%M%SZ"


@contextmanager
def alone(home: Path) -> Iterator[bool]:
    """Give True while this process alone works on a TDSP's files, False where another one does.

    A lock on a file: it ends with the process, however that one ends.
    """
    folder = home / _FOLDER
    folder.mkdir(mode=0o750, exist_ok=True)
    with (folder / "lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def is_work_for(home: Path) -> bool:
    """Whether anything may be waiting in the inbox, or was taken and not archived."""
    taken = home / _FOLDER
    with os.scandir(home / "inbox") as entries:
        if any(entries):
            return True
    return taken.is_dir() and any(path.is_dir() for path in taken.iterdir())


def left_over(home: Path) -> Taken | None:
    """The oldest file that was taken and not archived; empty folders on the way to it are removed."""
    for folder in sorted(path for path in (home / _FOLDER).iterdir() if path.is_dir()):
        taken = Taken(folder)
        if taken.is_there:
            return taken
        taken.forget()
    return None


@dataclass(frozen=True, slots=True)
class Rest:
    """How long a file must have rested before it is taken, in seconds of real time since it was last written to."""

    #: It may still be growing.
    seconds: float
    #: Its client may still rename it.
    temporary: float
    #: Patterns of names that clients rename.
    temporary_names: Sequence[str] = TEMPORARY_NAMES

    def of(self, name: str) -> float:
        """The rest that a file of this name needs."""
        return max(self.seconds, self.temporary) if looks_temporary(name, self.temporary_names) else self.seconds


def take_next(home: Path, *, now: datetime, rest: Rest) -> Taken | None:
    """Take the oldest whole file out of the inbox that has had its *rest*; None where there is none.

    Other hidden names are uploads under way. Links and folders are left alone. *now*, business time, names it in the
    archive.
    """
    waiting = []
    with os.scandir(home / "inbox") as entries:
        for entry in entries:
            hidden = entry.name.startswith(".") and not looks_temporary(entry.name, rest.temporary_names)
            try:
                if hidden or not entry.is_file(follow_symlinks=False):
                    continue
                written = entry.stat(follow_symlinks=False).st_mtime
            except FileNotFoundError:
                continue  # its client has renamed it
            # a time in the future is somebody's wrong clock, not an upload
            if not 0 <= time.time() - written < rest.of(entry.name):
                waiting.append((written, entry.name))
    if not waiting:
        return None
    name = min(waiting)[1]
    folder = home / _FOLDER / f"{now.astimezone(UTC).strftime(_MOMENT)}-{secrets.token_hex(6)}"
    (folder / "file").mkdir(parents=True)
    try:
        (home / "inbox" / name).rename(folder / "file" / name)
    except FileNotFoundError:
        # its client has renamed it, or taken it away
        shutil.rmtree(folder)
        return None
    return Taken(folder)


@dataclass(frozen=True)
class Taken:
    """One taken file, by its folder."""

    folder: Path

    @property
    def is_there(self) -> bool:
        """Whether the file is (still) in its folder."""
        return (self.folder / "file").is_dir() and any((self.folder / "file").iterdir())

    @property
    def file(self) -> Path:
        """The file as it came."""
        return next((self.folder / "file").iterdir())

    @property
    def is_unconfirmed(self) -> bool:
        """Whether its client never confirmed its end."""
        return is_marked(self._home, self.file)

    @property
    def _home(self) -> Path:
        return self.folder.parent.parent

    def plain_folder(self) -> Path:
        """An empty folder for its decrypted content; what a killed process left in it is gone."""
        folder = self.folder / "plain"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    @property
    def tries(self) -> int:
        """How many tries to load it have begun."""
        return self._lines().count("try")

    @property
    def last_error(self) -> str:
        """What the last try that could say so ended with."""
        said = [line for line in self._lines() if line != "try"]
        return said[-1] if said else "its process ended"

    def begin_try(self) -> None:
        """Count one more try, before it."""
        self._add("try")

    def note_failure(self, error: str) -> None:
        """Keep in a line what a try ended with."""
        self._add(" ".join(error.split()))

    def forget_try(self) -> None:
        """The last try was none: the store could not be reached."""
        lines = self._lines()
        lines.reverse()
        lines.remove("try")
        (self.folder / "tries").write_text("".join(f"{line}\n" for line in reversed(lines)))

    def _add(self, line: str) -> None:
        with (self.folder / "tries").open("a") as stream:
            stream.write(f"{line}\n")

    def _lines(self) -> list[str]:
        try:
            return (self.folder / "tries").read_text().splitlines()
        except FileNotFoundError:
            return []

    def prepare(self, activity: Activity) -> None:
        """Keep the report of a load before it is committed: afterwards nobody could write it again.

        Raises OSError; the load is then not committed.
        """
        report = self._prepared(activity)
        write_rows(activity, report)
        make_durable(report)
        make_durable(self.folder)

    def _prepared(self, activity: Activity) -> Path:
        return self.folder / f"loaded-{activity.load_number}.csv"

    def finish(self, activity: Activity, *, reports: Path, archive: Path) -> None:
        """Publish the report into *reports*, and move the file with a copy of it into *archive*.

        A file found to be loaded already was loaded by an earlier try, if that one had prepared its report: then it
        is that report's turn now. Raises OSError; then everything is done again.
        """
        report, name = self._prepared(activity), report_name(activity)
        if activity.outcome == "repeated" and report.exists():
            name = name.removesuffix("-repeated.csv") + ".csv"
        elif activity.outcome != "loaded":
            report = self.folder / "report.csv"
            write_rows(activity, report)
        destination = archive / ("refused" if activity.outcome == "refused" else "loaded")
        moment = self.folder.name.partition("-")[0]
        # a file name has at most 255 bytes
        ending = os.fsencode(self.file.name)[-150:].decode(errors="ignore")
        archived = destination / f"{moment}-{activity.sha256}-{ending}"
        for folder in (reports, destination):
            folder.mkdir(parents=True, exist_ok=True)
        _publish_copy(report, reports / name)
        _publish_copy(report, archived.with_name(archived.name + ".activity.csv"))
        forget_mark(self._home, self.file)
        _move(self.file, archived)
        self.forget()

    def forget(self) -> None:
        """Forget it: its file is in the archive."""
        shutil.rmtree(self.folder)


def _publish_copy(source: Path, final: Path) -> None:
    temporary = temporary_name(final)
    try:
        shutil.copyfile(source, temporary)
        publish(temporary, final)
    finally:
        temporary.unlink(missing_ok=True)


def _move(source: Path, final: Path) -> None:
    try:
        source.rename(final)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _publish_copy(source, final)
        source.unlink()
    make_durable(final.parent)
