"""U2: what a TDSP encrypts to the hub is decrypted within bounds, and each failure says whose it is."""

import os
import resource
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from openpgp_messages import MARKER, compressed, encrypted, literal

from adapters.armor import dearmored
from adapters.openpgp import DecryptionFailedError, UnreadableCertificateError, encrypt_file, make_key
from adapters.openpgp_bounded import (
    DecryptionTooSlowError,
    MessageTooCostlyError,
    MessageTooLargeError,
    decrypt_bounded,
    processor_budget,
)


@pytest.fixture(scope="module")
def key(tmp_path_factory) -> tuple[Path, str]:
    secret, certificate = make_key("hub <hub@hub.example>")
    file = tmp_path_factory.mktemp("key") / "secret.asc"
    file.write_text(secret)
    return file, certificate


def sealed(folder: Path, content: bytes, certificate: str) -> Path:
    (folder / "plain").write_bytes(content)
    encrypt_file(folder / "plain", folder / "m.asc", certificate, now=datetime.now(UTC))
    return folder / "m.asc"


def test_a_message_is_decrypted(tmp_path: Path, key) -> None:
    content = os.urandom(3_000_000)
    decrypt_bounded(sealed(tmp_path, content, key[1]), tmp_path / "out", key[0], largest=3_000_000)
    assert (tmp_path / "out").read_bytes() == content


def test_a_binary_message_and_one_with_text_before_its_armour_are_decrypted(tmp_path: Path, key) -> None:
    """Armour of the usual form comes off beforehand; any other is the library's, and what stands before it no fault."""
    content = os.urandom(100_000)
    armour = sealed(tmp_path, content, key[1]).read_bytes()
    binary = b"".join(dearmored([armour]))
    for name, message in (("m.pgp", binary), ("mail.asc", b"Please find below\n\n" + armour)):
        (tmp_path / name).write_bytes(message)
        decrypt_bounded(tmp_path / name, tmp_path / f"{name}.out", key[0], largest=100_000)
        assert (tmp_path / f"{name}.out").read_bytes() == content


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b"\r\n\r\n", b"\n \t\n", b"\xef\xbb\xbf\r\n"])
def test_u2_a_byte_order_mark_and_blank_lines_before_the_armour_are_nothing(
    tmp_path: Path, key: tuple[Path, str], before: bytes
) -> None:
    content = os.urandom(10_000)
    message = sealed(tmp_path, content, key[1])
    message.write_bytes(before + message.read_bytes().replace(b"\n", b"\r\n") + b"\r\n\x1a")
    decrypt_bounded(message, tmp_path / "out", key[0], largest=10_000)
    assert (tmp_path / "out").read_bytes() == content


def test_damaged_armour_is_the_senders_fault(tmp_path: Path, key) -> None:
    message = sealed(tmp_path, os.urandom(1000), key[1])
    whole = message.read_bytes()
    for damaged in (whole[:800], whole[:800] + b"*" + whole[800:], whole[:800] + whole[801:]):
        message.write_bytes(damaged)
        with pytest.raises(DecryptionFailedError, match=r"m\.asc"):
            decrypt_bounded(message, tmp_path / "out", key[0], largest=10_000)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.asc", "plain"]


def test_a_message_with_more_than_is_taken_is_refused_and_leaves_nothing(tmp_path: Path, key) -> None:
    message = sealed(tmp_path, bytes(100_000), key[1])
    with pytest.raises(MessageTooLargeError, match="99999"):
        decrypt_bounded(message, tmp_path / "out", key[0], largest=99_999)
    assert not (tmp_path / "out").exists()


