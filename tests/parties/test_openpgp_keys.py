"""``smt-ws company key``: what becomes of a key is one sentence that says what to do (P4)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from adapters import openpgp
from smt_ws.cli.company import key
from smt_ws.clock import FixedClock, real_now
from smt_ws.hub import Hub
from smt_ws.parties import companies
from smt_ws.settings import Settings
from smt_ws.store.engine import Store

KEYS = Path(__file__).with_name("openpgp_keys")
DUNS = "111111111"


@pytest.fixture
def set_key(store: Store, clock: FixedClock) -> Callable[[Path], Result]:
    companies.add_company(
        store, legal_name="Pecan", kind="REP", email="it@pecan.example", duns=(DUNS,), actor="test", clock=clock
    )
    hub = Hub(settings=Settings(), store=store, clock=clock)
    return lambda file: CliRunner().invoke(key, [DUNS, str(file)], obj=hub, catch_exceptions=False)


@pytest.mark.parametrize(
    ("name", "cause", "todo"),
    [
        ("signed_with_sha1", "SHA1 is not considered secure", "gpg --quick-set-expire"),
        ("rsa_1024", "RSA1024 is not considered secure", "make a new key (RSA of 3072 bits, or Curve25519)"),
    ],
)
def test_p4_a_key_that_is_too_weak_is_refused_in_one_sentence(
    set_key: Callable[[Path], Result], store: Store, name: str, cause: str, todo: str
) -> None:
    result = set_key(KEYS / f"{name}.asc")
    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    assert result.output.startswith("Error: OPENPGP_CERTIFICATE_TOO_WEAK: key ")
    assert cause in result.output
    assert todo in result.output
    assert companies.find_company(store, DUNS).openpgp_certificate is None


@pytest.mark.parametrize("name", ["ended_subkey", "two_subkeys"])
def test_p4_a_key_with_one_good_encryption_subkey_is_taken(set_key: Callable[[Path], Result], name: str) -> None:
    result = set_key(KEYS / f"{name}.asc")
    assert result.exit_code == 0
    assert result.output.startswith("Results are encrypted to ")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.encode("utf-16"),
        lambda text: text.replace("\n", "\r\n").encode("utf-16"),
        lambda text: ("\n\n" + text.replace("\n", "\r\n")).encode(),
    ],
)
def test_p4_a_key_is_taken_as_editors_and_powershell_write_it(
    set_key: Callable[[Path], Result], tmp_path: Path, change: Callable[[str], bytes]
) -> None:
    file = tmp_path / "key.asc"
    file.write_bytes(change((KEYS / "two_subkeys.asc").read_text()))
    assert set_key(file).exit_code == 0


def test_p4_a_key_that_has_become_too_weak_is_described_as_of_no_use() -> None:
    for name in ("signed_with_sha1", "rsa_1024"):
        info = openpgp.describe_certificate((KEYS / f"{name}.asc").read_text(), now=real_now())
        assert (info.can_encrypt, info.expires) == (False, None)


@pytest.mark.parametrize(
    "said",
    [
        "Policy rejected packet type",
        "Policy rejected symmetric encryption algorithm",
        "Missing session key: No session key decrypted",
        "No key to decrypt message",
    ],
)
def test_u2_a_tdsp_is_told_what_to_encrypt_with(said: str) -> None:
    assert openpgp.advice_to_sender(said).startswith(f"{said}; send AES with MDC")
    assert openpgp.advice_to_sender("Manipulated message") == "Manipulated message"
