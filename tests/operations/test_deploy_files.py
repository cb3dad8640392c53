"""What deploy/ tells an operator to write is what the settings take."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from smt_ws.sandbox.build import Sandbox
from smt_ws.sandbox.demo import running_hub
from smt_ws.settings import SettingsError, read_settings
from smt_ws.settings.files import unusable_files
from smt_ws.store.engine import Store

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


@pytest.fixture
def settings_text() -> str:
    (text,) = re.findall(r"```toml\n(.*?)```", (DEPLOY / "README.md").read_text(), re.DOTALL)
    return text


def test_the_settings_of_the_deployment_are_settings(settings_text, tmp_path, monkeypatch):
    for name in ("SMT_WS_FILE", "SMT_WS_DATABASE"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "smt-ws.toml"
    file.write_text(settings_text)
    settings = read_settings(file)
    assert settings.environment == "production"
    assert Store(settings.database).url.query["host"] == "/run/postgresql"
    assert settings.tls.crl == tmp_path / "certs" / "lists.pem"
    assert settings.operator_address == "operator@hub.example"
    # both ends of each socket are the same
    for upstream in (settings.soap.proxy_socket, settings.portal.proxy_socket):
        assert f"server unix:{upstream} " in (DEPLOY / "nginx" / "smt-ws.conf").read_text()
        assert upstream.parent == Path("/run") / "smt-ws"
    file.write_text(settings_text.replace("proxy_socket", "proxy_sockt", 1))
    with pytest.raises(SettingsError, match="proxy_sockt"):
        read_settings(file)


@pytest.fixture
def machine(tmp_path, settings_text, monkeypatch) -> Path:
    """/etc/smt-ws of an empty machine, below a folder of its own, after the commands of the page."""
    root, etc = tmp_path / "root", tmp_path / "root" / "etc" / "smt-ws"
    (etc / "certs").mkdir(parents=True)
    for folder in ("conf.d", "sites"):
        (root / "etc" / "nginx" / folder).mkdir(parents=True, exist_ok=True)
    (root / "etc" / "systemd" / "system").mkdir(parents=True)
    placed = re.sub(r'"/(run|var|etc)/', rf'"{root}/\1/', settings_text)
    (etc / "smt-ws.toml").write_text(placed)
    for folder in ("run/smt-ws", "var/lib/smt-ws"):
        (root / folder).mkdir(parents=True)
    for name in [name for name in os.environ if name.startswith("SMT_WS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SMT_WS_DATABASE", f"sqlite:///{root}/var/lib/smt-ws/hub.db")
    page = (DEPLOY / "README.md").read_text().partition("## One unit")[0]
    first, *blocks = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    assert "createdb" in first  # users, packages and PostgreSQL: the machine's own
    script = "set -e\n" + "\n".join(blocks)
    script = re.sub(r"^(systemctl|nginx|chown) .*$", ":", script, flags=re.MULTILINE)
    script = script.replace("sudo -u smt-ws ", "env ").replace("/opt/smt-ws/bin/smt-ws", "smt-ws")
    script = re.sub(r"(?<![\w/])/etc/", f"{root}/etc/", script).replace("deploy/", f"{DEPLOY}/")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=etc, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return etc


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not here: install it from Debian")
def test_the_page_followed_to_the_letter_gives_a_hub_that_runs(machine, monkeypatch):
    """Keys, certificates that the strictest check takes, a revocation list, secrets, database: all are there."""
    settings = read_settings(machine / "smt-ws.toml")
    assert list(unusable_files(settings)) == []
    strict = ["openssl", "verify", "-x509_strict", "-crl_check", "-CAfile", "ca.crt", "-CRLfile", "lists.pem"]
    for name in ("hub-tls", "hub-signing"):
        subprocess.run([*strict, f"{name}.crt"], cwd=machine / "certs", check=True, capture_output=True)
    for name in ("authority.key", "portal-secret", "hub-openpgp-secret.asc", "hub-tls.key"):
        assert (machine / "certs" / name).stat().st_mode & 0o007 == 0
    installed = machine.parent
    assert (installed / "systemd" / "system" / "smt-ws-.service.d" / "10-hardening.conf").is_file()
    assert (installed / "nginx" / "conf.d" / "smt-ws.conf").is_file()
    for port in ("FTPS", "HEALTH"):
        monkeypatch.setenv(f"SMT_WS_{port}__PORT", "0")
    with running_hub(Sandbox(machine)):
        assert settings.soap.proxy_socket.is_socket()
        assert settings.portal.proxy_socket.is_socket()


def test_nginx_lets_pass_what_the_hub_takes_and_closes_before_it():
    from adapters.soap.server import serve
    from smt_ws.settings import Limits

    site = (DEPLOY / "nginx" / "smt-ws.conf").read_text()
    (megabytes,) = re.findall(r"client_max_body_size (\d+)m;", site)
    assert int(megabytes) * 1024 * 1024 >= Limits().body_bytes
    upstreams = site.partition("# SOAP:")[0]
    idle = {int(seconds) for seconds in re.findall(r"^    keepalive_timeout (\d+)s;", upstreams, re.MULTILINE)}
    assert idle
    assert max(idle) < serve.__kwdefaults__["keepalive"]
