"""Sample certificates, made once a run because keys take time, and two companies that hold them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from two_companies import GULF, PECAN, PECAN_2, REAL_NOW

from smt_ws.clock import FixedClock
from smt_ws.parties import companies
from smt_ws.sandbox.certificates import Authority, KeyPair, open_authority
from smt_ws.store.engine import Store


@dataclass(frozen=True)
class Made:
    authority: Authority
    folder: Path
    by_stem: dict[str, KeyPair]

    def __getitem__(self, stem: str) -> KeyPair:
        """The pair of this name, made when it is first asked for."""
        if stem not in self.by_stem:
            self.by_stem[stem] = self.authority.issue(stem, stem)
        return self.by_stem[stem]

    def der(self, stem: str) -> bytes:
        return self[stem].certificate.public_bytes(Encoding.DER)

    def pem(self, stem: str) -> bytes:
        return self[stem].certificate.public_bytes(Encoding.PEM)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("certificates")
    return Made(open_authority(folder, now=REAL_NOW), folder, {})


@pytest.fixture
def operator(store: Store, clock: FixedClock) -> SimpleNamespace:
    return SimpleNamespace(actor="operator:test", clock=clock)


@pytest.fixture
def register(store: Store, made: Made, clock: FixedClock) -> Callable[..., str]:
    def register(duns: str, stem: str, **uses: bool) -> str:
        return companies.register_certificate(
            store, duns=duns, content=made.pem(stem), authorities=[], environment="sandbox", actor="operator:test",
            clock=clock, **{"for_tls": True, "for_signing": True, **uses},
        )  # fmt: skip

    return register


@pytest.fixture
def two_companies(store: Store, clock: FixedClock) -> Store:
    """Pecan Energy, a REP with two DUNS numbers, and Gulf Insights, a third party."""
    for name, kind, duns in (("Pecan Energy", "REP", [PECAN, PECAN_2]), ("Gulf Insights", "CSP", [GULF])):
        companies.add_company(
            store, legal_name=name, kind=kind, email="it@example.com", duns=duns, actor="operator:test", clock=clock
        )
    return store
