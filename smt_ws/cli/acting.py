"""Who acts when a command changes something: the login name at this machine, for the audit log (P7)."""

from __future__ import annotations

import getpass

__all__ = ["operator"]


def operator() -> str:
    """``operator:NAME``."""
    return f"operator:{getpass.getuser()}"[:80]
