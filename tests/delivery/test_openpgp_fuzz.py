"""U2: whatever packets a message holds, nested and repeated as they may be, decrypting it ends within its bounds.

`make fuzz` does it for as long as MESSAGES says.
"""

from __future__ import annotations

import os
import random
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from openpgp_messages import MARKER, compressed, encrypted, literal, packet, padding_packet

from adapters.openpgp import DecryptionFailedError, OpenPGPError, make_key
from adapters.openpgp_bounded import MessageTooCostlyError, MessageTooLargeError, decrypt_bounded

#: Of one run; each takes a process.
MESSAGES: Final = int(os.environ.get("SMT_WS_FUZZ_MESSAGES", "40"))
#: Another one, for other messages.
SEED: Final = int(os.environ.get("SMT_WS_FUZZ_SEED", "17"))
LARGEST: Final = 300_000
PROCESSOR: Final = 1
#: Bytes of packets before they are encrypted: repetition beyond it is compression's work.
MOST: Final = 3_000_000

#: Every tag of RFC 9580, reserved and private ones too.
TAGS: Final = range(64)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    secret, certificate = make_key("hub <hub@hub.example>")
    file = tmp_path_factory.mktemp("key") / "secret.asc"
    file.write_text(secret)
    return file, certificate


class Maker:
    """Makes packets at random."""

    def __init__(self, seed: object, certificate: str) -> None:
        self.chance = random.Random(str(seed))
        self.certificate = certificate
        self.kinds: tuple[Callable[[int], bytes], ...] = (
            self._any,
            lambda _depth: MARKER,
            lambda _depth: padding_packet(self.chance.randrange(300)),
            lambda _depth: literal(self.chance.randbytes(self.chance.randrange(2000))),
            lambda _depth: literal(bytes(self.chance.randrange(500_000)), partial=True),
            self._compressed,
            self._compressed,
            self._encrypted,
            self._repeated,
            self._cut,
        )

    def packets(self, depth: int = 0) -> bytes:
        """Some packets, one after the other."""
        return b"".join(self.chance.choice(self.kinds)(depth) for _ in range(self.chance.randrange(1, 4)))[:MOST]

    def _any(self, _depth: int) -> bytes:
        body = self.chance.randbytes(self.chance.choice((0, 1, 10, 600)))
        form = self.chance.choice(({}, {"old": True}, {"partial": True}))
        return packet(self.chance.choice(TAGS), body, **form)

    def _inner(self, depth: int) -> bytes:
        return self.packets(depth + 1) if depth < 6 else literal(b"innermost")

    def _compressed(self, depth: int) -> bytes:
        return compressed(self._inner(depth), algorithm=self.chance.randrange(4))

    def _encrypted(self, depth: int) -> bytes:
        return encrypted(self._inner(depth), self.certificate)

    def _repeated(self, depth: int) -> bytes:
        once = self._inner(depth) or MARKER
        times = self.chance.choice((2, 50, MOST))
        return (once * min(times, MOST // len(once) + 1))[:MOST]

    def _cut(self, depth: int) -> bytes:
        whole = self._inner(depth)
        return whole[: self.chance.randrange(len(whole) + 1)]


def outcome(message: bytes, folder: Path, secret_key: Path) -> str:
    """What decrypting *message* ends with; whatever it is, within the bounds."""
    source, target = folder / "m.pgp", folder / "out"
    source.write_bytes(message)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        decrypt_bounded(source, target, secret_key, largest=LARGEST, processor=PROCESSOR)
        said = "taken"
        assert target.stat().st_size <= LARGEST
        target.unlink()
    except (DecryptionFailedError, MessageTooLargeError, MessageTooCostlyError) as error:
        said = error.code
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) < PROCESSOR + 1.5
    assert sorted(folder.iterdir()) == [source], "nothing is left"
    return said


def test_messages_at_random_end_within_the_bounds(tmp_path: Path, key: tuple[Path, str]) -> None:
    ends: dict[str, int] = {}
    for number in range(MESSAGES):
        seed = f"{SEED}.{number}"
        maker = Maker(seed, key[1])
        message = encrypted(maker.packets(), key[1]) if maker.chance.random() < 0.9 else maker.packets()
        try:
            said = outcome(message, tmp_path, key[0])
        except (OSError, OpenPGPError, AssertionError) as error:
            raise AssertionError(f"message {seed}: {error!r}") from error
        ends[said] = ends.get(said, 0) + 1
    assert ends.keys() >= {"taken", DecryptionFailedError.code}, f"not one of each: {ends}"
    print(f"seed {SEED}: {ends}")


@pytest.mark.parametrize("body", [b"", b"PGP"], ids=["empty", "3 bytes"])
def test_packets_of_every_kind_repeated_inside_two_compressions_end_within_the_bounds(
    tmp_path: Path, key: tuple[Path, str], body: bytes
) -> None:
    for tag in TAGS:
        many = packet(tag, body) * 10_000
        outcome(encrypted(compressed(compressed(many + literal(b"x"))), key[1]), tmp_path, key[0])
