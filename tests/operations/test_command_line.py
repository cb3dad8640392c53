"""No command ends in a traceback, whatever is typed; what a command writes is the hub's alone."""

from __future__ import annotations

import itertools
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from smt_ws.cli.main import COMMANDS, main

#: Those that run until they are stopped, or make a whole market.
RUNNING = {
    "serve", "soap", "ftps", "portal", "work", "intake", "schedule", "health",
    "demo", "sandbox", "simulate-tdsp", "simulate-requester",
}  # fmt: skip
#: What may be typed or pasted where a word is expected; the last: a byte that is not UTF-8, as a shell passes it on.
WORDS = [
    "",
    " ",
    "0",
    "-1",
    "99999999999999999999",
    "x" * 5000,
    "señora 😀",
    "../../etc/passwd",
    "2026-02-30",
    "\udcff",
]


def leaves(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        if name in RUNNING:
            continue
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from leaves(command, (*path, name))
        else:
            yield (*path, name)


def command_at(path: tuple[str, ...]) -> click.Command:
    command: click.Command = main
    for name in path:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), name)
        assert found is not None
        command = found
    return command


def typed(command: click.Command, words: Iterator[str]) -> list[str]:
    """A line for *command* with a word wherever one can stand."""
    said: list[str] = []
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            if not parameter.is_flag and not parameter.hidden and parameter.name != "help":
                said += [parameter.opts[-1], next(words)]
        else:
            said.append(next(words))
    return said


@pytest.fixture
def run(store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SMT_WS_DATABASE", store_url)

    def invoke(*line: str) -> Result:
        return CliRunner().invoke(main, [*line], input="")

    return invoke


@pytest.mark.parametrize("path", list(leaves(main)), ids=" ".join)
def test_a_command_says_what_is_wrong_and_never_how_it_failed(path: tuple[str, ...], run, tmp_path: Path) -> None:
    (tmp_path / "word").write_bytes(b"\xff\xfe no file of ours\n")
    command = command_at(path)
    for first in range(len(WORDS)):
        result = run(*path, *typed(command, itertools.islice(itertools.cycle(WORDS), first, None)))
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    for word in WORDS:
        result = run(*path, *typed(command, itertools.repeat(word)))
        assert result.exception is None or isinstance(result.exception, SystemExit), (word, result.exc_info)
    # options left out, a file of the wrong kind for each argument
    result = run(*path, *["word" for one in command.params if isinstance(one, click.Argument)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info


def test_the_table_of_commands_is_what_is_tried() -> None:
    tried = {path[0] for path in leaves(main)}
    assert tried | RUNNING == set(COMMANDS)


def test_without_settings_no_command_makes_a_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SMT_WS_FILE", "SMT_WS_DATABASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    for line in (["db", "upgrade"], ["company", "list"], ["stats"], ["serve"], ["health", "--once"], ["make-secrets"]):
        result = CliRunner().invoke(main, line)
        assert result.exit_code == 1, line
        assert "there is no smt-ws.toml in this folder. Name the settings with --settings" in result.output
        assert "SMT_WS_DATABASE" in result.output
        assert "smt-ws sandbox" in result.output
    assert list(tmp_path.iterdir()) == []
    for line in (["company", "--help"], ["han", "new-key"], ["check-certificate", "--help"]):
        assert CliRunner().invoke(main, line).exit_code == 0
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "smt-ws.toml").write_text("")
    assert CliRunner().invoke(main, ["db", "upgrade"]).exit_code == 0
    assert (tmp_path / "hub.db").exists()


def test_what_a_command_writes_is_the_hubs_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.umask(0o022)
    try:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("SMT_WS_DATABASE", f"sqlite:///{tmp_path}/hub.db")
        assert CliRunner().invoke(main, ["db", "upgrade"]).exit_code == 0
        assert stat.S_IMODE((tmp_path / "hub.db").stat().st_mode) == 0o600
    finally:
        os.umask(before)
