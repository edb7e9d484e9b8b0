"""Suites, and what validating them gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from great_expectations.expectations import Expectation


@dataclass(frozen=True)
class Suite:
    """Expectations of one table, by the reject code of the rule that each one checks."""

    name: str
    schema: str
    table: str
    expectations: Mapping[str, Expectation]


@dataclass(frozen=True)
class Failure:
    """An expectation that failed or raised an error; ``message`` completes a sentence that the reject code begins."""

    suite: str
    reject_code: str
    message: str


@dataclass(frozen=True)
class ValidationResult:
    """The number of expectations of each suite, by its name, and those that failed."""

    expectation_counts: Mapping[str, int]
    failures: Sequence[Failure]
