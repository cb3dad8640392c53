"""RFC 9580, 6: armour taken off is what every other implementation takes off, and put on what each of them reads."""

from __future__ import annotations

import os
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.armor import BEGIN, ArmorError, armored, dearmored
from adapters.openpgp import decrypt_file, encrypt_file, make_key

END = b"-----END PGP MESSAGE-----"


def cut(content: bytes, size: int) -> Iterator[bytes]:
    return (content[start : start + size] for start in range(0, len(content), size))


def taken_off(armour: bytes, size: int = 1 << 20) -> bytes:
    return b"".join(dearmored(cut(armour, size)))


@pytest.fixture(scope="module")
def key() -> tuple[str, str]:
    return make_key("hub <hub@hub.example>")


@settings(deadline=None)
@given(st.binary(max_size=2000), st.integers(1, 500), st.integers(1, 500))
@example(bytes(48), 48, 65)
@example(bytes(4096 * 48 + 1), 4096 * 48, 1000)
def test_what_is_put_on_comes_off_again_however_it_is_cut(message: bytes, size: int, other: int) -> None:
    armour = b"".join(armored(cut(message, size)))
    assert taken_off(armour, other) == message
    lines = armour.split(b"\n")
    assert lines[:2] == [BEGIN, b""]
    assert lines[-2:] == [END, b""]
    # the checksum that readers of before 2024 ask for, by the shift register of RFC 4880, 6.1
    assert lines[-3] == b"=" + b64encode(crc24(message).to_bytes(3, "big"))
    assert all(len(line) == 64 for line in lines[2:-4])
    assert b"".join(lines[2:-3]) == b64encode(message)


def crc24(message: bytes) -> int:
    register = 0xB704CE
    for byte in message:
        register ^= byte << 16
        for _ in range(8):
            register <<= 1
            if register & 0x1000000:
                register ^= 0x1864CFB
    return register


@given(
    st.binary(max_size=300),
    st.integers(1, 76),
    st.sampled_from([b"\n", b"\r\n"]),
    st.sampled_from([b"", b" ", b" \t"]),
    st.sampled_from([b"", b"Version: 1|", b"Version: GnuPG v2|Comment: a: b - c = d|Charset: |"]),
    st.sampled_from([b"", b"=njUN|", b"=|", b"=wrong|"]),
    st.sampled_from([b"", b"|", b"||signed by nobody|", b"\0\xff"]),
    st.integers(1, 400),
)
def test_armour_of_every_permitted_form_comes_off(
    message: bytes, width: int, end: bytes, blanks: bytes, headers: bytes, checksum: bytes, after: bytes, size: int
) -> None:
    """Headers or none, LF or CRLF, lines of any length, the checksum right, wrong (6.1) or left out."""
    lines = b"".join(line + blanks + b"|" for line in cut(b64encode(message), width))
    armour = (BEGIN + b"|" + headers + blanks + b"|" + lines + checksum + END + after).replace(b"|", end)
    assert taken_off(armour, size) == message


@pytest.mark.parametrize("content", [0, 1, 30, 47, 100_000])
def test_what_the_library_encrypts_comes_off_and_what_is_put_on_it_decrypts(tmp_path: Path, key, content: int) -> None:
    plain = tmp_path / "plain"
    plain.write_bytes(os.urandom(content))
    encrypt_file(plain, tmp_path / "m.asc", key[1], now=datetime.now(UTC))
    message = taken_off((tmp_path / "m.asc").read_bytes(), 4096)
    (tmp_path / "again.asc").write_bytes(b"".join(armored([message])))
    for name, text in (("binary", message), ("ours", (tmp_path / "again.asc").read_bytes())):
        (tmp_path / name).write_bytes(text)
        decrypt_file(tmp_path / name, tmp_path / f"{name}.out", key[0])
        assert (tmp_path / f"{name}.out").read_bytes() == plain.read_bytes()


@pytest.mark.interop
def test_gpg_takes_off_the_same_and_ours_comes_off_what_gpg_puts_on(tmp_path: Path) -> None:
    gpg = shutil.which("gpg")
    if not gpg:
        pytest.skip("gpg is not installed")
    message = os.urandom(100_000)
    home = tmp_path / "g"
    home.mkdir(mode=0o700)
    run = [gpg, "--homedir", str(home), "--batch", "--quiet"]
    theirs = subprocess.run([*run, "--enarmor"], input=message, capture_output=True, check=True).stdout
    assert taken_off(theirs.replace(b"PGP ARMORED FILE", b"PGP MESSAGE"), 1000) == message
    ours = b"".join(armored(cut(message, 1000)))
    assert subprocess.run([*run, "--dearmor"], input=ours, capture_output=True, check=True).stdout == message


ARMOUR = b"".join(armored([bytes(range(200))]))


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"Hello\n\n",
        BEGIN,
        BEGIN + b"\n",
        ARMOUR.replace(BEGIN + b"\n\n", BEGIN + b"\n"),
        ARMOUR.replace(b"MESSAGE", b"PUBLIC KEY BLOCK", 1),
        ARMOUR[:100],
        ARMOUR.removesuffix(END + b"\n"),
        ARMOUR[:200] + b"*" + ARMOUR[200:],
        ARMOUR[:200] + b"\xc3\xa4" + ARMOUR[200:],
        ARMOUR[:200] + ARMOUR[201:],
        ARMOUR[:200] + b"=" + ARMOUR[200:],
        ARMOUR[:200] + b"-" + ARMOUR[200:],
        ARMOUR.replace(END, b"-----END PGP SIGNATURE-----"),
        BEGIN + b"\nVersion: " + b"1" * 100_000,
        BEGIN + b"\n\n=" + b"\n" * 100_000 + END,
    ],
    ids=lambda damaged: repr(damaged[:40]) + str(len(damaged)),
)
@pytest.mark.parametrize("size", [7, 1 << 20])
def test_damaged_armour_is_no_message(damaged: bytes, size: int) -> None:
    with pytest.raises(ArmorError, match="armour"):
        taken_off(damaged, size)
