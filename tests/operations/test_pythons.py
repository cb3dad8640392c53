"""Which Python make takes, and on which the suite is run: told by made-up interpreters on a path of their own."""

from __future__ import annotations

import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CI = ROOT / ".ci"


def interpreter(path: Path, version: str, without: str | None = None) -> Path:
    """A program that answers as Python *version* would, *without* a module of the standard library."""
    path.parent.mkdir(parents=True, exist_ok=True)
    major, minor = version.split(".")
    program = (
        "import runpy, sys\n"
        f"sys.version_info = ({major}, {minor}, 0)\n"
        f"sys.modules.update(dict.fromkeys({[without] if without else []}))\n"
        "runpy.run_path(sys.argv[1])\n"
    )
    path.write_text(f'#!/bin/sh\nexec {sys.executable} -c "$(cat <<"END"\n{program}END\n)" "$@"\n')
    path.chmod(0o755)
    return path


def broken_shim(path: Path) -> None:
    """What pyenv puts on the path for a version that is not selected."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\necho 'pyenv: command not found' >&2\nexit 127\n")
    path.chmod(0o755)


class Machine:
    """The tools that the scripts use, and no Python but those made."""

    def __init__(self, folder: Path) -> None:
        self.path, self.pyenv = folder / "bin", folder / "pyenv"
        self.path.mkdir()
        for tool in ("dirname", "sed", "sort", "tail", "cat", "sh"):
            found = subprocess.run(["/bin/sh", "-c", f"command -v {tool}"], capture_output=True, text=True, check=True)
            (self.path / tool).symlink_to(found.stdout.strip())

    def run(self, script: str, *arguments: str) -> list[str]:
        environment = {"PATH": str(self.path), "PYENV_ROOT": str(self.pyenv), "HOME": str(self.path)}
        command = ["/bin/sh", str(CI / script), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_newest_python_that_can_be_used_is_taken(machine: Machine) -> None:
    broken_shim(machine.path / "python3.13")
    interpreter(machine.path / "python3.12", "3.12", without="ensurepip")
    interpreter(machine.path / "python3.11", "3.11")
    interpreter(machine.path / "python3", "3.9")
    assert machine.run("newest-python") == ["python3.11"]


def test_what_is_missing_is_said_of_each(machine: Machine) -> None:
    interpreter(machine.path / "python3.12", "3.12", without="ensurepip")
    interpreter(machine.path / "python3", "3.9")
    assert machine.run("newest-python") == []
    told = "\n".join(machine.run("newest-python", "--explain"))
    assert "python3: it is Python 3.9" in told
    assert "python3.12: ModuleNotFoundError: import of ensurepip halted" in told
    assert "apt-get install python3 python3-venv" in told


def test_a_path_with_no_python_says_so(machine: Machine) -> None:
    assert machine.run("newest-python") == []
    assert "Looked at: none found" in "\n".join(machine.run("newest-python", "--explain"))
    assert machine.run("pythons") == []


def test_each_supported_python_is_listed_once_oldest_first(machine: Machine) -> None:
    on_path = interpreter(machine.path / "python3.12", "3.12")
    interpreter(machine.pyenv / "versions/3.12.1/bin/python3.12", "3.12")
    broken_shim(machine.path / "python3.13")
    of_pyenv = interpreter(machine.pyenv / "versions/3.13.0/bin/python3.13", "3.13")
    interpreter(machine.path / "python3.11", "3.11", without="venv")
    interpreter(machine.path / "python3.10", "3.10")
    assert machine.run("pythons") == [f"3.12 {on_path}", f"3.13 {of_pyenv}"]


def test_every_python_that_setup_cfg_names_is_looked_for(machine: Machine) -> None:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    versions = [line.rpartition(" ")[2] for line in setup["metadata"]["classifiers"].splitlines() if "3." in line]
    assert len(versions) >= 3
    for version in versions:
        interpreter(machine.path / f"python{version}", version)
    assert [line.split()[0] for line in machine.run("pythons")] == versions
