"""The words of the pages: one TOML file a language, the same keys in each."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any, Final

__all__ = ["LANGUAGES", "chosen_language", "table_of_words", "words_of"]

#: Each language's name in itself.
LANGUAGES: Final = {"en": "English", "es": "Español"}


@cache
def table_of_words(language: str) -> dict[str, str]:
    """All words of *language*, by ``section.key``."""
    sections = tomllib.loads((files("smt_ws.portal") / "words" / f"{language}.toml").read_text(encoding="utf-8"))
    return {f"{section}.{key}": text for section, words in sections.items() for key, text in words.items()}


@cache
def words_of(language: str) -> Callable[..., str]:
    """The function that gives a word by its key, with values in its ``{places}``. An unknown key is an error."""
    table = table_of_words(language)

    def word(key: str, **values: Any) -> str:
        return table[key].format(**values)

    return word


def chosen_language(*wishes: str | None) -> str:
    """The first of *wishes* that there are words for; English where there is none."""
    return next((wish for wish in wishes if wish in LANGUAGES), "en")
