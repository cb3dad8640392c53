"""What the project needs of a Python to be set up: exit with 0 and print its version, or with the reason why not."""

import sys

# Old Pythons read this too, so that they can say what they are: no f-string, and the version comes first.
if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit("it is Python %d.%d" % sys.version_info[:2])  # noqa: UP031

import ensurepip  # noqa: F401
import sqlite3  # noqa: F401
import ssl  # noqa: F401
import venv  # noqa: F401

print("%d.%d" % sys.version_info[:2])  # noqa: UP031
