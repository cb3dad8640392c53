"""P2 and the help desk's top topic: every check that a connection would run, each with its own result."""

from __future__ import annotations

import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from two_companies import PECAN, REAL_NOW

from smt_ws.cli.check_certificate import check_certificate as command
from smt_ws.cli.company import company as company_command
from smt_ws.hub import Hub
from smt_ws.parties import companies, errors
from smt_ws.parties.certificates import (
    SAMPLE_EXTENSION,
    SAMPLE_ORGANIZATION,
    check_certificate,
    fingerprint,
    is_sample,
    read_certificates,
    trusted_by,
)
from smt_ws.sandbox.certificates import PKCS12_PASSWORD, file_stem, make_sample_certificates
from smt_ws.settings import Settings


def results(content, made=None, store=None, environment="sandbox", now=REAL_NOW, **values):
    authorities = [made.authority.own.certificate] if made else []
    checks = check_certificate(
        content, store=store, environment=environment, now=now, **{"authorities": authorities, **values}
    )
    return {check.name: check.result for check in checks}


def plain(key=None, *extensions, organization="Real Energy", begin=REAL_NOW - timedelta(days=1), days=365, names=True):
    """A self-signed certificate that is no sample."""
    key = key or rsa.generate_private_key(public_exponent=65537, key_size=2048)
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)]
    if names:
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, "soap.real.example"))
    name = x509.Name(attributes)
    builder = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin).not_valid_after(begin + timedelta(days=days))
    )  # fmt: skip
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, SHA256())


#: A day before the command is run, which asks the machine's own clock.
SERVED_FROM = datetime.now(UTC) - timedelta(days=1)


def pem(certificate):
    return certificate.public_bytes(Encoding.PEM)


def test_a_good_registered_certificate_passes_every_check(made, two_companies, register):
    register(PECAN, "pecan-tls")
    found = results(made.pem("pecan-tls"), made, two_companies)
    assert found.pop("revocation") == "not_applicable"
    assert set(found.values()) == {"passed"}
    assert set(found) == {
        "readable", "version", "validity", "key", "signature algorithm", "key usage", "extended key usage", "host name",
        "self-signed", "not an authority", "sample", "chain", "registered",
    }  # fmt: skip
    assert results(made.der("pecan-tls"), made, two_companies)["readable"] == "passed"


CASES = {
    "expired": (lambda: plain(days=0.5), {"validity": "failed"}),
    "not yet valid": (lambda: plain(begin=REAL_NOW + timedelta(days=1)), {"validity": "failed"}),
    "ends soon": (lambda: plain(days=20), {"validity": "warning"}),
    "short RSA key": (lambda: plain(rsa.generate_private_key(65537, 1024)), {"key": "failed"}),
    "elliptic curve": (lambda: plain(ec.generate_private_key(ec.SECP256R1())), {"key": "warning"}),
    "for servers only": (
        lambda: plain(None, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])),
        {"extended key usage": "warning"},
    ),
    "may not sign": (
        lambda: plain(None, x509.KeyUsage(False, False, True, False, False, False, False, False, False)),
        {"key usage": "failed"},
    ),
    "nobody's name": (lambda: plain(names=False), {"host name": "warning"}),
    "named in the extension": (
        lambda: plain(None, x509.SubjectAlternativeName([x509.DNSName("a.example")]), names=False),
        {"host name": "passed"},
    ),
    "self-signed": (plain, {"self-signed": "warning", "chain": "warning", "sample": "passed"}),
}


@pytest.mark.parametrize(("make", "expected"), CASES.values(), ids=CASES.keys())
def test_each_check_fails_by_itself(make, expected):
    found = results(pem(make()))
    assert {name: found[name] for name in expected} == expected


def test_production_wants_a_known_authority_and_no_sample_p2(made):
    own = results(pem(plain()), environment="production")
    assert (own["self-signed"], own["chain"]) == ("failed", "failed")
    sample = results(made.pem("pecan-tls"), made, environment="production")
    assert (sample["sample"], sample["chain"]) == ("failed", "passed")


def test_each_of_the_two_marks_is_enough_p2(made):
    assert is_sample(made["pecan-tls"].certificate)
    assert is_sample(made.authority.own.certificate)
    assert is_sample(plain(organization=SAMPLE_ORGANIZATION))
    assert is_sample(plain(None, x509.UnrecognizedExtension(SAMPLE_EXTENSION, b"\x05\x00")))
    assert not is_sample(plain())


def test_another_authoritys_certificate_and_one_with_its_chain(made, tmp_path):
    other = make_sample_certificates(tmp_path, {"Stranger": "999999999"}, now=REAL_NOW)["Stranger"][0]
    assert results(pem(other.certificate), made)["chain"] == "failed"
    with_issuer = pem(other.certificate) + (tmp_path / "ca.crt").read_bytes()
    assert results(with_issuer, made)["chain"] == "failed", "a chain brought along is no trust"
    assert results(with_issuer, authorities=read_certificates((tmp_path / "ca.crt").read_bytes()))["chain"] == "passed"


