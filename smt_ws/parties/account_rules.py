"""What a customer's account must look like: pure rules for addresses, passwords, codes, meters and time limits.

A problem is a short stable word (``email_form``); faces translate it. None means that nothing is wrong.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

__all__ = [
    "CODE_ALPHABET",
    "CODE_LENGTH",
    "CONFIRM_WITHIN",
    "ESIID_ENDINGS",
    "KINDS",
    "LANGUAGES",
    "LIMITS",
    "PASSWORD_LENGTH",
    "RESET_WITHIN",
    "SESSION_IDLE",
    "SESSION_LASTS",
    "Limit",
    "email_key",
    "meter_numbers",
    "meter_problems",
    "new_code",
    "password_problems",
    "plain_code",
    "problems",
    "shown_code",
]

KINDS: Final = ("residential", "business")
LANGUAGES: Final = ("en", "es")

#: A customer has a day to open the link that confirms an address, and an hour for a new password.
CONFIRM_WITHIN: Final = timedelta(hours=24)
RESET_WITHIN: Final = timedelta(hours=1)
#: A log-in ends when nothing was asked for so long, and in any case after so long.
SESSION_IDLE: Final = timedelta(minutes=30)
SESSION_LASTS: Final = timedelta(hours=12)

#: Characters. Length is what makes a password strong; what it is made of is the customer's business (NIST SP 800-63B).
PASSWORD_LENGTH: Final = range(12, 129)

#: No 0 and O, 1 and I: a code is read out on the telephone.
CODE_ALPHABET: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
#: 60 bits.
CODE_LENGTH: Final = 12

#: An ESI ID may be given by so many of its last digits, where the meter number is right (P9); else whole.
ESIID_ENDINGS: Final = (6, 8)

_EMAIL: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z0-9-]{1,63}")
_PHONE: Final = re.compile(r"[0-9+() .x-]{7,30}")
_ESIID: Final = re.compile(r"[0-9]{6}|[0-9]{8}|[0-9]{17}|[0-9]{22}")
_METER: Final = re.compile(r"[0-9A-Za-z-]{1,30}")


@dataclass(frozen=True)
class Limit:
    """How often one source may try something within a *window*."""

    most: int
    window: timedelta


#: What is limited, by name. An e-mail address is counted as well as a source address, so that neither one guessing
#: everybody's password nor everybody guessing one's gets far.
LIMITS: Final[dict[str, Limit]] = {
    "log_in_email": Limit(10, timedelta(minutes=15)),
    "log_in_address": Limit(60, timedelta(minutes=15)),
    "register_email": Limit(3, timedelta(hours=1)),
    "register_address": Limit(20, timedelta(hours=1)),
    "reset_email": Limit(3, timedelta(hours=1)),
    "reset_address": Limit(20, timedelta(hours=1)),
    "meter_account": Limit(20, timedelta(hours=1)),
    "token_address": Limit(120, timedelta(minutes=15)),
}


def email_key(address: str) -> str:
    """The form in which e-mail addresses are compared: two that differ by case are one."""
    return address.strip().lower()


def shown_code(code: str) -> str:
    """An Account Authorization Code as people read it: ``K7QF-3MXP-9TRW``."""
    return "-".join(code[n : n + 4] for n in range(0, len(code), 4))


def plain_code(text: str) -> str:
    """An Account Authorization Code however it was typed: without hyphens and spaces, in capitals."""
    return re.sub(r"[\s-]", "", text[:40]).upper()


def new_code(random_bytes: bytes) -> str:
    """A code made of `CODE_LENGTH` random bytes, each of which gives one of 32 characters."""
    return "".join(CODE_ALPHABET[byte % len(CODE_ALPHABET)] for byte in random_bytes[:CODE_LENGTH])


def meter_numbers(given: str) -> list[str]:
    """Every number that a meter may have in the store, where a customer gives *given* without its leading letter."""
    typed = given.strip()
    plain = typed.upper()
    return [*dict.fromkeys((typed, plain)), *(letter + plain for letter in string.ascii_uppercase)]


def _password_problem(password: str, *, email: str) -> str | None:
    """What is wrong with a new password: ``password_length``, ``password_is_email``, ``password_plain``."""
    if len(password) not in PASSWORD_LENGTH:
        return "password_length"
    if email_key(password) == email_key(email):
        return "password_is_email"
    if len(set(password)) < 5:
        return "password_plain"
    return None


def password_problems(password: str, password_again: str, *, email: str) -> dict[str, str]:
    """What is wrong with a new password of the account of *email*, by field; at registering and later alike."""
    found = {
        "password": _password_problem(password, email=email),
        "password_again": None if password == password_again else "password_differs",
    }
    return {field: problem for field, problem in found.items() if problem is not None}


def problems(form: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with a registration form, by field; an empty answer means that it is in order (A22, P9).

    Fields: kind, first_name, middle_initial, last_name, company_name, phone, email, email_again, language, esiid,
    meter_number, password, password_again. Whether the meter exists is not asked here.
    """
    found: dict[str, str | None] = {
        "kind": None if form["kind"] in KINDS else "choose",
        "first_name": _name_problem(form["first_name"], 60),
        "middle_initial": _name_problem(form["middle_initial"], 1, needed=False),
        "last_name": _name_problem(form["last_name"], 60),
        "company_name": _name_problem(form["company_name"], 200, needed=form["kind"] == "business"),
        "phone": None if not form["phone"] or _PHONE.fullmatch(form["phone"]) else "phone_form",
        "email": None if len(form["email"]) <= 254 and _EMAIL.fullmatch(form["email"]) else "email_form",
        "email_again": None if email_key(form["email"]) == email_key(form["email_again"]) else "email_differs",
        "language": None if form["language"] in LANGUAGES else "choose",
    }
    wrong = {field: problem for field, problem in found.items() if problem is not None}
    wrong |= password_problems(form["password"], form["password_again"], email=form["email"])
    return wrong | meter_problems(form["esiid"], form["meter_number"])


def meter_problems(esiid: str, meter_number: str) -> dict[str, str]:
    """What is wrong with how an ESI ID or a meter number is written, by field."""
    wrong = {} if _ESIID.fullmatch(esiid) else {"esiid": "esiid_form"}
    return wrong | ({} if _METER.fullmatch(meter_number) else {"meter_number": "meter_form"})


def _name_problem(text: str, longest: int, *, needed: bool = True) -> str | None:
    if not text.strip():
        return "needed" if needed else None
    return None if text.isprintable() and len(text) <= longest else "name_form"
