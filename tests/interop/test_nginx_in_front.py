"""deploy/: nginx with the published configuration in front of the hub's unix socket, and units that systemd takes."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
import zeep
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from wss_runtimes import missing

from adapters.soap.client import connect
from smt_ws.clock import real_now
from smt_ws.parties import networks
from smt_ws.sandbox.build import COMPANIES, make_sandbox
from smt_ws.sandbox.certificates import open_authority

pytestmark = pytest.mark.interop

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
PECAN, BLUEBONNET = COMPANIES[0][2], COMPANIES[1][2]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


class Front:
    """A sandbox whose SOAP endpoint and portal listen on unix sockets, and nginx in front of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sandbox = make_sandbox(folder / "sandbox", ports=(0, 0))
        self.certificates = self.sandbox.certificates
        self.lists = folder / "lists.pem"
        self.revoke()
        self.port, self.pages = free_port(), free_port()
        self.socket = folder / "soap.sock"
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        settings = {
            "SMT_WS_SOAP__PROXY_SOCKET": str(self.socket),
            "SMT_WS_SOAP__BASE_URL": f"https://127.0.0.1:{self.port}",
            "SMT_WS_SOAP__WORKERS": "1",
            "SMT_WS_TLS__CRL": str(self.lists),
            "SMT_WS_PORTAL__PROXY_SOCKET": str(self.folder / "portal.sock"),
        }
        ready = [self.folder / f"{role}.json" for role in ("soap", "portal")]
        for file in ready:
            self._run(
                *(sys.executable, "-m", "smt_ws.cli", "--settings", str(self.sandbox.settings_file)),
                *(file.stem, "--ready-file", str(file)),
                env=os.environ | settings,
            )
        self._run("nginx", "-e", "stderr", "-p", str(self.folder), "-c", str(self.nginx_configuration()))
        deadline = time.monotonic() + 180
        while not (all(file.exists() and file.read_text() for file in ready) and self._listens()):
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            assert all(process.poll() is None for process in self.processes), (self.folder / "log").read_text()
            time.sleep(0.05)

    def _run(self, *command: str, **values: object) -> None:
        with (self.folder / "log").open("ab") as log:
            self.processes.append(subprocess.Popen(command, stdout=log, stderr=log, **values))

    def _listens(self) -> bool:
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.wait(180)

    def nginx_configuration(self) -> Path:
        """The published files, with places and ports of this test."""
        include = self.folder / "smt-ws-proxy.conf"
        shutil.copy(DEPLOY / "nginx" / "smt-ws-proxy.conf", include)
        site = (DEPLOY / "nginx" / "smt-ws.conf").read_text()
        for ours, here in {
            "/etc/smt-ws/certs/": f"{self.certificates}/",
            "/etc/nginx/smt-ws-proxy.conf": str(include),
            "unix:/run/smt-ws/soap.sock": f"unix:{self.socket}",
            "unix:/run/smt-ws/portal.sock": f"unix:{self.folder}/portal.sock",
            "listen 5200 ": f"listen 127.0.0.1:{self.port} ",
            "listen 443 ": f"listen 127.0.0.1:{self.pages} ",
        }.items():
            assert ours in site
            site = site.replace(ours, here)
        site = "\n".join(line for line in site.splitlines() if "listen [::]" not in line)
        places = "".join(
            f"{name}_temp_path {self.folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        user = "user root;" if os.geteuid() == 0 else ""
        whole = self.folder / "nginx.conf"
        whole.write_text(
            f"{user} daemon off; worker_processes 1; pid {self.folder}/nginx.pid; events {{}}\n"
            f"http {{ access_log off; {places}\n{site}\n}}\n"
        )
        return whole

    def revoke(self, *stems: str, ends: timedelta = timedelta(days=1)) -> None:
        own = open_authority(self.certificates, now=real_now()).own
        now = datetime.now(UTC)
        builder = x509.CertificateRevocationListBuilder().issuer_name(own.certificate.subject)
        builder = builder.last_update(now - timedelta(hours=1)).next_update(now + ends)
        for stem in stems:
            found = x509.load_pem_x509_certificate((self.certificates / f"{stem}.crt").read_bytes())
            entry = x509.RevokedCertificateBuilder().serial_number(found.serial_number).revocation_date(now)
            builder = builder.add_revoked_certificate(entry.build())
        fresh = self.folder / "lists.new"
        fresh.write_bytes(builder.sign(own.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        fresh.replace(self.lists)

    def client(self, duns: str, *, tls: str | None = None) -> zeep.Client:
        stem = self.sandbox.player(duns).stem
        hub = x509.load_pem_x509_certificate((self.certificates / "hub-signing.crt").read_bytes())
        return connect(
            f"https://127.0.0.1:{self.port}/soap/Connectivity?wsdl",
            tls_certificate=self.certificates / f"{tls or stem}-tls.crt",
            tls_key=self.certificates / f"{tls or stem}-tls.key",
            ca=self.certificates / "ca.crt",
            signing_certificate=self.certificates / f"{stem}-signing.crt",
            signing_key=self.certificates / f"{stem}-signing.key",
            hub_certificates=[hub],
        )

    def ping(self, client: zeep.Client, duns: str):
        return client.service.Ping(
            trans_id="1", requestorID="tests", requesterType="REP", requesterAuthenticationID=duns,
            SMTTermsandConditions="Y",
        )  # fmt: skip

    def refusal(self, client: zeep.Client, duns: str) -> str:
        """The code of the fault."""
        with pytest.raises(zeep.exceptions.Fault) as told:
            self.ping(client, duns)
        return told.value.message.partition(":")[0]

    def get(self, who: str | None, *, body: bytes = b"") -> int:
        """The status of a bare request over TLS."""
        context = ssl.create_default_context(cafile=str(self.certificates / "ca.crt"))
        if who:
            context.load_cert_chain(self.certificates / f"{who}.crt", self.certificates / f"{who}.key")
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=180)
        try:
            connection.request("POST", "/soap/Connectivity", body, {"Content-Type": "text/xml"})
            return connection.getresponse().status
        finally:
            connection.close()


@pytest.fixture(scope="module")
def front(tmp_path_factory):
    if shutil.which("nginx") is None:
        missing("nginx is not here: install nginx from Debian")
    made = Front(tmp_path_factory.mktemp("front"))
    try:
        made.start()
        yield made
    finally:
        made.stop()


def test_the_published_configuration_is_one_that_nginx_takes(front):
    done = subprocess.run(
        ["nginx", "-t", "-e", "stderr", "-p", str(front.folder), "-c", str(front.folder / "nginx.conf")],
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr


def test_a_real_client_certificate_goes_through_nginx_to_the_hub(front):
    told = front.ping(front.client(PECAN), PECAN)
    assert told.companyName == "Pecan Energy"
    stem = front.sandbox.player(PECAN).stem
    shown = x509.load_pem_x509_certificate((front.certificates / f"{stem}-tls.crt").read_bytes())
    assert told.tlsCertificate.fingerprint == shown.fingerprint(hashes.SHA256()).hex()


def test_a_certificate_in_a_header_of_the_clients_own_is_not_believed(front):
    pecan = (front.certificates / f"{front.sandbox.player(PECAN).stem}-tls.crt").read_text()
    # connected as Bluebonnet, signed as Pecan, Pecan's TLS certificate in the header
    client = front.client(PECAN, tls=front.sandbox.player(BLUEBONNET).stem)
    client.transport.session.headers["X-Client-Cert"] = quote(pecan)
    assert front.refusal(client, PECAN) == "SIGNING_CERTIFICATE_OF_ANOTHER_COMPANY"


def test_nobody_comes_in_without_a_certificate_or_with_a_strangers_or_with_too_much(front, tmp_path):
    assert front.get(None) == 400
    other = open_authority(tmp_path, now=real_now()).issue("stranger", "stranger")
    for file in (other.certificate_file, other.key_file):
        shutil.copy(file, front.certificates)
    assert front.get("stranger") == 400
    stem = f"{front.sandbox.player(PECAN).stem}-tls"
    assert front.get(stem, body=b"x" * 9_000_000) == 413
    assert front.get(stem, body=b"no SOAP") == 500, "nginx lets through what is for the hub to refuse"


def test_the_address_list_sees_through_the_proxy_and_not_through_headers_p3(front):
    hub = front.sandbox.hub()
    common = {"duns": BLUEBONNET, "actor": "operator:test", "clock": hub.clock}
    client = front.client(BLUEBONNET)
    assert front.ping(client, BLUEBONNET).companyName == "Bluebonnet Power"
    networks.allow_network(hub.store, network="192.0.2.0/24", **common)
    client.transport.session.headers.update({"X-Client-Address": "192.0.2.7", "X-Forwarded-For": "192.0.2.7"})
    assert front.refusal(client, BLUEBONNET) == "ADDRESS_NOT_ALLOWED"
    networks.allow_network(hub.store, network="127.0.0.1", **common)
    assert front.ping(client, BLUEBONNET).companyName == "Bluebonnet Power"
    hub.store.close()


def test_a_revocation_holds_at_once_on_an_open_connection_and_for_signatures(front):
    client, stem = front.client(PECAN), front.sandbox.player(PECAN).stem
    front.ping(client, PECAN)
    try:
        front.revoke(f"{stem}-tls")
        assert front.refusal(client, PECAN) == "TLS_CERTIFICATE_REVOKED"
        front.revoke(f"{stem}-signing")
        assert front.refusal(client, PECAN) == "SIGNING_CERTIFICATE_REVOKED"
        front.revoke(ends=-timedelta(minutes=1))
        assert front.refusal(client, PECAN) == "REVOCATION_UNKNOWN", "the default is to refuse by a late list"
    finally:
        front.revoke()
    assert front.ping(client, PECAN).companyName == "Pecan Energy"


def test_pages_need_no_certificate_and_a_portal_that_is_away_is_a_502(front):
    def page() -> requests.Response:
        session = requests.Session()
        session.trust_env = False
        with session:
            return session.get(
                f"https://127.0.0.1:{front.pages}/", verify=str(front.certificates / "ca.crt"), timeout=180,
                headers={"X-Client-Cert": "nonsense"},
            )  # fmt: skip

    assert page().status_code == 200
    assert "Content-Security-Policy" in page().headers
    portal = front.processes[1]
    portal.send_signal(signal.SIGTERM)
    portal.wait(180)
    assert page().status_code == 502


# -- systemd


@pytest.fixture(scope="module")
def units(tmp_path_factory):
    """The published units, with a program that is on this machine."""
    if shutil.which("systemd-analyze") is None:
        missing("systemd-analyze is not here: install systemd from Debian")
    folder = tmp_path_factory.mktemp("units")
    shutil.copytree(DEPLOY / "systemd", folder, dirs_exist_ok=True)
    for unit in folder.glob("*.service"):
        text = unit.read_text()
        assert "/opt/smt-ws/bin/smt-ws " in text
        unit.write_text(text.replace("/opt/smt-ws/bin/smt-ws", str(Path(sys.executable).parent / "smt-ws")))
    return folder


def analyzed(units: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *arguments], cwd=units, capture_output=True, text=True, timeout=180, check=False,
        env=os.environ | {"SYSTEMD_UNIT_PATH": f"{units}:", "SYSTEMD_COLORS": "0"},
    )  # fmt: skip


NAMES = ("smt-ws-hub.service", "smt-ws-role@soap.service", "smt-ws-work@1.service")


@pytest.mark.parametrize("name", NAMES)
def test_systemd_takes_the_units_without_a_word_and_calls_them_well_shut(units, name):
    verified = analyzed(units, "verify", "--man=no", f"./{name}")
    assert (verified.returncode, verified.stderr.strip()) == (0, "")
    # of 10; an unhardened service has 9.6
    judged = analyzed(units, "security", "--offline=true", "--threshold=20", f"./{name}")
    assert judged.returncode == 0, judged.stdout[-300:]


def test_every_command_of_the_units_is_one_of_smt_ws(units):
    from smt_ws.cli.main import COMMANDS

    words = [
        line.split()[1]
        for unit in units.glob("*.service")
        for line in unit.read_text().splitlines()
        if line.startswith("ExecStart=")
    ]
    assert sorted(words) == ["%i", "serve", "work"]
    named = set(re.findall(r"smt-ws-role@(\w+)", (units / "smt-ws-role@.service").read_text())) - {"service"}
    assert {"soap", "ftps", "portal"} < named <= set(COMMANDS)
