"""The root of everything the hub refuses, so that one face can say any of it.

Each capability has an ``errors.py`` of its own with one class for each thing that can go wrong. The class carries a
stable ``code``; its docstring is the sentence that tells a company's developer what happened and what to do. SOAP
faults, exception files, the command line and the guide's code table are all made from these classes.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = ["HubError"]


class HubError(Exception):
    """Something was refused. Read ``code`` in programs and the message in logs."""

    code: ClassVar[str] = "HUB_ERROR"
    #: True where the caller can mend it; False where the hub must.
    callers_fault: ClassVar[bool] = True
    #: What the error is about: the element of the request, where it is always the same one.
    element: str | None = None

    def __init__(
        self,
        message: str | None = None,
        *,
        element: str | None = None,
        expected: str | None = None,
        presented: str | None = None,
    ) -> None:
        """Carry *message* (default: the class's docstring) and, where it helps, what was expected and presented.

        *element* names the element of the request where the class does not.
        """
        super().__init__(message or self.sentence())
        if element is not None:
            self.element = element
        self.expected = expected
        self.presented = presented

    @classmethod
    def sentence(cls) -> str:
        """The class's docstring on one line: the text of the code table."""
        return " ".join((cls.__doc__ or "").split())
