"""docs/conformance.md says what the code does: every rule, in the code's words, and only tests that exist."""

import re
from pathlib import Path

from greenbutton import dmd

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")


def test_every_rule_is_on_the_page_as_the_code_says_it() -> None:
    rows = re.findall(r"^\| (D\d{3}|FDFTP008) \| (FB_\d\d) \| (.*?) \| passed \|$", PAGE, re.MULTILINE)
    assert [(rule, dmd.Rule(block, says)) for rule, block, says in rows] == list(dmd.RULES.items())


def test_every_test_that_the_page_names_exists() -> None:
    written = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests" / "greenbutton").glob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert named
    assert {name for name in named if f"def {name}(" not in written} == set()


def test_the_page_claims_no_certificate() -> None:
    assert "nothing here is a\ncertificate, and none is claimed" in PAGE
    assert not re.search(r"\b(is|are) certified\b|certified by", PAGE)
