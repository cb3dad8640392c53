"""The third side: a customer, who reads letters, opens their links and presses the buttons of the pages.

Letters are files in the sandbox's mail folder; pages come over HTTPS. Nothing is known here of the hub but what a
letter or a page says.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from html import unescape
from pathlib import Path

import requests

from smt_ws.settings import Settings

__all__ = ["Customer"]


@dataclass
class Customer:
    """A customer with an e-mail address and a browser; *ca* is the authority of the hub's certificate."""

    settings: Settings
    ca: Path
    email: str
    #: The page that the browser shows.
    page: str = field(default="", init=False)
    _browser: requests.Session = field(default_factory=requests.Session, init=False)

    def letters(self) -> list[EmailMessage]:
        """All letters to this customer, in the order in which they came."""
        folder = self.settings.mail.folder
        assert folder is not None
        paths = sorted(folder.glob("*.eml"), key=lambda path: path.stat().st_mtime_ns) if folder.is_dir() else []
        found = (message_from_bytes(path.read_bytes(), policy=policy.default) for path in paths)
        return [letter for letter in found if letter["To"] == self.email]

    def wait_for(self, subject: str, *, timeout: float = 60) -> EmailMessage:
        """The newest letter with *subject* in its subject. Raises TimeoutError where none comes within *timeout* s."""
        end = time.monotonic() + timeout
        while True:
            found = [letter for letter in self.letters() if subject in str(letter["Subject"])]
            if found:
                return found[-1]
            if time.monotonic() > end:
                raise TimeoutError(f"no letter to {self.email} about {subject!r} within {timeout:.0f} s")
            time.sleep(0.1)

    def link(self, letter: EmailMessage, kind: str) -> str:
        """The address in *letter* whose path begins with *kind*: a, r, d, confirm, new-password."""
        body = letter.get_body(("plain",))
        found = re.search(rf"https://\S+?/{kind}/[A-Za-z0-9_-]+", body.get_content() if body else "")
        if found is None:
            raise LookupError(f"the letter {letter['Subject']!r} has no link {kind!r}")
        return found[0]

    def open(self, address: str) -> str:
        """Open a page, by its whole address or its path, and return its heading."""
        return self._shows(self._browser.get(self._whole(address), verify=str(self.ca), timeout=30))

    def press(self, address: str, **fields: str) -> str:
        """Send the form on the page to *address* with *fields*, and return the heading of the page that follows."""
        seal = re.search(r'name="csrf_token" value="([^"]+)"', self.page)
        if seal is None:
            raise LookupError("the page has no form")
        sent = {"csrf_token": seal[1], **fields}
        return self._shows(self._browser.post(self._whole(address), data=sent, verify=str(self.ca), timeout=30))

    def _whole(self, address: str) -> str:
        return address if address.startswith("https://") else self.settings.portal.url + address

    def _shows(self, answer: requests.Response) -> str:
        self.page = unescape(answer.text)
        heading = re.search(r"<h1>(.*?)</h1>", self.page, re.DOTALL)
        return heading[1] if heading else f"HTTP {answer.status_code}"
