"""P0, P4, P7, P10: registering companies and what belongs to them, each change with its line in the audit log."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from sqlalchemy import select
from two_companies import GULF, PECAN, PECAN_2, REAL_NOW

from adapters import openpgp
from smt_ws.parties import companies, errors, ftps_accounts
from smt_ws.parties.certificates import fingerprint
from smt_ws.parties.tables import company_duns
from smt_ws.store.tables import audit_log

PASSWORD = "correct horse battery"


def events(store):
    with store.read() as connection:
        return [
            (row.event, row.actor, row.object) for row in connection.execute(select(audit_log).order_by(audit_log.c.id))
        ]


def test_a_company_has_one_or_more_duns_numbers_and_each_names_it_p0(two_companies, operator):
    by_one, by_other = (companies.find_company(two_companies, duns) for duns in (PECAN, PECAN_2))
    assert by_one == by_other
    assert (by_one.legal_name, by_one.kind, list(by_one.duns)) == ("Pecan Energy", "REP", [PECAN, PECAN_2])
    companies.add_duns(two_companies, company_duns_number=PECAN, duns="333333333", **vars(operator))
    assert list(companies.find_company(two_companies, "333333333").duns) == [PECAN, PECAN_2, "333333333"]
    assert [one.legal_name for one in companies.companies(two_companies)] == ["Gulf Insights", "Pecan Energy"]
    with pytest.raises(errors.CompanyUnknownError):
        companies.find_company(two_companies, "000000000")


@pytest.mark.parametrize(
    ("values", "refusal"),
    [
        ({"legal_name": "Pecan Energy"}, errors.CompanyExistsError),
        ({"legal_name": " "}, errors.InvalidCompanyError),
        ({"legal_name": "Two\nLines"}, errors.InvalidCompanyError),
        ({"kind": "BANK"}, errors.InvalidCompanyError),
        ({"email": "nobody"}, errors.InvalidCompanyError),
        ({"email": "a@b.example\nBcc: c@d.example"}, errors.InvalidCompanyError),
        ({"duns": []}, errors.InvalidCompanyError),
        ({"duns": ["12345"]}, errors.InvalidCompanyError),
        ({"duns": ["444444444", GULF]}, errors.DunsTakenError),
        ({"duns": ["444444444", "444444444"]}, errors.DunsTakenError),
        ({"csv_profile": "excel"}, errors.InvalidCompanyError),
    ],
)
def test_what_does_not_fit_is_refused_whole(two_companies, operator, values, refusal):
    before = events(two_companies)
    particulars = {"legal_name": "New", "kind": "REP", "email": "a@b.example", "duns": ["444444444"], **values}
    with pytest.raises(refusal):
        companies.add_company(two_companies, **particulars, **vars(operator))
    assert events(two_companies) == before
    with pytest.raises(errors.CompanyUnknownError):
        companies.find_company(two_companies, "444444444")


def test_name_and_email_can_be_changed_and_are_audited_p0_p7(two_companies, operator):
    companies.change_company(two_companies, duns=PECAN, email="data@pecan.example", **vars(operator))
    companies.change_company(two_companies, duns=PECAN_2, legal_name=" Pecan of Texas ", **vars(operator))
    companies.change_company(two_companies, duns=PECAN, legal_name="Pecan of Texas", **vars(operator))  # its own
    changed = companies.find_company(two_companies, PECAN)
    assert (changed.legal_name, changed.email) == ("Pecan of Texas", "data@pecan.example")
    assert [event for event, _, _ in events(two_companies)][-3:] == ["company:change:done"] * 3
    with two_companies.read() as connection:
        assert connection.scalars(select(audit_log.c.details).order_by(audit_log.c.id)).all()[-3:] == [
            {"changed": ["email"]}, {"changed": ["legal_name"]}, {"changed": ["legal_name"]}
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "refusal"),
    [
        ({}, errors.InvalidCompanyError),
        ({"legal_name": "Gulf Insights"}, errors.CompanyExistsError),
        ({"legal_name": ""}, errors.InvalidCompanyError),
        ({"email": ""}, errors.InvalidCompanyError),
        ({"email": "good@pecan.example", "legal_name": "Two\nLines"}, errors.InvalidCompanyError),
        ({"duns": "000000000", "email": "good@pecan.example"}, errors.CompanyUnknownError),
    ],
)
def test_a_change_that_does_not_fit_changes_nothing(two_companies, operator, values, refusal):
    before = companies.find_company(two_companies, PECAN), events(two_companies)
    with pytest.raises(refusal):
        companies.change_company(two_companies, **({"duns": PECAN} | values), **vars(operator))
    assert (companies.find_company(two_companies, PECAN), events(two_companies)) == before


def test_every_change_is_in_the_audit_log_and_no_secret_p7(two_companies, operator, register, made):
    register(PECAN, "pecan-tls")
    sha256 = fingerprint(made["pecan-tls"].certificate)
    companies.withdraw_certificate(two_companies, duns=PECAN, sha256=sha256, **vars(operator))
    ftps_accounts.set_ftps_password(two_companies, duns=PECAN, password=PASSWORD, **vars(operator))
    companies.set_csv_profile(two_companies, duns=PECAN, csv_profile="smt", **vars(operator))
    companies.suspend(two_companies, duns=PECAN, **vars(operator))
    companies.resume(two_companies, duns=PECAN, **vars(operator))
    told = events(two_companies)
    assert [event for event, _, _ in told] == [
        "company:add:done", "company:add:done", "certificate:add:done", "certificate:withdraw:done",
        "ftps:password:changed", "company:change:done", "company:suspend:done", "company:resume:done",
    ]  # fmt: skip
    assert {actor for _, actor, _ in told} == {"operator:test"}
    assert {thing for _, _, thing in told[2:]} == {told[0][2]}
    with two_companies.read() as connection:
        assert PASSWORD not in str(connection.execute(select(audit_log)).all())


def test_a_failed_change_leaves_no_line(two_companies, operator):
    before = events(two_companies)
    with pytest.raises(errors.CertificateNotRegisteredError):
        companies.withdraw_certificate(two_companies, duns=PECAN, sha256="ab" * 32, **vars(operator))
    with pytest.raises(errors.CompanyUnknownError):
        companies.suspend(two_companies, duns="000000000", **vars(operator))
    assert events(two_companies) == before


@pytest.mark.parametrize("password", ["", "short", "x" * 11, "x" * 129, "twelve chars\n"])
def test_a_weak_password_is_refused_p4(two_companies, operator, password):
    with pytest.raises(errors.WeakPasswordError):
        ftps_accounts.set_ftps_password(two_companies, duns=PECAN, password=password, **vars(operator))
    assert ftps_accounts.ftps_account(two_companies, PECAN) is None


def test_an_ftps_account_opens_with_the_duns_numbers_own_password_only_p4(two_companies, operator):
    ftps_accounts.set_ftps_password(two_companies, duns=PECAN, password=PASSWORD, **vars(operator))
    account = ftps_accounts.ftps_account(two_companies, PECAN)
    assert (account.duns, account.kind) == (PECAN, "REP")
    assert account.verify_password(PASSWORD)
    assert not account.verify_password(PASSWORD + "!")
    assert not account.verify_password("")
    assert ftps_accounts.ftps_account(two_companies, PECAN_2) is None
    assert ftps_accounts.ftps_account(two_companies, "000000000") is None
    with two_companies.read() as connection:
        kept = connection.scalar(select(company_duns.c.ftps_password_hash).where(company_duns.c.duns == PECAN))
    assert kept.startswith("$argon2id$")


def test_an_ftps_account_takes_the_companys_good_tls_certificates_only_p4(two_companies, operator, register, made):
    ftps_accounts.set_ftps_password(two_companies, duns=PECAN, password=PASSWORD, **vars(operator))
    good = register(PECAN, "pecan-tls")
    register(PECAN, "pecan-signing", for_tls=False)
    register(GULF, "gulf")
    gone = register(PECAN, "pecan-next")
    companies.withdraw_certificate(two_companies, duns=PECAN, sha256=gone, **vars(operator))

    def taken(now: datetime) -> frozenset[str]:
        return ftps_accounts.ftps_account(two_companies, PECAN, now=now).certificate_sha256s

    assert taken(REAL_NOW) == {good}
    assert taken(REAL_NOW + timedelta(days=1000)) == frozenset()
    assert taken(REAL_NOW - timedelta(days=1)) == frozenset()
    companies.suspend(two_companies, duns=PECAN_2, **vars(operator))
    assert ftps_accounts.ftps_account(two_companies, PECAN) is None


def test_registering_again_sets_the_uses_and_lifts_a_withdrawal(two_companies, operator, register):
    sha256 = register(PECAN, "pecan-tls")
    companies.withdraw_certificate(two_companies, duns=PECAN, sha256=sha256, **vars(operator))
    assert register(PECAN, "pecan-tls", for_signing=False) == sha256
    (held,) = companies.find_company(two_companies, PECAN).certificates
    assert (held.for_tls, held.for_signing, held.withdrawn_at) == (True, False, None)


def test_a_certificate_that_no_connection_would_take_is_not_registered(two_companies, operator, made):
    expired = made.authority.issue("expired", "expired", starts=REAL_NOW - timedelta(days=900))

    def add(content, **values):
        arguments = {"for_tls": True, "for_signing": True, "authorities": [], "environment": "sandbox", **values}
        return companies.register_certificate(two_companies, duns=PECAN, content=content, **arguments, **vars(operator))

    with pytest.raises(errors.CertificateRefusedError, match="validity"):
        add(expired.certificate_file.read_bytes())
    with pytest.raises(errors.CertificateRefusedError, match="sample"):
        add(made.pem("pecan-tls"), environment="production", authorities=[made.authority.own.certificate])
    with pytest.raises(errors.CertificateUnreadableError, match="private key"):
        add(made.pem("pecan-tls") + made["pecan-tls"].key_file.read_bytes())
    with pytest.raises(errors.CertificateUnreadableError):
        add(b"nonsense")
    with pytest.raises(errors.CertificateRefusedError):
        add(made.pem("pecan-tls"), for_tls=False, for_signing=False)
    assert companies.find_company(two_companies, PECAN).certificates == ()


def test_a_certificate_is_registered_only_for_what_it_can_do_and_to_whom_it_belongs(
    two_companies, operator, made, register
):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "soap.pecan.example")])
    of_ec = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(REAL_NOW).not_valid_after(REAL_NOW + timedelta(days=90)).sign(key, SHA256())
        .public_bytes(Encoding.PEM)
    )  # fmt: skip

    def add(duns, content, **values):
        arguments = {"for_tls": True, "for_signing": False, "authorities": [], "environment": "sandbox", **values}
        return companies.register_certificate(two_companies, duns=duns, content=content, **arguments, **vars(operator))

    with pytest.raises(errors.CertificateRefusedError, match="RSA keys only"):
        add(PECAN, of_ec, for_signing=True)
    assert add(PECAN, of_ec)
    own = made.authority.own.certificate
    with pytest.raises(errors.CertificateRefusedError, match="not an authority"):
        add(PECAN, own.public_bytes(Encoding.PEM), authorities=[own])
    register(PECAN, "pecan-tls")
    with pytest.raises(errors.CertificateOfAnotherError, match="It is Pecan Energy"):
        add(GULF, made.pem("pecan-tls"))
    assert companies.find_company(two_companies, GULF).certificates == ()
    add(GULF, made.pem("pecan-tls"), service_provider=True)
    assert len(companies.find_company(two_companies, GULF).certificates) == 1


def test_a_certificate_may_be_registered_before_its_first_day(two_companies, operator, made):
    later = made.authority.issue("later", "later", starts=REAL_NOW + timedelta(days=400))
    companies.register_certificate(
        two_companies, duns=PECAN, content=later.certificate_file.read_bytes(), for_tls=True, for_signing=False,
        authorities=[made.authority.own.certificate], environment="sandbox", **vars(operator),
    )  # fmt: skip
    assert len(companies.find_company(two_companies, PECAN).certificates) == 1


def test_results_are_encrypted_to_a_key_that_could_be_delivered_to_p4(two_companies, operator):
    secret, public = openpgp.make_key("Pecan Energy <it@pecan.example>")
    info = companies.set_openpgp_certificate(two_companies, duns=PECAN_2, armored=public, **vars(operator))
    assert info.user_ids == ("Pecan Energy <it@pecan.example>",)
    assert companies.find_company(two_companies, PECAN).openpgp_certificate == public
    with pytest.raises(openpgp.SecretKeyPresentedError):
        companies.set_openpgp_certificate(two_companies, duns=GULF, armored=secret, **vars(operator))
    assert companies.find_company(two_companies, GULF).openpgp_certificate is None
