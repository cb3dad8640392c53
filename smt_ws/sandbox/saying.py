"""What the demonstration says while nothing is to be seen."""

from __future__ import annotations

from rich.console import Console

__all__ = ["say_waiting"]


def say_waiting(console: Console, what: str) -> None:
    """Say what is waited for, so that silence is not taken for a fault."""
    console.print(f"  waiting for {what}", style="dim", highlight=False, markup=False, soft_wrap=True)
