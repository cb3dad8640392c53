"""Large pages of memory for programs that work on large arrays: a tenth of their processor time.

The C library asks for them only where its environment says so when a program starts (glibc 2.35 and later; others take
no notice), and the kernel gives them where it has `madvise` or `always` in
`/sys/kernel/mm/transparent_hugepage/enabled`, as Debian has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["VARIABLE", "with_large_pages"]

VARIABLE: Final = "GLIBC_TUNABLES"
_NAME: Final = "glibc.malloc.hugetlb"


def with_large_pages(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for a program that is to have them; what *environment* says about it already, counts."""
    said = environment.get(VARIABLE, "")
    if _NAME in said:
        return dict(environment)
    return {**environment, VARIABLE: ":".join(filter(None, (said, f"{_NAME}=1")))}
