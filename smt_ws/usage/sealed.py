"""Files that a TDSP encrypted to the hub with OpenPGP: told from others, and opened while they are read (U2)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from adapters.openpgp import DecryptionFailedError
from adapters.openpgp_bounded import MessageTooCostlyError, MessageTooLargeError, decrypt_bounded
from adapters.scratch_folder import scratch_folder
from smt_ws.settings import Settings
from smt_ws.usage.errors import FileNotDecryptableError, FileTooCostlyError, FileTooLargeError

__all__ = ["Opening", "is_sealed", "plain_file"]

_SUFFIXES: Final = {".asc", ".pgp", ".gpg"}
_ARMOUR: Final = b"-----BEGIN PGP MESSAGE-----"
#: How a binary message begins: a session key encrypted to a public key, in new or old form (RFC 9580, 4.2 and 5.1).
_BINARY: Final = (b"\xc1", b"\x84", b"\x85", b"\x86")


@dataclass(frozen=True)
class Opening:
    """How the hub opens what is encrypted to it."""

    #: The file of its secret key.
    secret_key: Path
    #: Where the plain content is while it is read.
    folder: Path
    #: Bytes that the plain content may have.
    largest: int

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """As the settings say."""
        return cls(settings.openpgp.secret_key, settings.work_folder, settings.openpgp.largest_plain)


def is_sealed(path: Path) -> bool:
    """Whether a file is encrypted, by its name or its first bytes. Raises OSError."""
    if path.suffix.lower() in _SUFFIXES:
        return True
    with path.open("rb") as stream:
        head = stream.read(1024)
    # editors put a byte-order mark or blank lines before the armour
    return head.startswith(_BINARY) or head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(_ARMOUR)


@contextmanager
def plain_file(path: Path, opening: Opening | None) -> Iterator[tuple[Path, str]]:
    """Give the path and the name of the plain file: *path* itself, or its decrypted content, gone at the end.

    The name of a decrypted file is that of *path* without its last suffix. Raises `FileNotDecryptableError`,
    `FileTooLargeError` and `FileTooCostlyError`; OSError, `adapters.openpgp.UnreadableCertificateError` and
    `adapters.openpgp_bounded.DecryptionTooSlowError` where the hub is at fault.
    """
    if not is_sealed(path):
        yield path, path.name
        return
    if opening is None or not opening.secret_key.exists():
        raise FileNotDecryptableError(f"{path.name}: this hub has no OpenPGP key; send the zip as it is")
    with path.open("rb") as stream:
        if stream.read(2) in (b"\xff\xfe", b"\xfe\xff"):
            raise FileNotDecryptableError(f"{path.name}: UTF-16, as PowerShell's > writes; use gpg --output FILE")
    name = path.stem if path.suffix.lower() in _SUFFIXES else path.name
    with scratch_folder(opening.folder) as folder:
        plain = folder / "plain"
        try:
            decrypt_bounded(path, plain, opening.secret_key, largest=opening.largest)
        except DecryptionFailedError as error:
            raise FileNotDecryptableError(str(error)) from error
        except MessageTooLargeError as error:
            raise FileTooLargeError(str(error)) from error
        except MessageTooCostlyError as error:
            raise FileTooCostlyError(str(error)) from error
        yield plain, name
