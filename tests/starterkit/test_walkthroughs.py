"""K1: every block of the guide's walk-throughs is run against a running hub, and its output is what the page says."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest
from guided_hub import GuidedHub
from walkthrough import InstallError, blocks_of, matches, walk

sys.path.insert(0, str(Path(__file__).parents[1] / "interop"))
from wss_runtimes import JARS, missing

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guide"
STARTS = "smt-ws sandbox\nsmt-ws --settings sandbox/smt-ws.toml serve\n"

pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]


class Walk:
    """Walks a page in a folder that looks like a checkout with a new sandbox in it."""

    def __init__(self, home: Path, addresses: Mapping[str, str]) -> None:
        self.home = home
        self.addresses = addresses

    def __call__(self, page: str, *programs: str, installed: bool = True) -> list[str]:
        lacking = [name for name in programs if shutil.which(name) is None]
        if lacking:
            missing(f"not here: {', '.join(lacking)}; install from Debian")
        return walk(GUIDE / page, self.home, self.addresses, installed=installed)


@pytest.fixture
def walked(guided_hub: GuidedHub, tmp_path: Path) -> Walk:
    for name in ("tests", "wsdl", "xsd", "soapui", "adapters", "certs-sample"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "sandbox").symlink_to(guided_hub.sandbox.folder)
    addresses = {
        "127.0.0.1:5200": f"127.0.0.1:{guided_hub.settings.soap.port}",
        "127.0.0.1:5990": f"127.0.0.1:{guided_hub.settings.ftps.port}",
    }

    return Walk(tmp_path, addresses)


#: Printed from the code, and configuration of a program that is not here: its page says so.
NOT_WALKED = {"interface.md", "dotnet.md"}


def test_a_page_that_is_not_walked_says_so() -> None:
    assert "**Not run against .NET.**" in (GUIDE / "dotnet.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", sorted(p.name for p in GUIDE.glob("*.md") if p.name not in NOT_WALKED))
def test_every_block_of_a_walk_through_has_a_purpose_and_they_start_alike(page: str) -> None:
    blocks = blocks_of(GUIDE / page)
    assert [block.text for block in blocks if block.purpose == "start"] == [STARTS]
    assert any(block.purpose == "output" for block in blocks)


def test_curl_and_xmlsec1(walked: Walk) -> None:
    walked("curl-xmlsec1.md", "curl", "xmlsec1", "openssl", "gpg", "unzip")


def test_php(walked: Walk) -> None:
    walked("php.md", "php")


def test_the_first_call(walked: Walk) -> None:
    walked("first-call.md", "curl")


def test_zeep(walked: Walk) -> None:
    if find_spec("xmlsec") is None:
        missing("xmlsec not here: pip install xmlsec")
    walked("zeep.md")


def test_node_soap(walked: Walk) -> None:
    if os.environ.get("SMT_WS_NODE_PATH"):
        (walked.home / "node_modules").symlink_to(os.environ["SMT_WS_NODE_PATH"])
    try:
        walked("node-soap.md", "node", "npm", installed=(walked.home / "node_modules").exists())
    except InstallError as error:
        missing(f"npm could not install from its registry: {error}")


def test_wss4j(walked: Walk) -> None:
    if not all((Path("/usr/share/java") / f"{name}.jar").exists() for name in JARS):
        missing("WSS4J is not here: install libwss4j-java from Debian")
    walked("wss4j.md", "javac", "java", "keytool")


def test_an_output_that_differs_is_noticed() -> None:
    assert matches("order …: COMPLETE\n", "order 17: COMPLETE\n")
    assert not matches("order …: COMPLETE\n", "order 17: FAILED\n")
    assert not matches("one\n", "one\ntwo\n")
    assert not matches("one …\n", "one 1\ntwo\n")
