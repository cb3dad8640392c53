"""Decrypting what others send within bounds of size, memory and time: a message may expand without end.

The work is done in a process of its own, which the kernel holds to the bounds: the OpenPGP library has none, keeps the
interpreter lock, and would take the process that reads an inbox down with it.
"""

import json
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Final

from adapters import openpgp
from adapters.openpgp import DecryptionFailedError, OpenPGPError, UnreadableCertificateError

_MEMORY: Final = 1024**3  # beyond four times the message as it came; what Sequoia keeps of one is far less
_SYSTEM_ERROR: Final = re.compile(r"\(os error (\d+)\)")
_EFBIG: Final = 27


class MessageTooLargeError(OpenPGPError):
    """A message holds more than is taken, or decompressing it takes too much; send it in several files."""

    code = "OPENPGP_TOO_LARGE"


def decrypt_bounded(source: Path, target: Path, secret_key: Path, *, largest: int, seconds: float = 600) -> None:
    """Decrypt ``source`` to ``target`` with the key in the file ``secret_key``; see ``openpgp.decrypt_file``.

    ``largest``: bytes that the plain content may have. What fails leaves no target. Raises DecryptionFailedError and
    MessageTooLargeError, the sender's; UnreadableCertificateError for an unusable secret key and OSError for a disk
    that is full, the hub's.
    """
    arguments = (str(source), str(target), str(secret_key), str(largest))
    try:
        done = subprocess.run(  # noqa: S603 — this very module
            [sys.executable, "-m", "adapters.openpgp_bounded", *arguments],
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        target.unlink(missing_ok=True)
        raise MessageTooLargeError(f"{source.name}: not decrypted within {seconds:.0f} seconds") from None
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    if done.returncode == 0:
        return
    target.unlink(missing_ok=True)
    try:
        code, message = json.loads(done.stdout)
    except ValueError:  # ended by the kernel, or by the library when it got no more memory
        raise MessageTooLargeError(f"{source.name}: decrypting it took more memory than is given") from None
    system = _SYSTEM_ERROR.search(message)
    if system is not None and int(system[1]) == _EFBIG:
        raise MessageTooLargeError(f"{source.name}: more than {largest} bytes, decrypted")
    if system is not None:
        raise OSError(int(system[1]), message)
    raise (UnreadableCertificateError if code == UnreadableCertificateError.code else DecryptionFailedError)(message)


def _main(source: Path, target: Path, secret_key: Path, largest: int) -> int:
    memory = _MEMORY + 4 * source.stat().st_size
    # a dump would hold the key
    for limit, value in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_AS, memory), (resource.RLIMIT_FSIZE, largest)):
        resource.setrlimit(limit, (value, value))
    code = UnreadableCertificateError.code
    try:
        key = secret_key.read_text()
        code = "OS_ERROR"
        target.open("xb").close()  # the library does not say why it could not
        target.unlink()
        openpgp.decrypt_file(source, target, key)
    except OpenPGPError as error:
        code, message = error.code, str(error)
    except OSError as error:
        message = (
            f"secret key: {error.strerror}" if code != "OS_ERROR" else f"{error.strerror} (os error {error.errno})"
        )
    else:
        return 0
    sys.stdout.write(json.dumps([code, message]))
    return 1


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])))
