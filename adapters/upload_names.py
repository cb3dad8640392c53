"""Names under which clients upload before they rename: WinSCP, rclone, lftp and others."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final

from adapters.publishing import is_temporary

__all__ = ["NAME_RULE", "TEMPORARY_NAMES", "looks_temporary", "may_be_named"]

#: lftp's default; WinSCP; rclone; what other clients and scripts use.
TEMPORARY_NAMES: Final = (".in.*", "*.filepart", "*.partial", "*.part", "*.tmp", "*.temp", "*.uploading")
#: What `may_be_named` asks, as clients are told.
NAME_RULE: Final = "at most 255 bytes, printable, no leading dot"
#: The longest name in bytes on the usual file systems.
_LONGEST: Final = 255


def looks_temporary(name: str, patterns: Sequence[str] = TEMPORARY_NAMES) -> bool:
    """Whether a client will rename a file of this name; patterns as in a shell, upper and lower case alike."""
    lowered = name.lower()
    return not is_temporary(name) and any(fnmatchcase(lowered, pattern.lower()) for pattern in patterns)


def may_be_named(name: str, patterns: Sequence[str] = TEMPORARY_NAMES) -> bool:
    """Whether a client may give a file this name: printable, at most 255 bytes, hidden only while it is temporary."""
    if not name.isprintable() or len(name.encode(errors="surrogateescape")) > _LONGEST:
        return False
    return not name.startswith(".") or looks_temporary(name, patterns)
