"""The portal in a browser: axe-core finds nothing against WCAG 2.2 AA, 320 pixels are wide enough, no script is needed.

Chromium writes what it measured into the page's DOM, which it dumps; nothing drives it from outside.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update
from wss_runtimes import missing

import smt_ws.portal
from smt_ws.accounts.passwords import hashed
from smt_ws.agreements.form import Customer
from smt_ws.agreements.rules import Kind, Purpose
from smt_ws.clock import FixedClock
from smt_ws.hub import Hub
from smt_ws.parties.account_tables import account
from smt_ws.parties.tables import occupancy
from smt_ws.portal.app import create_app
from smt_ws.settings import Settings
from smt_ws.store.engine import Store

#: The market and the browser of the tests beside use cases and pages.
sys.path[:0] = [str(Path(__file__).resolve().parents[1] / name) for name in ("agreements", "portal")]
from agreement_market import Town, open_town  # noqa: E402 - it is found there
from portal_town import LEFT_ON, PASSWORD, Browser, put_device  # noqa: E402

pytestmark = [pytest.mark.interop, pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)]

AXE = "axe-core@4.14.1"
OPEN = [
    "/",
    "/privacy",
    "/faq",
    "/terms",
    "/register",
    "/register?kind=residential",
    "/register?kind=business",
    "/log-in",
    "/a/x",
]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
#: WCAG 1.4.10: everything can be read in a column of so many pixels.
NARROW = 320
MEASURE = """
axe.run(document, {runOnly: %(rules)s}).then(found => {
  const frame = document.createElement("iframe");
  frame.width = %(narrow)d;
  frame.srcdoc = %(page)s;
  frame.onload = () => {
    const told = document.createElement("pre");
    told.id = "told";
    told.textContent = JSON.stringify({
      violations: found.violations.map(one => one.id + ": " + one.nodes.map(node => node.html).join(" ")),
      passes: found.passes.length,
      width: frame.contentDocument.documentElement.scrollWidth,
      text: frame.contentDocument.body.innerText.length,
    });
    document.body.appendChild(told);
  };
  document.body.appendChild(frame);
});
"""


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core."""
    if not shutil.which("npm"):
        missing("npm is not here: install it from Debian")
    folder = tmp_path_factory.mktemp("axe")
    (folder / "package.json").write_text('{"private": true}')
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", AXE]
    if subprocess.run(command, cwd=folder, timeout=180, capture_output=True, check=False).returncode:
        missing(f"npm could not install {AXE} from its registry", demanded=False)
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text()


