"""Passwords at rest: argon2id, and the same work whether there is an account or not."""

from __future__ import annotations

from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

__all__ = ["hashed", "is_password"]

#: argon2id with the library's defaults, which follow RFC 9106's low-memory recommendation.
_HASHER: Final = PasswordHasher()


def hashed(password: str) -> str:
    """The password as it is kept; takes argon2's time, about 50 ms."""
    return _HASHER.hash(password)


def is_password(held: str | None, password: str) -> bool:
    """Whether *password* is the one kept as *held*; with no *held* the same work is done and the answer is no."""
    try:
        return _HASHER.verify(held or _nobodys(), password) and held is not None
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobodys() -> str:
    return _HASHER.hash("nobody has this password")
