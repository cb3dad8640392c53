"""Makes Spyne 2.14.0 importable on every Python the hub runs on. Import this before anything of Spyne's.

Spyne 2.14.0 is the last release. It carries a copy of ``six`` whose import hook Python 3.12 no longer honours, and it
imports ``cgi``, which left the standard library in Python 3.13 (the ``legacy-cgi`` distribution brings it back). The
installed ``six`` is put in the place of the copy before Spyne looks for it; nothing of Spyne's is changed on disk.

Spyne's loggers write whole messages, other companies' data included, so they are silenced here as well: what the hub
logs about a message it logs itself.
"""

from __future__ import annotations

import importlib.util
import logging
import operator
import sys

import six

__all__: list[str] = []

_VENDORED = "spyne.util.six"


def _install() -> None:
    if _VENDORED in sys.modules:
        return
    source = six.__file__
    assert source is not None
    spec = importlib.util.spec_from_file_location(_VENDORED, source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # six registers its lazy modules (six.moves and below) under the name it is executed by
    sys.modules[_VENDORED] = module
    spec.loader.exec_module(module)
    # Spyne added this one name to its copy
    module.get_function_name = operator.attrgetter("__name__")  # type: ignore[attr-defined]


_install()
logging.getLogger("spyne").setLevel(logging.CRITICAL + 1)
