"""A contract for import-linter that it does not have: no circle among single modules, ``__init__`` files included.

Its own ``acyclic_siblings`` compares packages with packages; this one also sees a package and a module inside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, output


class NoCircles(Contract):
    """Modules that import each other, directly or through others, each such group with its imports."""

    type_name = "no_circles"

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002
        found = sorted(circles(graph))
        return ContractCheck(kept=not found, metadata={"circles": found, "imports": [*_imports(graph, found)]})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for circle in check.metadata["circles"]:
            output.print_error(f"A circle of {len(circle)} modules: {', '.join(circle)}")
        for line in check.metadata["imports"]:
            output.print(f"  {line}")
        output.print("Move what both need into a module below, or pass it as an argument.")


def circles(graph: ImportGraph) -> Iterator[tuple[str, ...]]:
    """The groups of modules of which each reaches every other by imports."""
    reach = {module: graph.find_upstream_modules(module) for module in graph.modules}
    left = set(graph.modules)
    while left:
        module = left.pop()
        group = {other for other in reach[module] & left if module in reach[other]}
        left -= group
        if group:
            yield tuple(sorted({module, *group}))


def _imports(graph: ImportGraph, found: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for circle in found:
        for importer in circle:
            for imported in sorted({*circle} & graph.find_modules_directly_imported_by(importer)):
                lines = [each["line_number"] for each in graph.get_import_details(importer=importer, imported=imported)]
                yield f"{importer} -> {imported} (l. {', '.join(map(str, lines))})"
