"""A file being received: hidden until it is whole, within the inbox's quota."""

import errno
import os
from pathlib import Path
from typing import Final, NoReturn

from adapters.ftps.quota import InboxFullError, Quota, Room, alone, out_of_room
from adapters.publishing import make_durable, publish, temporary_name
from adapters.unconfirmed_uploads import mark_unconfirmed

__all__ = ["Upload"]

#: Bytes after which the room is counted again: others may be uploading as well.
_COUNT_AGAIN: Final = 16 * 1024**2


class Upload:
    """A file being received: hidden until ``publish``, gone when closed before that.

    ``announced``: how many bytes the client said that it will have; None: it did not say. Raises InboxFullError where
    the inbox has no room for it now, OSError.
    """

    def __init__(self, final: Path, largest: int, announced: int | None, *, quota: Quota) -> None:
        self.announced = announced
        self.name = str(final)
        self.published = False
        #: The FTP reply to give when a write has failed.
        self.refusal = ""
        self._final = final
        self._temporary = temporary_name(final)
        self._largest, self._left = largest, largest
        self._quota = quota
        self._uncounted = 0
        with alone(final.parent):
            room = Room.of(final.parent, quota)
            if refusal := room.refusal(announced, final.exists):
                raise InboxFullError(refusal)
            self._file = self._temporary.open("xb")
        self._room = room.size

    @property
    def closed(self) -> bool:
        """Whether no more can be written."""
        return self._file.closed

    def write(self, data: bytes) -> None:
        """Add content. Raises OSError, with ``refusal`` set: upload or inbox grows too large, or the disk fails."""
        self._left -= len(data)
        self._uncounted += len(data)
        if self._left < 0:
            self.refusal = f"552 A file may have {self._largest} bytes; upload discarded."
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        try:
            self._file.write(data)
            if self._uncounted >= min(_COUNT_AGAIN, self._room + 1):
                self._file.flush()
                self._count_again()
        except OSError as failure:
            self.refusal = self.refusal or f"451 {failure.strerror}; upload discarded."
            raise

    def _count_again(self) -> None:
        found = Room.of(self._final.parent, self._quota)
        if found.over:
            self._refuse(out_of_room(self._quota))
        self._room, self._uncounted = found.size, 0

    def _refuse(self, reply: str) -> NoReturn:
        self.refusal = reply
        self.close()  # at once: it takes no room from the others, which are counted too
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    def publish(self, *, confirmed: bool = True) -> None:
        """The upload is whole: give it its name, durably; marked unless its end is *confirmed*.

        Raises OSError, with ``refusal`` set where uploads side by side have filled the inbox meanwhile.
        """
        self._file.close()
        make_durable(self._temporary)  # before the lock: it can take a while
        with alone(self._final.parent):
            room = Room.of(self._final.parent, self._quota)
            if reply := room.refusal_at_end(replaces=self._final.exists()):
                self._refuse(reply)
            if not confirmed:
                mark_unconfirmed(self._final.parent.parent, self._temporary)
            publish(self._temporary, self._final, may_stay_hidden=True)
        self.published = True

    def close(self) -> None:
        """Let go; what has not been published is removed."""
        self._file.close()
        if not self.published:
            self._temporary.unlink(missing_ok=True)
