"""Ports stand in one place, and no two servers of a machine have the same."""

from __future__ import annotations

import ast
from pathlib import Path

from smt_ws.settings import ports

ROOT = Path(__file__).resolve().parents[2]
PORTS = {name: getattr(ports, name) for name in ports.__all__}


def test_no_two_servers_share_a_port() -> None:
    assert len(set(PORTS.values())) == len(PORTS)


def test_no_other_module_has_a_port_of_its_own() -> None:
    found = {
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for package in ("smt_ws", "adapters", "jobs")
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and type(node.value) is int and node.value in PORTS.values()
    }
    assert {place.partition(":")[0] for place in found} == {"smt_ws/settings/ports.py"}
