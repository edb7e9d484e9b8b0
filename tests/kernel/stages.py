"""The stages of the project, as entries of code versions."""

from __future__ import annotations

from collections.abc import Iterator

import pipelines
from pipelines.core.stage import Stage


def subclasses(of: type[Stage]) -> Iterator[type[Stage]]:
    for each in of.__subclasses__():
        yield each
        yield from subclasses(each)


def entries() -> list[str]:
    """``pipelines.crypto.tasks.MergeToProd.work`` and so on: of each class that names a stage."""
    assert pipelines.__all__
    found = {each for each in subclasses(Stage) if "stage" in vars(each) and each.__module__.startswith("pipelines.")}
    return sorted(f"{each.__module__}.{each.__qualname__}.work" for each in found)
