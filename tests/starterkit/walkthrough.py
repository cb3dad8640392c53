"""A walk-through read from its Markdown page and walked: files written, blocks run, output compared.

Each fenced block has its purpose in a comment before it: ``start`` (what the fixture has done), ``file: NAME``,
``run``, ``output`` (of the block before it), ``install`` (run where what it brings is not here). In an output, ``…``
stands for whatever differs from run to run.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"(?:<!-- (?P<mark>[^>]*?) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)```\n", re.DOTALL)


class InstallError(Exception):
    """What a page needs could not be installed."""


@dataclass(frozen=True)
class Block:
    """One fenced block: its purpose, and its text."""

    purpose: str
    name: str
    text: str


def blocks_of(page: Path) -> list[Block]:
    """The page's blocks; one without a purpose raises, because nothing would prove it."""
    found = []
    for block in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        purpose, _, name = (block["mark"] or "").partition(": ")
        if purpose not in {"start", "file", "run", "output", "install"}:
            raise ValueError(f"{page.name}: nothing runs the block that begins {block['text'][:60]!r}")
        found.append(Block(purpose, name, block["text"]))
    return found


def walk(page: Path, home: Path, addresses: Mapping[str, str], *, installed: bool = True) -> list[str]:
    """Walk *page* in the folder *home*, its *addresses* replaced by those of the running hub; return all outputs."""
    outputs: list[str] = []
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
    for block in blocks_of(page):
        text = block.text
        for told, real in addresses.items():
            text = text.replace(told, real)
        if block.purpose == "file":
            (home / block.name).write_text(text, encoding="utf-8")
        elif block.purpose == "run" or (block.purpose == "install" and not installed):
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", text],
                cwd=home, env=environment, capture_output=True, text=True, timeout=180, check=False,
            )  # fmt: skip
            if block.purpose == "install" and done.returncode:
                raise InstallError(done.stderr[-200:])
            assert done.returncode == 0, f"{page.name}:\n{block.text}\n{done.stdout}{done.stderr}"
            outputs.append(done.stdout)
        elif block.purpose == "output":
            assert matches(block.text, outputs[-1]), f"{page.name} says:\n{block.text}\nit was:\n{outputs[-1]}"
    return outputs


def matches(told: str, real: str) -> bool:
    """Whether *real* is what the page told, line by line, ``…`` standing for anything in a line."""
    pattern = "".join(".*" if part == "…" else re.escape(part) for part in re.split("(…)", told.rstrip("\n")))
    return re.fullmatch(pattern, real.rstrip("\n")) is not None
