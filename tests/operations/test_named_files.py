"""Every file that the settings name is asked for at start and by readiness, with its path and what makes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import BaseModel

from smt_ws.cli.main import main
from smt_ws.health.readiness import State, judge_files
from smt_ws.sandbox.build import make_sandbox
from smt_ws.settings import Settings, read_settings
from smt_ws.settings.files import ROLES, unusable_files

#: Locations that the hub makes or writes itself, and the clock of a sandbox.
MADE_BY_THE_HUB = {"work_folder", "clock_file", "ftps.root", "intake.archive", "mail.folder"}
FILES = {
    "tls.certificate": "openssl req -new",
    "tls.key": "openssl genpkey",
    "tls.client_authorities": "cat AUTHORITY.crt",
    "tls.crl": "openssl crl",
    "tls.signing_certificate": "openssl req -new",
    "tls.signing_key": "openssl genpkey",
    "portal.secret": "smt-ws make-secrets",
    "openpgp.secret_key": "smt-ws make-secrets",
    "green_button.namespace_secret": "smt-ws make-secrets",
    "han.install_code_keys": "smt-ws make-secrets",
    "callbacks.authorities": "cat AUTHORITY.crt",
}


def locations(model: type[BaseModel], before: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from locations(kind, f"{name}.")
        elif "Path" in str(kind) and name != "proxy_socket":
            yield f"{before}{name}"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    sandbox = make_sandbox(tmp_path_factory.mktemp("hub") / "sandbox", ports=(0, 0))
    return sandbox.settings_file


def with_file(made: Path, setting: str, path: Path) -> Settings:
    section, _, key = setting.partition(".")
    settings = read_settings(made)
    return settings.model_copy(update={section: getattr(settings, section).model_copy(update={key: path})})


def test_every_location_in_the_settings_is_looked_at_or_made_by_the_hub() -> None:
    assert set(locations(Settings)) == MADE_BY_THE_HUB | set(FILES)


def test_a_sandbox_lacks_nothing(made: Path) -> None:
    assert list(unusable_files(read_settings(made))) == []


@pytest.mark.parametrize(("setting", "command"), FILES.items(), ids=list(FILES))
@pytest.mark.parametrize("content", [None, b"", b"what is this?\n"], ids=["missing", "empty", "wrong"])
def test_readiness_names_the_path_and_what_makes_it(made, setting, command, content, tmp_path) -> None:
    path = tmp_path / "here it is"
    if content is not None:
        path.write_bytes(content)
    (check,) = judge_files(with_file(made, setting, path))
    assert check.state is State.FAIL
    assert check.reason.startswith(f"{setting}: {path}: ")
    assert command in check.reason


@pytest.mark.parametrize("setting", FILES)
def test_the_hub_does_not_start_without_it(made, setting, tmp_path, monkeypatch) -> None:
    path = tmp_path / "not-there"
    monkeypatch.setenv(f"SMT_WS_{setting.replace('.', '__').upper()}", str(path))
    monkeypatch.setattr("smt_ws.cli.serve._begin", lambda _name: None)
    monkeypatch.setattr("smt_ws.cli.serve.Supervisor", lambda *_a, **_k: pytest.fail("it was started"))
    result = CliRunner().invoke(main, ["--settings", str(made), "serve"])
    assert result.exit_code == 1, result.output
    assert f"{setting}: {path}: No such file or directory. " in result.output
    roles = [role for role in sorted(ROLES) if list(unusable_files(with_file(made, setting, path), frozenset({role})))]
    assert roles


def test_secrets_are_made_once_and_are_the_hubs_alone(tmp_path, monkeypatch) -> None:
    file = tmp_path / "smt-ws.toml"
    file.write_text("")
    monkeypatch.delenv("SMT_WS_DATABASE", raising=False)
    assert CliRunner().invoke(main, ["--settings", str(file), "make-secrets"]).exit_code == 0
    made = {path.name: path for path in (tmp_path / "certs").iterdir()}
    assert set(made) == {
        "portal-secret", "green-button-secret", "install-code-keys", "hub-openpgp-secret.asc", "hub-openpgp-public.asc"
    }  # fmt: skip
    assert {path.stat().st_mode & 0o077 for path in made.values()} == {0}
    lacking = {one.setting for one in unusable_files(read_settings(file))}
    assert {setting for setting in FILES if "make-secrets" in FILES[setting]} & lacking == set()
    before = {name: path.read_bytes() for name, path in made.items()}
    assert CliRunner().invoke(main, ["--settings", str(file), "make-secrets"]).exit_code == 0
    assert {name: path.read_bytes() for name, path in made.items()} == before
    assert not (tmp_path / "hub.db").exists()