def test_a_revoked_certificate_and_an_expired_list(made):
    def crl(*revoked, ends=timedelta(days=1)):
        own = made.authority.own
        builder = (
            x509.CertificateRevocationListBuilder().issuer_name(own.certificate.subject)
            .last_update(REAL_NOW - timedelta(days=2)).next_update(REAL_NOW + ends)
        )  # fmt: skip
        for certificate in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number)
            builder = builder.add_revoked_certificate(entry.revocation_date(REAL_NOW - timedelta(days=1)).build())
        return builder.sign(own.key, SHA256())

    content, certificate = made.pem("pecan-tls"), made["pecan-tls"].certificate
    assert results(content, made, crls=[crl()])["revocation"] == "passed"
    assert results(content, made, crls=[crl(certificate)])["revocation"] == "failed"
    late = crl(ends=-timedelta(hours=1))
    assert results(content, made, crls=[late])["revocation"] == "failed"
    assert results(content, made, crls=[late], when_crl_expired="serve")["revocation"] == "warning"
    gone = crl(certificate, ends=-timedelta(hours=1))
    assert results(content, made, crls=[gone], when_crl_expired="serve")["revocation"] == "failed"
    assert results(content, crls=[crl()])["revocation"] == "failed", "signed by no authority that is known here"


def test_whose_it_is_withdrawn_and_suspended_p10(made, two_companies, register, operator):
    assert results(made.pem("stranger"), made, two_companies)["registered"] == "failed"
    sha256 = register(PECAN, "pecan-tls")
    companies.withdraw_certificate(two_companies, duns=PECAN, sha256=sha256, **vars(operator))
    companies.suspend(two_companies, duns=PECAN, **vars(operator))
    found = results(made.pem("pecan-tls"), made, two_companies)
    assert (found["registered"], found["withdrawn"], found["suspended"]) == ("passed", "failed", "failed")


@pytest.mark.parametrize(
    "content", [b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"x" * 300_000]
)
def test_what_is_no_certificate_is_said_to_be_none(content):
    assert results(content) == {"readable": "failed"}


def test_a_private_key_is_never_taken_for_a_certificate(made):
    both = made.pem("pecan-tls") + made["pecan-tls"].key_file.read_bytes()
    (check,) = check_certificate(both, store=None, authorities=[], now=REAL_NOW, environment="sandbox")
    assert check.result == "failed"
    assert "make a new key" in check.detail


# The faces


@pytest.fixture
def hub(two_companies, clock, made, tmp_path):
    tls = {"client_authorities": made.folder / "ca.crt"}
    return Hub(settings=Settings(tls=tls, database="sqlite:///unused.db"), store=two_companies, clock=clock)


def test_the_command_prints_every_check_and_its_exit_code_tells(hub, made, register):
    file = str(made["pecan-tls"].certificate_file)
    refused = CliRunner().invoke(command, [file], obj=hub)
    assert refused.exit_code == 1
    assert "1 failed" in refused.output
    register(PECAN, "pecan-tls")
    passed = CliRunner().invoke(command, [file], obj=hub)
    assert passed.exit_code == 0, passed.output
    assert "A connection with this certificate would pass." in passed.output
    assert "Pecan Energy" in passed.output
    assert fingerprint(made["pecan-tls"].certificate) in "".join(
        line.split("│")[3].strip() for line in passed.output.splitlines() if line.count("│") == 4
    )


def test_a_right_server_certificate_is_not_called_failed(hub, made, tmp_path):
    """The hub's own, or that of a TDSP's service: nobody connects with it, so no company has registered it."""
    file = tmp_path / "server.crt"
    file.write_bytes(pem(plain(None, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), begin=SERVED_FROM)))
    told = CliRunner().invoke(command, [str(file)], obj=hub)
    assert told.exit_code == 0, told.output
    assert "A good certificate for a server" in told.output
    assert "failed" not in told.output
    expired = pem(plain(None, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), begin=SERVED_FROM, days=0.5))
    file.write_bytes(expired)
    told = CliRunner().invoke(command, [str(file)], obj=hub)
    assert told.exit_code == 1
    assert "a client would not trust it" in told.output


def test_a_company_is_registered_from_the_command_line(hub, made):
    def run(*arguments, **values):
        done = CliRunner().invoke(company_command, list(arguments), obj=hub, **values)
        assert done.exit_code == 0, done.output
        return done.output

    run("add", "Lone Star [Power]", "--kind", "TDSP", "--duns", "957877905", "--email", "it@lone.example")
    run("certificate", "add", "957877905", str(made["pecan-tls"].certificate_file), "--tls")
    run("password", "957877905", input="correct horse battery\ncorrect horse battery\n")
    shown = run("show", "957877905")
    assert "Lone Star [Power]" in shown
    assert "FTPS password set" in shown
    assert fingerprint(made["pecan-tls"].certificate) in shown
    run("suspend", "957877905")
    assert "suspended" in run("list")
    run("resume", "957877905")
    run("certificate", "withdraw", "957877905", fingerprint(made["pecan-tls"].certificate))
    assert "withdrawn" in run("show", "957877905")


