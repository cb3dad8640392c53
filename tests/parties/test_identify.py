"""P0, P1, P2, P6, P10: a request is from a company only if both certificates and the DUNS number are that company's."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update
from two_companies import GULF, PECAN, PECAN_2, REAL_NOW

from smt_ws.parties import companies, errors
from smt_ws.parties.certificates import fingerprint
from smt_ws.parties.identify import certificate_by_issuer, identify, is_registered_for_tls
from smt_ws.parties.tables import company_certificate


@pytest.fixture
def who(two_companies, made, register):
    """Pecan has a TLS and a signing certificate, Gulf one for both."""
    register(PECAN, "pecan-tls", for_signing=False)
    register(PECAN, "pecan-signing", for_tls=False)
    register(GULF, "gulf")

    def ask(tls="pecan-tls", signing="pecan-signing", duns=PECAN, requester_type="REP", now=REAL_NOW, **values):
        with two_companies.read() as connection:
            return identify(
                connection,
                tls_certificate=made.der(tls),
                signing_certificate=made[signing].certificate if signing else None,
                duns=duns,
                requester_type=requester_type,
                now=now,
                **{"environment": "sandbox", "address": "192.0.2.7", **values},
            )

    return ask


def test_the_company_of_both_certificates_and_the_duns_is_the_caller_p1(who, made):
    caller = who()
    assert (caller.legal_name, caller.kind, caller.duns) == ("Pecan Energy", "REP", PECAN)
    assert caller.duns_numbers == (PECAN, PECAN_2)
    assert caller.tls_sha256 == fingerprint(made["pecan-tls"].certificate)
    assert caller.signing_sha256 == fingerprint(made["pecan-signing"].certificate)
    assert who(duns=PECAN_2).duns == PECAN_2
    assert who(tls="gulf", signing="gulf", duns=GULF, requester_type="CSP").legal_name == "Gulf Insights"


def test_a_connection_alone_names_its_company_where_it_is_the_only_one(who):
    caller = who(signing=None, duns=None, requester_type=None)
    assert (caller.duns, caller.kind, caller.signing_sha256) == (PECAN, "REP", None)


REFUSED = {
    "unknown TLS certificate": ({"tls": "stranger"}, errors.TlsCertificateUnknownError),
    "signing certificate used for TLS": ({"tls": "pecan-signing"}, errors.TlsCertificateUnknownError),
    "unknown signing certificate": ({"signing": "stranger"}, errors.SigningCertificateUnknownError),
    "TLS certificate used for signing": ({"signing": "pecan-tls"}, errors.SigningCertificateUnknownError),
    "captured, sent over another's TLS": ({"signing": "gulf"}, errors.SigningCertificateOfAnotherCompanyError),
    "unknown DUNS": ({"duns": "999999999"}, errors.DunsUnknownError),
    "empty DUNS": ({"duns": ""}, errors.DunsUnknownError),
    "another company's DUNS": ({"duns": GULF}, errors.DunsNotYoursError),
    "another kind": ({"requester_type": "TDSP"}, errors.RequesterTypeMismatchError),
    "expired TLS": ({"now": REAL_NOW + timedelta(days=800)}, errors.TlsCertificateExpiredError),
    "TLS not yet valid": ({"now": REAL_NOW - timedelta(days=300)}, errors.TlsCertificateNotYetValidError),
    "sample in production": ({"environment": "production"}, errors.SampleCertificateError),
}


@pytest.mark.parametrize(("asked", "refusal"), REFUSED.values(), ids=REFUSED.keys())
def test_everything_that_does_not_fit_is_refused_with_a_code_of_its_own_p1(who, asked, refusal):
    with pytest.raises(errors.IdentityError) as told:
        who(**asked)
    assert type(told.value) is refusal
    assert str(told.value).endswith(".")


def test_presented_and_expected_name_subject_and_fingerprint(who, made):
    with pytest.raises(errors.SigningCertificateUnknownError) as told:
        who(signing="stranger")
    assert told.value.presented == f"{made['stranger'].certificate.subject.rfc4514_string()}, SHA-256 " + fingerprint(
        made["stranger"].certificate
    )
    assert fingerprint(made["pecan-signing"].certificate) in told.value.expected
    with pytest.raises(errors.DunsNotYoursError) as told:
        who(duns=GULF)
    assert (told.value.presented, told.value.expected) == (GULF, f"one of {PECAN}, {PECAN_2}")


@pytest.mark.parametrize(
    ("starts", "refusal"),
    [
        (REAL_NOW - timedelta(days=40), errors.SigningCertificateExpiredError),
        (REAL_NOW + timedelta(days=40), errors.SigningCertificateNotYetValidError),
    ],
)
def test_a_signing_certificate_outside_its_validity_is_refused(who, made, store, starts, refusal):
    stem = f"dated-{starts:%Y%m%d}"
    made.by_stem.setdefault(stem, made.authority.issue(stem, stem, starts=starts, lasts=timedelta(days=30)))
    # Registered while it was good; only its dates are another's.
    certificate = made[stem].certificate
    with store.write() as connection:
        connection.execute(
            update(company_certificate)
            .where(company_certificate.c.sha256 == fingerprint(made["pecan-signing"].certificate))
            .values(
                sha256=fingerprint(certificate),
                not_before=certificate.not_valid_before_utc,
                not_after=certificate.not_valid_after_utc,
            )
        )
    with pytest.raises(refusal):
        who(signing=stem)


def test_a_withdrawal_holds_from_the_next_request_on(who, made, store, operator):
    who()
    signing = fingerprint(made["pecan-signing"].certificate)
    companies.withdraw_certificate(store, duns=PECAN, sha256=signing, **vars(operator))
    with pytest.raises(errors.SigningCertificateWithdrawnError):
        who()
    tls = fingerprint(made["pecan-tls"].certificate)
    with store.read() as connection:
        assert is_registered_for_tls(connection, tls)
    colons = ":".join(tls[i : i + 2] for i in range(0, 64, 2)).upper()
    companies.withdraw_certificate(store, duns=PECAN_2, sha256=colons, **vars(operator))
    with pytest.raises(errors.TlsCertificateWithdrawnError):
        who()
    with store.read() as connection:
        assert not is_registered_for_tls(connection, tls), "from now on it is told the code alone"


def test_a_suspension_holds_from_the_next_request_on_and_is_lifted_p10(who, store, operator):
    companies.suspend(store, duns=PECAN_2, **vars(operator))
    with pytest.raises(errors.CompanySuspendedError):
        who()
    companies.resume(store, duns=PECAN, **vars(operator))
    assert who().legal_name == "Pecan Energy"


def test_a_service_provider_acts_for_the_company_whose_duns_it_names_p0(who, register, made, store, operator):
    register(PECAN, "provider")
    register(GULF, "provider", service_provider=True)
    pecan = who(tls="provider", signing="provider")
    gulf = who(tls="provider", signing="provider", duns=GULF, requester_type="CSP")
    assert (pecan.legal_name, gulf.legal_name) == ("Pecan Energy", "Gulf Insights")
    assert gulf.duns_numbers == (GULF,)
    with pytest.raises(errors.DunsMissingError):
        who(tls="provider", signing="provider", duns=None)
    with pytest.raises(errors.SigningCertificateOfAnotherCompanyError):
        who(tls="provider", signing="pecan-signing", duns=GULF, requester_type="CSP")
    # One client's withdrawal is not the other's.
    sha256 = fingerprint(made["provider"].certificate)
    companies.withdraw_certificate(store, duns=PECAN, sha256=sha256, **vars(operator))
    with pytest.raises(errors.TlsCertificateWithdrawnError):
        who(tls="provider", signing="provider")
    assert who(tls="provider", signing="provider", duns=GULF, requester_type="CSP").legal_name == "Gulf Insights"


@pytest.mark.parametrize(("said", "kind"), [("REP", "REP"), ("ROR", "REP"), ("CSP", "CSP"), (None, "REP")])
def test_a_rep_is_a_ror_too_and_acts_as_a_third_party_where_it_says_so_p6(who, said, kind):
    assert who(requester_type=said).kind == kind


def test_two_certificates_are_good_at_once_so_that_one_can_follow_the_other(who, register):
    register(PECAN, "pecan-next")
    assert who(tls="pecan-next", signing="pecan-next").legal_name == who().legal_name


def test_a_signing_certificate_is_found_by_issuer_and_serial_number(who, made, store):
    certificate = made["pecan-signing"].certificate
    issuer = certificate.issuer.rfc4514_string()
    with store.read() as connection:
        assert certificate_by_issuer(connection, issuer, certificate.serial_number) == certificate
        assert certificate_by_issuer(connection, issuer, 1) is None
        assert certificate_by_issuer(connection, issuer, made["pecan-tls"].certificate.serial_number) is None
        assert not is_registered_for_tls(connection, fingerprint(certificate))


def test_every_refusal_has_a_code_and_a_sentence_that_says_what_to_do():
    classes = [c for c in vars(errors).values() if isinstance(c, type) and c.__module__ == errors.__name__]
    codes = [c.code for c in classes]
    assert len(codes) == len(set(codes)) >= 20
    for one in classes:
        assert one.code.isupper()
        assert one.sentence().endswith(".")
    assert sorted(errors.__all__) == sorted(c.__name__ for c in classes)
