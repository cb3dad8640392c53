"""Decrypting what others send within bounds of size, memory and time: a message may expand without end.

The work is done in a process of its own (`openpgp_child`), which the kernel holds to the bounds: the OpenPGP library
has none, keeps the interpreter lock, and would take the process that reads an inbox down with it. The armour comes off
here, where it takes a third of the time; it cannot expand.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from adapters import openpgp_child
from adapters.armor import BEGIN, ArmorError, dearmored
from adapters.large_pages import with_large_pages
from adapters.openpgp import DecryptionFailedError, OpenPGPError, UnreadableCertificateError, advice_to_sender

_MEMORY: Final = 1024**3  # beyond four times the message as it came; what Sequoia keeps of one is far less
#: Seconds of processor time for any message, and bytes for which it gets a second more. Honest ones need a twentieth:
#: 100 MB are decrypted in 0.7 s, and 500 MB decompressed in 0.6 s.
_PROCESSOR: Final = 5
_BYTES_A_SECOND: Final = 5_000_000
#: Seconds of wall time beyond ten times the processor time, for a machine with much else to do.
_WAITING: Final = 60
#: Bytes that a message may have beyond twice its largest content: armour adds a third, packets a little.
_FRAME: Final = 1_000_000
_SYSTEM_ERROR: Final = re.compile(r"\(os error (\d+)\)")
_EFBIG: Final = 27
_BLOCK: Final = 64 * 1024
_LONGEST_LEAD: Final = 1024


class MessageTooLargeError(OpenPGPError):
    """A message holds more than is taken; send it in several files."""

    code = "OPENPGP_TOO_LARGE"


class MessageTooCostlyError(OpenPGPError):
    """Decrypting a message takes more processor time or memory than its size allows; encrypt the file directly."""

    code = "OPENPGP_TOO_COSTLY"


class DecryptionTooSlowError(OpenPGPError):
    """The hub was too busy to decrypt a message in good time; try again."""

    code = "OPENPGP_TOO_SLOW"


def processor_budget(size: int) -> int:
    """Seconds of processor time that decrypting a message of *size* bytes may take."""
    return _PROCESSOR + size // _BYTES_A_SECOND


def decrypt_bounded(
    source: Path,
    target: Path,
    secret_key: Path,
    *,
    largest: int,
    processor: int | None = None,
    wall: float | None = None,
) -> None:
    """Decrypt ``source`` to ``target`` with the key in the file ``secret_key``; see ``openpgp.decrypt_file``.

    ``largest``: bytes that the plain content may have. ``processor``: seconds of processor time, default
    ``processor_budget``; ``wall``: seconds in all, default ten times as many and a minute. What fails leaves no target;
    while it runs, a file without a name beside ``target`` may take as much of the disk as ``source``. Raises
    DecryptionFailedError, MessageTooLargeError and MessageTooCostlyError, the sender's; UnreadableCertificateError for
    an unusable secret key, DecryptionTooSlowError and OSError for a disk that is full, the hub's.
    """
    if target.exists():
        raise DecryptionFailedError(f"{target.name} exists already")
    size = source.stat().st_size
    if size > 2 * largest + _FRAME:
        raise MessageTooLargeError(f"{source.name}: {size} bytes, encrypted; its content may have {largest}")
    memory = _MEMORY + 4 * size
    processor = processor_budget(size) if processor is None else processor
    wall = _WAITING + 10 * processor if wall is None else wall
    try:
        with _without_armour(source, target.parent) as (message, handles):
            done = subprocess.run(  # noqa: S603 — a module of ours
                [
                    *(sys.executable, "-I", "-S", openpgp_child.__file__, _library(), message),
                    *(str(target), str(secret_key), str(largest), str(memory), str(processor)),
                ],
                capture_output=True,
                timeout=wall,
                check=False,
                pass_fds=handles,
                env=with_large_pages(os.environ),
            )
        if done.returncode:
            _explain(done, source.name, largest, processor)
    except subprocess.TimeoutExpired:
        target.unlink(missing_ok=True)
        raise DecryptionTooSlowError(f"{source.name}: not decrypted within {wall:.0f} seconds") from None
    except ArmorError as error:
        raise DecryptionFailedError(f"{source.name}: {error}") from None
    except BaseException:
        target.unlink(missing_ok=True)
        raise


@contextmanager
def _without_armour(source: Path, folder: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Give the path of the binary message, and what must be open to read it: a file without a name, or *source*."""
    with source.open("rb") as stream:
        head = stream.peek(_LONGEST_LEAD)[:_LONGEST_LEAD]
        armour = head.removeprefix(BOM_UTF8).lstrip()
        if armour.startswith(BEGIN):
            # editors put a byte-order mark or blank lines before it
            stream.read(len(head) - len(armour))
        else:
            # binary; or text stands before the armour, which is the library's then
            yield str(source), ()
            return
        with tempfile.TemporaryFile(dir=folder) as message:
            message.writelines(dearmored(iter(lambda: stream.read(_BLOCK), b"")))
            message.flush()
            message.seek(0)
            yield f"/dev/fd/{message.fileno()}", (message.fileno(),)


def _library() -> str:
    """The folder in which the child finds the OpenPGP library."""
    found = find_spec("pysequoia")
    assert found is not None
    assert found.origin is not None
    return str(Path(found.origin).parents[1])


def _explain(done: subprocess.CompletedProcess[bytes], name: str, largest: int, processor: int) -> None:
    """Raise what made the child fail."""
    if done.returncode == -signal.SIGXCPU:
        raise MessageTooCostlyError(f"{name}: not decrypted within {processor} seconds of processor time")
    if done.returncode != openpgp_child.FAILED:  # ended by the kernel, or by the library when it got no more memory
        raise MessageTooCostlyError(f"{name}: decrypting it took more memory than a file of its size is given")
    about, _, message = done.stdout.decode(errors="replace").partition(" ")
    if about == openpgp_child.KEY:
        raise UnreadableCertificateError(f"secret key: {message}")
    system = _SYSTEM_ERROR.search(message)
    if system is None:
        raise DecryptionFailedError(f"{name}: {advice_to_sender(message)}")
    if int(system[1]) == _EFBIG:
        raise MessageTooLargeError(f"{name}: more than {largest} bytes, decrypted")
    raise OSError(int(system[1]), message)
