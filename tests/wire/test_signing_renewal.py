"""The hub's signing key and certificate are replaced while it runs, in two steps, and no answer goes unsigned."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from throwaway_ca import Authority

from smt_ws.settings import Settings
from smt_ws.soap.trust import hooks_of


def test_between_the_new_certificate_and_its_key_the_earlier_pair_signs(tmp_path):
    ca = Authority("ca", tmp_path)
    first, second = ca.issue("signing"), ca.issue("renewed")
    settings = Settings.model_validate({"tls": {"signing_certificate": first.path, "signing_key": first.key_path}})
    signer = hooks_of(SimpleNamespace(settings=settings, store=None)).signer
    assert signer()[1] == first.certificate

    second.path.replace(first.path)
    for _ in range(2):
        key, certificate = signer()
        assert (certificate, key.public_key()) == (first.certificate, first.key.public_key())
    second.key_path.replace(first.key_path)
    key, certificate = signer()
    assert (certificate, key.public_key()) == (second.certificate, second.key.public_key())

    first.key_path.write_text("torn")
    assert signer()[1] == second.certificate
    first.path.unlink()
    assert signer()[1] == second.certificate


def test_files_that_do_not_fit_at_the_start_are_said_to_be_so(tmp_path):
    ca = Authority("ca", tmp_path)
    one, other = ca.issue("one"), ca.issue("other")
    settings = Settings.model_validate({"tls": {"signing_certificate": one.path, "signing_key": other.key_path}})
    with pytest.raises(ValueError, match="is not the RSA key of"):
        hooks_of(SimpleNamespace(settings=settings, store=None)).signer()
