"""What RFC 5280 asks of an authority's certificates: Python refuses those without it from 3.13 on."""

from __future__ import annotations

from cryptography import x509


def strictly_valid(builder: x509.CertificateBuilder, public, issuer_key, *, ca: bool) -> x509.CertificateBuilder:
    """Add key usage and both key identifiers to *builder*; *ca*: for the certificate of the authority itself."""
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only",
         "decipher_only"), False,
    )  # fmt: skip
    usage |= {"digital_signature": not ca, "key_cert_sign": ca, "crl_sign": ca}
    return (
        builder.add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
