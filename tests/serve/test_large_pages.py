"""U2 at volume: what works on large arrays gets large pages, unless the operator says otherwise."""

import pytest

from adapters.large_pages import with_large_pages


@pytest.mark.parametrize(
    ("said", "then"),
    [
        ({}, "glibc.malloc.hugetlb=1"),
        ({"GLIBC_TUNABLES": ""}, "glibc.malloc.hugetlb=1"),
        ({"GLIBC_TUNABLES": "glibc.malloc.arena_max=2"}, "glibc.malloc.arena_max=2:glibc.malloc.hugetlb=1"),
        ({"GLIBC_TUNABLES": "glibc.malloc.hugetlb=0"}, "glibc.malloc.hugetlb=0"),
    ],
)
def test_large_pages_are_asked_for_once_and_an_operators_word_counts(said: dict[str, str], then: str) -> None:
    given = {"PATH": "/bin", **said}
    assert with_large_pages(given) == {"PATH": "/bin", "GLIBC_TUNABLES": then}
    assert with_large_pages(with_large_pages(given)) == with_large_pages(given)