@pytest.fixture
def held(axe: str, tmp_path: Path) -> Callable[[str, str], None]:
    """Hold a page against axe-core and the narrow column."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        missing("Chromium is not here: install chromium from Debian", demanded=False)
    style = (Path(smt_ws.portal.__file__).parent / "static" / "portal.css").read_text()
    file = tmp_path / "page.html"

    def hold(name: str, answer: str) -> None:
        page = re.sub(r'<link rel="stylesheet"[^>]*>', lambda _found: f"<style>{style}</style>", answer)
        shown = json.dumps(page).replace("</", "<\\/")
        measure = MEASURE % {"rules": json.dumps(RULES), "narrow": NARROW, "page": shown}
        file.write_text(page.replace("</body>", f"<script>{axe}</script><script>{measure}</script></body>"))
        dumped = subprocess.run(
            [
                *(str(found), "--headless", "--disable-gpu", "--no-first-run"),
                f"--user-data-dir={tmp_path / 'profile'}",
                *(["--no-sandbox"] if os.getuid() == 0 else []),
                *("--window-size=500,900", "--virtual-time-budget=20000", "--dump-dom", file.as_uri()),
            ],
            capture_output=True, text=True, timeout=180, check=True,
        ).stdout  # fmt: skip
        measured = re.search(r'<pre id="told">(.*?)</pre>', dumped, re.DOTALL)
        assert measured, f"{name}: nothing was measured"
        told = json.loads(measured[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
        assert told["violations"] == [], name
        assert told["passes"] > 20
        assert told["width"] <= NARROW, f"{name} is too wide"
        assert told["text"] > 100, f"{name}: the narrow page shows nothing"

    return hold


@pytest.fixture
def hub(store: Store, clock: FixedClock, tmp_path: Path) -> Hub:
    (tmp_path / "secret").write_text("s" * 64)
    settings = Settings.model_validate({"portal": {"secret": tmp_path / "secret"}})
    return Hub(settings=settings, store=store, clock=clock)


def test_open_pages(hub: Hub, held: Callable[[str, str], None]) -> None:
    client = create_app(hub).test_client()
    for path, language in ((path, language) for path in OPEN for language in ("en", "es")):
        answer = client.get(f"{path}{'&' if '?' in path else '?'}lang={language}", base_url="https://localhost")
        held(f"{path} ({language})", answer.get_data(as_text=True))


def test_invitations_and_my_agreements(
    hub: Hub, store: Store, store_url: str, tmp_path: Path, clock: FixedClock, held: Callable[[str, str], None]
) -> None:
    """A9, A10, A23 and 002 P2, P3: every page on the way, as it is shown with an agreement on it."""
    town = open_town(store, store_url, tmp_path, clock)
    town.add_homes(6)
    app = create_app(Hub(settings=hub.settings, store=store, clock=clock))
    app.testing = True
    for language in ("en", "es"):
        browser = Browser(app.test_client())
        for name, page in _on_the_way(town, browser, language):
            held(f"{name} ({language})", page)


def _on_the_way(town: Town, browser: Browser, language: str) -> Iterator[tuple[str, str]]:
    first = 0 if language == "en" else 3

    def shown(path: str, *, pressed: bool = False, **fields: Any) -> str:
        if pressed:
            browser.post(path, **fields)
        else:
            browser.get(path)
        assert browser.page is not None
        return browser.page.get_data(as_text=True)

    _number, once = town.invited(first, comments="We met on Tuesday.\nThank you!")
    for purpose, path in ((Purpose.REJECT, "r"), (Purpose.DISOWN, "d"), (Purpose.ACCEPT, "a")):
        yield f"invitation, {purpose}", shown(f"/{path}/{once[purpose]}?lang={language}")
    yield "accepted", shown(f"/a/{once[Purpose.ACCEPT]}", pressed=True)
    yield "answered already", shown(f"/a/{once[Purpose.ACCEPT]}")
    _number, ongoing = town.invited(first, kind=Kind.ONGOING, services=("energy_data", "device_services"))
    yield "invitation that needs an account", shown(f"/a/{ongoing[Purpose.ACCEPT]}")
    shown("/register")
    yield "registration with faults", shown("/register", pressed=True, kind="residential", esiid="12345")
    email, code = f"rosa.{language}@customer.example", f"K7QF3MXP9T{language.upper()}"
    rosa = town.register(email, first + 1, first + 2, code=code)
    with town.store.write() as connection:
        connection.execute(update(account).where(account.c.id == rosa).values(password_hash=hashed(PASSWORD)))
    customer = Customer(registered=True, authorization_code=code)
    number, _links = town.invited(
        kind=Kind.ONGOING, customer=customer, all_meters=True, meters=(), services=("energy_data", "device_services")
    )
    browser.log_in(email)
    yield "my agreements", shown("/agreements")
    yield "an agreement to answer", shown(f"/agreements/{number}")
    yield "an agreement in force", shown(f"/agreements/{number}/accept", pressed=True)
    yield "a change that cannot be", shown(f"/agreements/{number}/change", pressed=True, end_day="2020-01-01")
    left = [town.premises[first + 1], town.premises[first + 2]]
    put_device(town.store, left[0], add_request=10 * first + 1, eui64=f"000D6F000000000{first}")
    put_device(town.store, left[0], add_request=10 * first + 2, eui64=f"000D6F000000001{first}")
    with town.store.write() as connection:
        connection.execute(insert(occupancy), [{"premise_id": left[0], "move_in_day": LEFT_ON, "load_number": 0}])
    yield "devices of an earlier occupant", shown("/earlier-devices")
    yield "one of them kept", shown("/earlier-devices/keep", pressed=True, device=str(10 * first + 1))
    yield "my agreements, with a device to answer", shown("/agreements")
    yield "profile", shown("/profile")
