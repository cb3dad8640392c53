"""R7, P4: results are encrypted to the requester's OpenPGP key; a key that cannot serve is refused with a reason."""

import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta

import pysequoia
import pytest
from pysequoia.packet import PacketPile, Tag

from adapters.openpgp import (
    CertificateExpiredError,
    CertificateRevokedError,
    DecryptionFailedError,
    EncryptionFailedError,
    NoEncryptionKeyError,
    OpenPGPError,
    SecretKeyPresentedError,
    UnreadableCertificateError,
    check_certificate,
    decrypt_file,
    describe_certificate,
    encrypt_file,
    make_key,
)

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def key() -> tuple[str, str]:
    return make_key("Lone Star Retail <files@lonestar.example>")


@pytest.fixture
def gpg(tmp_path):
    program = shutil.which("gpg")
    if not program:
        pytest.skip("gpg is not installed")
    home = tmp_path / "g"
    home.mkdir(mode=0o700)

    def run(*args: str, stdin: str | None = None) -> str:
        done = subprocess.run(
            [program, "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "", *args],
            input=stdin, capture_output=True, text=True, timeout=180, env={**os.environ, "GNUPGHOME": str(home)},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    yield run
    subprocess.run(["gpgconf", "--kill", "all"], env={**os.environ, "GNUPGHOME": str(home)}, timeout=180)


def armored_public(raw: bytes) -> str:
    return pysequoia.armor(raw, pysequoia.ArmorKind.PublicKey)


def test_a_good_certificate_is_described(key) -> None:
    info = check_certificate(key[1], now=NOW)
    assert info.user_ids == ("Lone Star Retail <files@lonestar.example>",)
    assert len(info.fingerprint) == 40
    assert info.expires is None
    assert info.can_encrypt
    assert describe_certificate(key[1], now=NOW) == info


def test_what_is_encrypted_to_the_certificate_only_its_key_opens(key, tmp_path) -> None:
    plain, secret, back = tmp_path / "a.zip", tmp_path / "a.asc", tmp_path / "b.zip"
    plain.write_bytes(os.urandom(3_000_000))
    encrypt_file(plain, secret, key[1], now=NOW)
    assert secret.read_bytes().startswith(b"-----BEGIN PGP MESSAGE-----\n")
    assert secret.read_bytes().rstrip().endswith(b"-----END PGP MESSAGE-----")
    decrypt_file(secret, back, key[0])
    assert back.read_bytes() == plain.read_bytes()
    other, _ = make_key("someone else")
    with pytest.raises(DecryptionFailedError):
        decrypt_file(secret, tmp_path / "c.zip", other)
    assert not (tmp_path / "c.zip").exists()


@pytest.mark.parametrize("where", [0.5, 0.9, 0.999])
def test_a_damaged_message_leaves_nothing(key, tmp_path, where: float) -> None:
    plain, secret, back = tmp_path / "a.zip", tmp_path / "a.asc", tmp_path / "b.zip"
    plain.write_bytes(os.urandom(200_000))
    encrypt_file(plain, secret, key[1], now=NOW)
    raw = bytearray(secret.read_bytes())
    at = int(len(raw) * where)
    while raw[at] in b"\n=-":
        at -= 1
    raw[at] = ord("A") if raw[at] != ord("A") else ord("B")
    secret.write_bytes(raw)
    with pytest.raises(DecryptionFailedError):
        decrypt_file(secret, back, key[0])
    assert not back.exists()
    secret.write_bytes(raw[: len(raw) // 2])
    with pytest.raises(DecryptionFailedError):
        decrypt_file(secret, back, key[0])
    assert not back.exists()


def test_a_secret_key_pasted_by_mistake_is_refused_and_not_repeated(key) -> None:
    with pytest.raises(SecretKeyPresentedError) as refused:
        check_certificate(key[0], now=NOW)
    assert "PRIVATE" not in str(refused.value)
    with pytest.raises(SecretKeyPresentedError):
        check_certificate(key[1] + key[0], now=NOW)
    with pytest.raises(UnreadableCertificateError, match="one armoured block"):
        check_certificate(key[1] + key[1], now=NOW)


@pytest.mark.parametrize(
    "text",
    [
        "", "hello", "x" * 300_000, "é",
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nxxxx\n-----END PGP PUBLIC KEY BLOCK-----\n",
    ],
    ids=["empty", "prose", "huge", "not-ascii", "broken"],
)  # fmt: skip
def test_text_that_is_no_certificate_is_refused_in_one_short_line(text: str) -> None:
    with pytest.raises(UnreadableCertificateError) as refused:
        check_certificate(text, now=NOW)
    assert len(str(refused.value)) < 300
    assert "\n" not in str(refused.value)


def test_a_truncated_certificate_and_two_in_one_text_are_refused(key) -> None:
    raw = bytes(pysequoia.Cert.from_bytes(key[1].encode()))
    with pytest.raises(OpenPGPError):
        check_certificate(armored_public(raw[: len(raw) // 2]), now=NOW)
    with pytest.raises(UnreadableCertificateError, match="exactly one"):
        check_certificate(armored_public(raw + raw), now=NOW)


def test_an_expired_certificate_is_refused_though_the_library_would_encrypt_to_it(tmp_path) -> None:
    key = pysequoia.Tsk.generate("old", validity_seconds=3600)
    certificate = str(key.extract_certificate())
    assert check_certificate(certificate, now=NOW).expires == key.extract_certificate().expiration
    later = NOW + timedelta(hours=2)
    plain = tmp_path / "a"
    plain.write_bytes(b"x")
    for use in (check_certificate, lambda text, *, now: encrypt_file(plain, tmp_path / "a.asc", text, now=now)):
        with pytest.raises(CertificateExpiredError):
            use(certificate, now=later)
    assert not (tmp_path / "a.asc").exists()
    assert not describe_certificate(certificate, now=later).can_encrypt


def test_a_revoked_certificate_is_refused() -> None:
    key = pysequoia.Tsk.generate("gone")
    certificate = key.extract_certificate()
    revoked = armored_public(bytes(certificate) + bytes(certificate.revoke(key.certifier())))
    with pytest.raises(CertificateRevokedError):
        check_certificate(revoked, now=NOW)
    assert describe_certificate(revoked, now=NOW).revoked


def test_a_certificate_without_encryption_subkey_is_refused(key) -> None:
    packets = list(PacketPile.from_bytes(key[1].encode()))
    first_subkey = next(at for at, packet in enumerate(packets) if packet.tag == Tag.PublicSubkey)
    signing_only = armored_public(b"".join(bytes(packet) for packet in packets[:first_subkey]))
    with pytest.raises(NoEncryptionKeyError):
        check_certificate(signing_only, now=NOW)


@pytest.mark.interop
def test_keys_made_by_gpg_are_judged_and_what_we_encrypt_gpg_opens(gpg, tmp_path) -> None:
    gpg("--quick-gen-key", "rsa@rep.example", "rsa2048", "sign,encrypt", "never")
    gpg("--quick-gen-key", "sign@rep.example", "ed25519", "sign", "never")
    with pytest.raises(NoEncryptionKeyError):
        check_certificate(gpg("--armor", "--export", "sign@rep.example"), now=NOW)
    certificate = gpg("--armor", "--export", "rsa@rep.example")
    assert check_certificate(certificate, now=NOW).can_encrypt
    plain, secret = tmp_path / "a", tmp_path / "a.asc"
    plain.write_bytes(os.urandom(500_000))
    encrypt_file(plain, secret, certificate, now=NOW)
    gpg("--output", str(tmp_path / "b"), "--decrypt", str(secret))
    assert (tmp_path / "b").read_bytes() == plain.read_bytes()


@pytest.mark.interop
def test_what_is_encrypted_to_a_sample_key_gpg_opens(gpg, key, tmp_path) -> None:
    """K1: a developer opens a sandbox's reports with the tool at hand. RFC 4880, features without version 2."""
    plain, sealed, opened = (tmp_path / name for name in ("plain", "plain.asc", "opened"))
    plain.write_bytes(b"ESIID,USAGE_DATE\n" * 5000)
    encrypt_file(plain, sealed, key[1], now=NOW)
    gpg("--import", stdin=key[0])
    gpg("--output", str(opened), "--decrypt", str(sealed))
    assert opened.read_bytes() == plain.read_bytes()


def test_an_expired_or_replaced_encryption_subkey_of_a_living_key_is_not_used(gpg, tmp_path) -> None:
    """A company that rotates its encryption subkey yearly keeps its primary key."""
    gpg("--quick-gen-key", "rot@rep.example", "ed25519", "sign", "never")
    fingerprint = next(
        line.split(":")[9] for line in gpg("--with-colons", "--list-keys").splitlines() if line[:3] == "fpr"
    )
    gpg("--quick-add-key", fingerprint, "cv25519", "encrypt", "1d")
    certificate = gpg("--armor", "--export", fingerprint)
    info = check_certificate(certificate, now=NOW)
    assert info.expires is not None
    assert timedelta(hours=23) < info.expires - NOW < timedelta(hours=25)
    tomorrow = NOW + timedelta(days=2)
    with pytest.raises(NoEncryptionKeyError):
        check_certificate(certificate, now=tomorrow)
    gpg("--quick-add-key", fingerprint, "cv25519", "encrypt", "1y")
    certificate = gpg("--armor", "--export", fingerprint)
    plain = tmp_path / "a"
    plain.write_bytes(b"x")

    def recipients(now: datetime) -> int:
        target = tmp_path / f"{now:%d}.asc"
        encrypt_file(plain, target, certificate, now=now)
        return sum(packet.tag == Tag.PKESK for packet in PacketPile.from_bytes(target.read_bytes()))

    assert recipients(NOW) == 2
    assert recipients(tomorrow) == 1


def test_an_existing_target_is_never_overwritten_and_a_missing_source_is_named(key, tmp_path) -> None:
    target = tmp_path / "a.asc"
    with pytest.raises(EncryptionFailedError, match=r"missing\.zip"):
        encrypt_file(tmp_path / "missing.zip", target, key[1], now=NOW)
    assert not target.exists()
    target.write_bytes(b"other")
    with pytest.raises(EncryptionFailedError, match="exists"):
        encrypt_file(tmp_path / "missing.zip", target, key[1], now=NOW)
    with pytest.raises(DecryptionFailedError, match="exists"):
        decrypt_file(tmp_path / "missing.zip", target, key[0])
    assert target.read_bytes() == b"other"
