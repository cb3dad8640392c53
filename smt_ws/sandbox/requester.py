"""The other side: what a company's own program does to order usage data and to fetch it.

Short on purpose, to be read as an example: a signed call with zeep over mutual TLS, polling, FTPS, OpenPGP, zip.
"""

from __future__ import annotations

import ftplib
import ssl
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import zeep
from cryptography import x509

from adapters import openpgp, packing
from adapters.soap.client import connect
from smt_ws.sandbox.build import Player, Sandbox
from smt_ws.settings import Settings

__all__ = ["FINAL", "Requester"]

#: Statuses after which nothing more will happen.
FINAL: Final = frozenset({"COMPLETE", "COMPLETE_WITH_EXCEPTIONS", "FAILED", "CANCELLED", "EXPIRED"})


@dataclass(frozen=True)
class Requester:
    """One company's program."""

    sandbox: Sandbox
    player: Player
    settings: Settings

    def client(self, service: str) -> zeep.Client:
        """A zeep client of one of the hub's services, its WSDL fetched from the hub."""
        certificates = self.sandbox.certificates
        hub = x509.load_pem_x509_certificate((certificates / "hub-signing.crt").read_bytes())
        return connect(
            f"https://127.0.0.1:{self.settings.soap.port}/soap/{service}?wsdl",
            tls_certificate=certificates / f"{self.player.stem}-tls.crt",
            tls_key=certificates / f"{self.player.stem}-tls.key",
            ca=certificates / "ca.crt",
            signing_certificate=certificates / f"{self.player.stem}-signing.crt",
            signing_key=certificates / f"{self.player.stem}-signing.key",
            hub_certificates=[hub],
        )

    def header(self, trans_id: str) -> dict[str, str]:
        """What every request begins with."""
        return {
            "trans_id": trans_id,
            "requestorID": "demo",
            "requesterType": self.player.kind,
            "requesterAuthenticationID": self.player.duns,
            "SMTTermsandConditions": "Y",
        }

    def order(
        self, esiids: Sequence[str], start_date: str, end_date: str, trans_id: str = "1", report_format: str = "CSV"
    ) -> Any:
        """Order interval data; dates are MM/DD/YYYY. Returns the answer, with its ``correlationId``."""
        return self.client("MeterUsage").service.RequestIntervalData(
            **self.header(trans_id),
            startDate=start_date,
            endDate=end_date,
            reportFormat=report_format,
            esiid=list(esiids),
        )

    def wait(self, correlation_id: str, told: Callable[[Any], None], *, timeout: float = 300) -> Any:
        """Ask for the order's status until it is final; *told* hears each answer."""
        client = self.client("ReportRequestStatus")
        end = time.monotonic() + timeout
        while True:
            status = client.service.GetStatus(**self.header("2"), correlationId=correlation_id)
            told(status)
            if status.order.status in FINAL:
                return status
            if time.monotonic() > end:
                raise TimeoutError(f"order {correlation_id} is still {status.order.status} after {timeout:.0f} s")
            time.sleep(0.3)

    def fetch(self, names: Sequence[str], into: Path) -> list[Path]:
        """Fetch files from ``/adhoc`` over FTPS with client certificate and password."""
        certificates = self.sandbox.certificates
        context = ssl.create_default_context(cafile=str(certificates / "ca.crt"))
        context.load_cert_chain(
            certificates / f"{self.player.stem}-tls.crt", certificates / f"{self.player.stem}-tls.key"
        )
        into.mkdir(parents=True, exist_ok=True)
        fetched = []
        with ftplib.FTP_TLS(context=context, timeout=60) as ftps:  # noqa: S321 — it is TLS
            ftps.connect("127.0.0.1", self.settings.ftps.port)
            ftps.login(self.player.duns, self.player.ftps_password)
            ftps.prot_p()
            ftps.cwd("/adhoc")
            for name in names:
                path = into / name
                with path.open("wb") as file:
                    ftps.retrbinary(f"RETR {name}", file.write)
                fetched.append(path)
        return fetched

    def open(self, delivered: Path, into: Path) -> Path:
        """Decrypt and unzip one delivered file; return the plain one."""
        with tempfile.TemporaryDirectory() as folder:
            zipped = Path(folder) / "delivered.zip"
            openpgp.decrypt_file(delivered, zipped, self.player.openpgp_secret)
            with zipped.open("rb") as stream:
                member = packing.open_member(stream)
                plain = into / member.name
                with plain.open("wb") as file:
                    for chunk in member.chunks:
                        file.write(chunk)
        return plain