def test_sample_certificates_come_as_pem_and_pkcs12_with_private_keys_private(tmp_path):
    script = Path(__file__).parents[2] / "certs-sample" / "make_certs.py"
    out = tmp_path / "certs"
    arguments = ["--out", str(out), "--company", "Pecan Energy, Inc.:111111111"]
    subprocess.run([sys.executable, str(script), *arguments], check=True, capture_output=True)
    stems = {"hub-tls", "hub-signing", "pecan-energy-inc-tls", "pecan-energy-inc-signing"}
    endings = ("crt", "key", "p12")
    assert {file.name for file in out.iterdir()} == {f"{s}.{e}" for s in stems for e in endings} | {"ca.crt", "ca.key"}
    for secret in [*out.glob("*.key"), *out.glob("*.p12")]:
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    (certificate,) = read_certificates((out / "pecan-energy-inc-tls.crt").read_bytes())
    key, held, _ = pkcs12.load_key_and_certificates(
        (out / "pecan-energy-inc-tls.p12").read_bytes(), PKCS12_PASSWORD.encode()
    )
    assert held == certificate
    assert key.public_key() == certificate.public_key()
    (server,) = read_certificates((out / "hub-tls.crt").read_bytes())
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]

    authority = (out / "ca.crt").read_bytes()
    subprocess.run(
        [sys.executable, str(script), "--out", str(out), "--company", "Gulf:222222222"], check=True, capture_output=True
    )
    assert (out / "ca.crt").read_bytes() == authority
    assert (out / "gulf-tls.crt").exists()
    wrong = subprocess.run(
        [sys.executable, str(script), "--out", str(out), "--company", "Gulf:22"], capture_output=True, text=True
    )
    assert wrong.returncode == 2
    assert "NAME:DUNS" in wrong.stderr


@pytest.mark.parametrize(
    ("name", "stem"), [("Pecan Energy, Inc.", "pecan-energy-inc"), ("../../x", "x"), ("№", "company")]
)
def test_a_companys_name_makes_a_safe_file_name(name, stem):
    assert file_stem(name) == stem


def test_a_revoked_certificate_is_not_registered_and_a_late_list_keeps_nobody_from_it(two_companies, made, operator):
    own = made.authority.own

    def register(stem, *, revoked, ends):
        entry = x509.RevokedCertificateBuilder().serial_number(made[revoked].certificate.serial_number)
        builder = x509.CertificateRevocationListBuilder().issuer_name(own.certificate.subject)
        builder = builder.add_revoked_certificate(entry.revocation_date(REAL_NOW).build())
        crl = builder.last_update(REAL_NOW - timedelta(days=2)).next_update(REAL_NOW + ends).sign(own.key, SHA256())
        return companies.register_certificate(
            two_companies, duns=PECAN, content=made.pem(stem), for_tls=True, for_signing=True,
            authorities=[own.certificate], crls=[crl], environment="sandbox", **vars(operator),
        )  # fmt: skip

    for ends in (timedelta(days=1), -timedelta(hours=1)):
        with pytest.raises(errors.CertificateRefusedError, match="revoked on"):
            register("pecan-tls", revoked="pecan-tls", ends=ends)
        assert register("pecan-tls", revoked="gulf", ends=ends) == fingerprint(made["pecan-tls"].certificate)


def test_what_the_settings_trust_is_read_together(made, tmp_path):
    tls = Settings(tls={"client_authorities": made.folder / "ca.crt"}).tls
    assert trusted_by(tls) == ([made.authority.own.certificate], [])
    assert trusted_by(tls.model_copy(update={"client_authorities": tmp_path / "none"})) == ([], [])
    (tmp_path / "torn.pem").write_text("torn")
    with pytest.raises(errors.CertificateUnreadableError):
        trusted_by(tls.model_copy(update={"crl": tmp_path / "torn.pem"}))


def test_an_authoritys_certificate_is_no_companys(made):
    authority = made.authority.own.certificate
    marked = x509.BasicConstraints(ca=True, path_length=None)
    self_signed = results(pem(plain(None, marked)), made)
    assert self_signed["not an authority"] == "warning", "OpenSSL marks self-signed ones so unless it is told not to"
    assert results(pem(authority), made)["not an authority"] == "failed"
    intermediate = made.authority.issue("intermediate", "intermediate").certificate
    assert results(pem(intermediate), made)["not an authority"] == "passed"
