# mypy: disallow-subclassing-any=False
"""What an account sees of the disk: its own folders, plainly named files in them, nothing else (R7, P4).

There are three kinds of paths: the root, a folder of the account's kind, and a file in such a folder. Hidden names,
symbolic links, sub-folders and special files do not exist for a client.
"""

import errno
import os
import stat
from pathlib import Path
from typing import IO, Any, Final

from pyftpdlib.filesystems import AbstractedFS

from adapters.ftps.accounts import RIGHTS, Right
from adapters.publishing import publish, temporary_name

_RIGHT_OF: Final[dict[str, Right]] = {"r": "retrieve", "d": "delete", "w": "store"}  # pyftpdlib's letters


class Upload:
    """A file being received: hidden until ``publish``, gone when closed before that.

    ``announced``: how many bytes the client said that it will have; None: it did not say.
    """

    def __init__(self, final: Path, largest: int, announced: int | None) -> None:
        self.announced = announced
        self.name = str(final)
        self._final = final
        self._temporary = temporary_name(final)
        self._room = largest
        self._file = self._temporary.open("xb")
        self.published = False

    @property
    def closed(self) -> bool:
        """Whether no more can be written."""
        return self._file.closed

    def write(self, data: bytes) -> None:
        """Add content; OSError EFBIG beyond the largest upload."""
        self._room -= len(data)
        if self._room < 0:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        self._file.write(data)

    def publish(self) -> None:
        """The upload is whole: give it its name, durably. Raises OSError."""
        self._file.close()
        publish(self._temporary, self._final)
        self.published = True

    def close(self) -> None:
        """Let go; what has not been published is removed."""
        self._file.close()
        if not self.published:
            self._temporary.unlink(missing_ok=True)


class Folders(AbstractedFS):
    """pyftpdlib's view of the disk, cut down to one account. All paths here are real ones below ``root``."""

    def __init__(self, root: str, cmd_channel: Any) -> None:
        super().__init__(root, cmd_channel)
        self._rights = RIGHTS[cmd_channel.account.kind]
        self._largest_upload: int = cmd_channel.settings.largest_upload

    def make_folders(self) -> None:
        """Make the folders that are not there yet."""
        for name in self._rights:
            (Path(self.root) / name).mkdir(mode=0o750, exist_ok=True)

    def may(self, letter: str, path: str) -> bool:
        """Whether the account has one of pyftpdlib's permission letters on a path."""
        parts = self._parts(path)
        if parts is None:
            return False
        if letter in {"e", "l"}:
            return True
        return len(parts) == 2 and _RIGHT_OF.get(letter) in self._rights[parts[0]]

    def validpath(self, path: str) -> bool:
        """Whether a path is one of the three kinds and no part of it is a symbolic link."""
        parts = self._parts(path)
        if parts is None:
            return False
        here = Path(self.root)
        return not any((here := here / part).is_symlink() for part in parts)

    def _parts(self, path: str) -> tuple[str, ...] | None:
        try:
            parts = Path(os.path.normpath(path)).relative_to(self.root).parts
        except ValueError:
            return None
        if len(parts) > 2 or (parts and parts[0] not in self._rights):
            return None
        if any(part.startswith(".") or not part.isprintable() for part in parts):
            return None
        return parts

    def listdir(self, path: str) -> list[str]:
        """The names a client may see: folders at the root, regular files in a folder."""
        if not self._parts(path):
            return sorted(self._rights)
        with os.scandir(path) as entries:
            return [
                entry.name
                for entry in entries
                if entry.is_file(follow_symlinks=False) and not entry.name.startswith(".") and entry.name.isprintable()
            ]

    listdirinfo = listdir

    def open(self, filename: str, mode: str) -> IO[bytes] | Upload:
        """A regular file to read, or an upload that appears when it is whole."""
        if "r" not in mode:
            return Upload(Path(filename), self._largest_upload, self.cmd_channel.take_announced())
        # without O_NONBLOCK a named pipe put there by mistake would hold the session
        handle = os.open(filename, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        # its name, not its number, goes to the log
        return open(filename, mode, opener=lambda *_: handle)

    def chdir(self, path: str) -> None:
        """Change the session's folder; the process's own, which all sessions share, stays."""
        if not Path(path).is_dir():
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        self.cwd = self.fs2ftp(path)

    def get_user_by_uid(self, uid: int) -> str:
        """The machine's users are not shown."""
        return "hub"

    def get_group_by_gid(self, gid: int) -> str:
        """The machine's groups are not shown."""
        return "hub"
