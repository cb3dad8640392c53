"""The process that decrypts one message within bounds: started by `openpgp_bounded`, run by this file's path.

It starts for every file that a TDSP sends, so it imports nothing that it does not need, and the interpreter neither
looks for site packages nor reads the environment. Arguments: the folder that the OpenPGP library is in, message,
target, file of the secret key, bytes that the target may have, bytes of memory, seconds of processor time. Ends with 0;
with `FAILED`, one of the words below, a blank and a sentence on standard output; or otherwise, ended by the kernel (by
SIGXCPU when its processor time is used up) or for want of memory.
"""

import resource
import sys

FAILED = 3
#: Whose fault it is: the secret key's, or the message's.
KEY, MESSAGE = "key", "message"


def _main(message: str, target: str, secret_key: str, largest: int, memory: int, processor: int) -> int:
    import pysequoia

    # a dump would hold the key
    for limit, value in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_AS, memory), (resource.RLIMIT_FSIZE, largest)):
        resource.setrlimit(limit, (value, value))
    # a second more to the hard limit: the soft one ends the process with a signal of its own
    resource.setrlimit(resource.RLIMIT_CPU, (processor, processor + 1))
    about = KEY
    try:
        with open(secret_key, "rb") as file:  # noqa: PTH123 — pathlib takes as long to import as all the rest
            decryptor = pysequoia.Tsk.from_bytes(file.read()).decryptor()
        about = MESSAGE
        open(target, "xb").close()  # noqa: PTH123 — the library does not say why it could not
        pysequoia.decrypt_file(input=message, output=target, decryptor=decryptor)
    except MemoryError:
        raise
    except Exception as failure:
        said = str(failure).split("\n", 1)[0][:200]
        if isinstance(failure, OSError) and failure.errno:
            # without the file's name, which the TDSP has no business with
            said = f"{failure.strerror} (os error {failure.errno})"
        sys.stdout.write(f"{about} {said}")
        return FAILED
    return 0


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    sys.exit(_main(sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]), int(sys.argv[6]), int(sys.argv[7])))
