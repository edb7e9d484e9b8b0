"""Parameters of tasks: dates, whole numbers and choices, refused by the name that a user types."""

from __future__ import annotations

from datetime import date
from typing import Any

import luigi

from pipelines.core.errors import UsageError


def whole_number(text: str) -> int | None:
    """The number that a text of up to nine digits is, 0 included; None for any other text."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


class DateParameter(luigi.DateParameter):
    """YYYY-MM-DD; today in the project's zone when it is not given."""

    def parse(self, value: str) -> date:
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise UsageError(f"--date {value!r} is not a date: write YYYY-MM-DD.") from None

    def serialize(self, dt: date | None) -> str:
        return str(dt)  # the year in four digits, before 1000 too


class WholeNumber(luigi.IntParameter):
    """A number from 1 to ``most``; ``option`` is what a user types."""

    def __init__(self, option: str, most: int, **others: Any) -> None:
        super().__init__(**others)
        self.option, self.most = option, most

    def parse(self, value: str) -> int:
        number = whole_number(value)
        if number is None or not 1 <= number <= self.most:
            raise UsageError(f"{self.option} {value!r}: write a whole number from 1 to {self.most}.")
        return number


class OneOf(luigi.Parameter[str]):
    """One of some words; ``option`` is what a user types."""

    def __init__(self, option: str, words: tuple[str, ...], **others: Any) -> None:
        super().__init__(**others)
        self.option, self.words = option, words

    def parse(self, value: str) -> str:
        if value not in self.words:
            raise UsageError(f"{self.option} {value!r}: write {' or '.join(self.words)}.")
        return value
