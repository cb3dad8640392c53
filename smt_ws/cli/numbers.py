"""Numbers of rows on the command line."""

from __future__ import annotations

from typing import Final

import click

__all__ = ["NUMBER"]

#: As large as a store can number its rows, and one for the query that looks whether there are more.
NUMBER: Final = click.IntRange(1, 2**63 - 2)
