"""What deploy/ tells an operator to write is what the settings take."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from smt_ws.settings import SettingsError, read_settings
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
