"""The portal in a browser: axe-core finds nothing against WCAG 2.2 AA, a phone's width is enough, no script is needed.

Chromium writes what it measured into the page's DOM, which it dumps; nothing drives it from outside.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from wss_runtimes import missing

import smt_ws.portal
from smt_ws.clock import FixedClock
from smt_ws.hub import Hub
from smt_ws.portal.app import create_app
from smt_ws.settings import Settings
from smt_ws.store.engine import Store

pytestmark = pytest.mark.interop

AXE = "axe-core@4.14.1"
PAGES = ["/", "/privacy", "/register", "/register?kind=residential", "/register?kind=business", "/log-in", "/a/x"]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
MEASURE = """
axe.run(document, {runOnly: %s}).then(found => {
  const told = document.createElement("pre");
  told.id = "told";
  told.textContent = JSON.stringify({
    violations: found.violations.map(one => one.id + ": " + one.nodes.map(node => node.html).join(" ")),
    passes: found.passes.length,
    width: document.documentElement.scrollWidth,
    shown: window.innerWidth,
  });
  document.body.appendChild(told);
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
    if subprocess.run(command, cwd=folder, timeout=110, capture_output=True, check=False).returncode:
        missing(f"npm could not install {AXE} from its registry", demanded=False)
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text()


@pytest.fixture
def browser() -> str:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        missing("Chromium is not here: install chromium from Debian", demanded=False)
    return str(found)


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_no_page_has_a_fault_that_axe_finds_and_each_fits_a_phone(
    store: Store, clock: FixedClock, tmp_path: Path, axe: str, browser: str
) -> None:
    (tmp_path / "secret").write_text("s" * 64)
    settings = Settings.model_validate({"portal": {"secret": tmp_path / "secret"}})
    client = create_app(Hub(settings=settings, store=store, clock=clock)).test_client()
    style = (Path(smt_ws.portal.__file__).parent / "static" / "portal.css").read_text()
    for number, (path, language) in enumerate((path, language) for path in PAGES for language in ("en", "es")):
        answer = client.get(f"{path}{'&' if '?' in path else '?'}lang={language}", base_url="https://localhost")
        page = answer.get_data(as_text=True)
        page = re.sub(r'<link rel="stylesheet"[^>]*>', lambda _found: f"<style>{style}</style>", page)
        script = f"<script>{axe}</script><script>{MEASURE % json.dumps(RULES)}</script>"
        file = tmp_path / f"{number}.html"
        file.write_text(page.replace("</body>", f"{script}</body>"))
        dumped = subprocess.run(
            [
                *(browser, "--headless", "--disable-gpu", "--no-first-run", f"--user-data-dir={tmp_path / 'profile'}"),
                *(["--no-sandbox"] if os.getuid() == 0 else []),
                *("--window-size=500,900", "--virtual-time-budget=20000", "--dump-dom", file.as_uri()),
            ],
            capture_output=True, text=True, timeout=120, check=True,
        ).stdout  # fmt: skip
        found = re.search(r'<pre id="told">(.*?)</pre>', dumped, re.DOTALL)
        assert found, f"{path}: nothing was measured"
        told = json.loads(found[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
        assert told["violations"] == [], f"{path} ({language})"
        assert told["passes"] > 20
        assert told["width"] <= told["shown"] <= 500