@pytest.mark.interop
def test_a_compression_bomb_is_stopped_at_the_bound(tmp_path: Path, key) -> None:
    gpg = shutil.which("gpg")
    if not gpg:
        pytest.skip("gpg is not installed; this test makes the bomb with it")
    home = tmp_path / "g"
    home.mkdir(mode=0o700)
    environment = {**os.environ, "GNUPGHOME": str(home)}
    (tmp_path / "public.asc").write_text(key[1])
    with (tmp_path / "zeros").open("wb") as file:
        file.truncate(60_000_000)
    subprocess.run([gpg, "--batch", "--quiet", "--import", tmp_path / "public.asc"], env=environment, check=True)
    line = [gpg, "--batch", "--quiet", "--trust-model", "always", "--compress-algo", "zip", "-r", "hub@hub.example"]
    subprocess.run([*line, "-o", tmp_path / "bomb", "-e", tmp_path / "zeros"], env=environment, check=True)
    subprocess.run(["gpgconf", "--kill", "all"], env=environment)
    assert (tmp_path / "bomb").stat().st_size < 1_000_000
    with pytest.raises(MessageTooLargeError):
        decrypt_bounded(tmp_path / "bomb", tmp_path / "out", key[0], largest=5_000_000)
    assert not (tmp_path / "out").exists()


def test_a_message_to_somebody_else_and_a_damaged_one_are_the_senders_fault(tmp_path: Path, key) -> None:
    message = sealed(tmp_path, b"x" * 1000, make_key("other <o@o.example>")[1])
    with pytest.raises(DecryptionFailedError):
        decrypt_bounded(message, tmp_path / "out", key[0], largest=10_000)
    message.write_bytes(message.read_bytes()[:300])
    with pytest.raises(DecryptionFailedError):
        decrypt_bounded(message, tmp_path / "out", key[0], largest=10_000)
    assert not (tmp_path / "out").exists()


def test_an_unusable_key_and_a_full_disk_are_the_hubs_fault(tmp_path: Path, key) -> None:
    message = sealed(tmp_path, b"x" * 1000, key[1])
    (tmp_path / "no-key").write_text("nothing")
    for secret in (tmp_path / "no-key", tmp_path / "missing"):
        with pytest.raises(UnreadableCertificateError):
            decrypt_bounded(message, tmp_path / "out", secret, largest=10_000)
    with pytest.raises(OSError, match="No such file") as missing:
        decrypt_bounded(message, tmp_path / "no-folder" / "out", key[0], largest=10_000)
    assert missing.value.errno == 2


def test_a_hub_too_busy_to_decrypt_a_message_is_not_the_senders_fault(tmp_path: Path, key) -> None:
    with pytest.raises(DecryptionTooSlowError, match="within 0 seconds"):
        decrypt_bounded(sealed(tmp_path, b"x", key[1]), tmp_path / "out", key[0], largest=10, wall=0.001)


def test_a_message_with_more_than_could_be_taken_is_refused_before_it_is_decrypted(tmp_path: Path, key) -> None:
    (tmp_path / "m.asc").write_bytes(bytes(1_000_021))
    with pytest.raises(MessageTooLargeError, match="1000021 bytes, encrypted"):
        decrypt_bounded(tmp_path / "m.asc", tmp_path / "out", key[0], largest=10)


@pytest.mark.parametrize("content", [b"", literal(b"x")], ids=["nothing else", "before the content"])
def test_a_small_message_may_not_take_much_processor_time(tmp_path: Path, key, content: bytes) -> None:
    """Marker packets inside two compressions: 1 kB that would be worked on for minutes."""
    message = tmp_path / "m.pgp"
    message.write_bytes(encrypted(compressed(compressed(MARKER * 20_000_000 + content)), key[1]))
    assert message.stat().st_size < 3000
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with pytest.raises(MessageTooCostlyError, match="within 1 seconds of processor time"):
        decrypt_bounded(message, tmp_path / "out", key[0], largest=1_000_000, processor=1)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) < 3
    assert not (tmp_path / "out").exists()


def test_processor_time_is_given_by_size() -> None:
    assert [processor_budget(size) for size in (0, 3_000, 50_000_000, 2_000_000_000)] == [5, 5, 15, 405]
