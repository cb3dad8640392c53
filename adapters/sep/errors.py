"""What cannot be said in SEP 1.0, and bytes that do not say anything in it."""

from __future__ import annotations

__all__ = ["SepDecodeError", "SepError", "SepValueError"]


class SepError(ValueError):
    """A SEP 1.0 message was refused."""


class SepValueError(SepError):
    """A field has a value outside the range that SEP 1.0 gives it."""

    def __init__(self, field: str, presented: object, expected: str) -> None:
        """Say which *field* it is, what stood there and what was *expected*."""
        super().__init__(f"{field}: {presented!r}; expected {expected}")
        self.field = field
        self.presented = str(presented)[:64]
        self.expected = expected


class SepDecodeError(SepError):
    """The bytes are no SEP 1.0 frame that this end reads: cut short, too long, reserved bits set, or not UTF-8."""
