# mypy: disallow-subclassing-any=False
"""What an account sees of the disk: its own folders, plainly named files in them, nothing else (R7, P4).

There are three kinds of paths: the root, a folder of the account's kind, and a file in such a folder. Hidden names
(but for those of uploads that will be renamed), symbolic links, sub-folders and special files do not exist for a
client.
"""

import errno
import os
import stat
from pathlib import Path
from typing import IO, Any, Final

from pyftpdlib.filesystems import AbstractedFS

from adapters.ftps.accounts import RIGHTS, Right
from adapters.ftps.quota import Quota, alone
from adapters.ftps.upload import Upload
from adapters.publishing import make_durable
from adapters.upload_names import looks_temporary, may_be_named

#: pyftpdlib's letters.
_RIGHT_OF: Final[dict[str, Right]] = {"r": "retrieve", "d": "delete", "w": "store", "f": "rename"}


class Folders(AbstractedFS):
    """pyftpdlib's view of the disk, cut down to one account. All paths here are real ones below ``root``."""

    def __init__(self, root: str, cmd_channel: Any) -> None:
        super().__init__(root, cmd_channel)
        self._rights = RIGHTS[cmd_channel.account.kind]
        self._settings: Any = cmd_channel.settings
        self._quota = Quota(self._settings.inbox_files, self._settings.inbox_bytes)

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
        if len(parts) != 2:
            return False
        rights = self._rights[parts[0]]
        if letter == "d" and "rename" in rights:
            # what a client's broken upload has left behind, nothing that counts as sent
            return self.is_temporary_upload(path)
        return _RIGHT_OF.get(letter) in rights

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
        if len(parts) == 2 and not self._may_be_named(parts[0], parts[1]):
            return None
        return parts

    def _may_be_named(self, folder: str, name: str) -> bool:
        return may_be_named(name, self._settings.temporary_names if "rename" in self._rights[folder] else ())

    def is_temporary_upload(self, path: str) -> bool:
        """Whether a file is one that its client will rename, going by its folder and name."""
        return "rename" in self._rights.get(Path(path).parent.name, ()) and looks_temporary(
            Path(path).name, self._settings.temporary_names
        )

    def listdir(self, path: str) -> list[str]:
        """The names a client may see: folders at the root, regular files in a folder."""
        parts = self._parts(path)
        if not parts:
            return sorted(self._rights)
        with os.scandir(path) as entries:
            return [
                entry.name
                for entry in entries
                if entry.is_file(follow_symlinks=False) and self._may_be_named(parts[0], entry.name)
            ]

    listdirinfo = listdir

    def open(self, filename: str, mode: str) -> IO[bytes] | Upload:
        """A regular file to read, or an upload that appears when it is whole."""
        if "r" not in mode:
            return Upload(
                Path(filename),
                self._settings.largest_upload,
                self.cmd_channel.take_announced(),
                quota=self._quota,
            )
        # without O_NONBLOCK a named pipe put there by mistake would hold the session
        handle = os.open(filename, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        # its name, not its number, goes to the log
        return open(filename, mode, opener=lambda *_: handle)

    def rename(self, src: str, dst: str) -> None:
        """Rename a file within its folder, durably. Raises OSError."""
        with alone(Path(dst).parent):
            Path(src).rename(dst)
            make_durable(Path(dst).parent)

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
