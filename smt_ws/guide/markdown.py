"""Markdown tables, and filling them into a page between marks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar

__all__ = ["UnknownTableError", "fenced", "filled", "one_line", "table"]

_MARKED = re.compile(r"(<!-- printed: (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


class UnknownTableError(ValueError):
    """The page asks for a table that the code does not print. Correct the name in its mark."""

    code: ClassVar[str] = "UNKNOWN_TABLE"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with a header; cells are Markdown on one line."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(one_line(cell).replace("|", r"\|") for cell in line) + " |" for line in lines)


def fenced(text: str, language: str = "") -> str:
    """A block of text as it is."""
    return f"```{language}\n{text.rstrip()}\n```"


def one_line(text: str) -> str:
    """*text* without line ends and doubled spaces."""
    return " ".join(text.split())


def filled(page: str, tables: Mapping[str, Callable[[], str]]) -> str:
    """*page* with each ``<!-- printed: NAME --> … <!-- end -->`` holding the table of that name.

    Raises `UnknownTableError`.
    """

    def printed(found: re.Match[str]) -> str:
        name = found["name"]
        if name not in tables:
            raise UnknownTableError(f"no table is named {name!r}; there are {', '.join(sorted(tables))}")
        return f"{found[1]}\n{tables[name]()}\n\n{found[3]}"

    return _MARKED.sub(printed, page)
