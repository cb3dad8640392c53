"""What a customer can be refused with their account: one class a cause, its docstring the sentence for people.

None of them tells whether somebody has an account, or which part of what was given was wrong.
"""

from __future__ import annotations

from collections.abc import Mapping

from smt_ws.errors import HubError

__all__ = [
    "AccountError",
    "InvalidFormError",
    "LinkUnusableError",
    "LogInRefusedError",
    "MeterNotFoundError",
    "TooManyAttemptsError",
]


class AccountError(HubError):
    """Something about a customer's account was refused."""

    code = "ACCOUNT"


class InvalidFormError(AccountError):
    """The form has fields that must be corrected; each is named with what is wrong."""

    code = "INVALID_FORM"

    def __init__(self, problems: Mapping[str, str]) -> None:
        """*problems*: field to the short word of what is wrong with it (`parties.account_rules.problems`)."""
        super().__init__()
        self.problems = dict(problems)


class MeterNotFoundError(AccountError):
    """ESI ID and meter number do not name one meter that can be registered (P9).

    Correct them; if they are right, the meter may not be a smart meter, or not be known here until 60 days after it
    was installed.
    """

    code = "METER_NOT_FOUND"


class LogInRefusedError(AccountError):
    """E-mail address and password do not belong together, or the address was never confirmed. Try again."""

    code = "LOG_IN_REFUSED"


class LinkUnusableError(AccountError):
    """The link was used already, is too old, or is not whole. Ask for another one."""

    code = "LINK_UNUSABLE"


class TooManyAttemptsError(AccountError):
    """It was tried too often in a short time. Wait a quarter of an hour and try again."""

    code = "TOO_MANY_ATTEMPTS"
