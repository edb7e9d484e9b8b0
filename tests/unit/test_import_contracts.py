"""The contract on circles among modules, on graphs made by hand."""

from __future__ import annotations

import grimp
import pytest

from scripts.import_contracts import circles


@pytest.mark.parametrize(
    ("imports", "expected"),
    [
        ("a>b b>c a>c", []),
        ("a>b b>a", [("a", "b")]),
        ("a>b b>c c>a c>d d>e", [("a", "b", "c")]),
        ("a>b b>a c>d d>c b>c", [("a", "b"), ("c", "d")]),
        ("p>p.a p.a>p", [("p", "p.a")]),
    ],
)
def test_circles(imports: str, expected: list[tuple[str, ...]]) -> None:
    graph = grimp.ImportGraph()
    for each in imports.split():
        importer, imported = each.split(">")
        graph.add_import(importer=importer, imported=imported)
    assert sorted(circles(graph)) == expected
