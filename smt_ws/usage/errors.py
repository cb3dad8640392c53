"""What can make a whole file unusable. A bad record never does: it is a line of the activity report (U4)."""

from __future__ import annotations

from smt_ws.errors import HubError

__all__ = [
    "FileKindUnknownError",
    "FileLayoutError",
    "FileNotDecryptableError",
    "FileRefusedError",
    "FileTooCostlyError",
    "FileTooLargeError",
    "FileUnreadableError",
    "HubCouldNotLoadError",
    "LoadLostError",
    "SenderUnknownError",
    "TooManyRecordsInFileError",
    "TooManyRowsError",
]


class FileRefusedError(HubError):
    """The file was refused as a whole and nothing of it was loaded. Correct it as the message says and resend it."""

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


class FileNotDecryptableError(FileRefusedError):
    """The file cannot be decrypted. Encrypt it to the hub's OpenPGP key, whole, and send it again."""

    code = "FILE_NOT_DECRYPTABLE"


class FileTooCostlyError(FileRefusedError):
    """Decrypting the file takes more processor time or memory than its size allows. Encrypt the zip directly."""

    code = "FILE_TOO_COSTLY"


class FileTooLargeError(FileRefusedError):
    """The file is larger, decrypted, than the hub takes. Split it and send the parts."""

    code = "FILE_TOO_LARGE"


class HubCouldNotLoadError(FileRefusedError):
    """The hub tried several times and could not load the file; the fault is its own. Send it again, or ask support."""

    code = "HUB_COULD_NOT_LOAD"
    callers_fault = False


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
