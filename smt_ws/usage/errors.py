"""What can make a whole file unusable. A bad record never does: it is a line of the activity report (U4)."""

from __future__ import annotations

from smt_ws.errors import HubError

__all__ = [
    "FileKindUnknownError",
    "FileLayoutError",
    "FileRefusedError",
    "FileUnreadableError",
    "LoadLostError",
    "SenderUnknownError",
    "TooManyRecordsInFileError",
    "TooManyRowsError",
]


class FileRefusedError(HubError):
    """The file was refused as a whole and nothing of it was loaded. Mend it as the message says and send it again."""

    code = "FILE_REFUSED"


class FileKindUnknownError(FileRefusedError):
    """The hub cannot tell what this file is. Send LSE files named .lse, and CSV files with a documented header."""

    code = "FILE_KIND_UNKNOWN"


class FileLayoutError(FileRefusedError):
    """The first line does not name the columns of the layout. Correct it as the message says; see the documentation."""

    code = "FILE_LAYOUT"


class FileUnreadableError(FileRefusedError):
    """The file cannot be read to its end. Send it again, whole."""

    code = "FILE_UNREADABLE"


class SenderUnknownError(FileRefusedError):
    """The hub cannot tell which TDSP this file is from. Name the TDSP's DUNS number."""

    code = "SENDER_UNKNOWN"


class TooManyRecordsInFileError(FileRefusedError):
    """The file has more than 50,000 records. Split it and send the parts."""

    code = "TOO_MANY_RECORDS"


class TooManyRowsError(FileRefusedError):
    """The CSV file has more rows than are taken at once. Split it and send the parts."""

    code = "TOO_MANY_ROWS"


class LoadLostError(HubError):
    """The load lost its lock while it ran and was given up. Nothing of it was loaded; load the file again."""

    code = "LOAD_LOST"
    callers_fault = False
