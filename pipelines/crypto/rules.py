"""The data-quality rules. Each is declared once and gives the expectation, the reject reason and the SQL predicate.

To add a rule, add a line to ``raw_rules`` or ``candidate_rules``: one of the kinds below, or ``FromGallery`` with any
expectation of Great Expectations. All of them gate the load. A rule with a predicate can say which rows broke it, so
that they can be quarantined; one from the gallery cannot, and always halts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, LiteralString

from psycopg import sql

if TYPE_CHECKING:
    from great_expectations.expectations import Expectation

# Above every price, units and value that the columns can hold: with it as a maximum, a range refuses 'NaN' too, which
# PostgreSQL sorts above all numbers.
BEYOND = 10**30
DATE_FORMAT = "^[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}$"
KEY = ("user_id", "purchase_date", "site_id", "crypto_type")  # the most telling first: it is compared by that


@dataclass(frozen=True)
class Rule:
    """A rule about one column of a staging row; ``reason`` is what a rejected row is told."""

    column: str
    reason: str

    def expectation(self) -> Expectation:
        raise NotImplementedError

    def broken(self) -> sql.Composable | None:
        """True of a row of staging that breaks the rule; None where the rule can't name rows."""
        return None

    def values(self) -> dict[str, Any]:
        """What the predicate binds, by the rule's own name."""
        return {}

    def _is(self, text: LiteralString) -> sql.Composed:
        """A predicate about the column; ``{0}`` is the column, ``{1}`` the bound value."""
        return sql.SQL(text).format(sql.Identifier(self.column), sql.Placeholder(self.reason))


@dataclass(frozen=True)
class Present(Rule):
    """Not null."""

    def expectation(self) -> Expectation:
        import great_expectations.expectations as gxe

        return gxe.ExpectColumnValuesToNotBeNull(column=self.column)

    def broken(self) -> sql.Composable:
        return self._is("{0} IS NULL")


@dataclass(frozen=True)
class OneOf(Rule):
    """One of the names that a setting knows; null is another rule's."""

    known: tuple[str, ...]

    def expectation(self) -> Expectation:
        import great_expectations.expectations as gxe

        return gxe.ExpectColumnValuesToBeInSet(column=self.column, value_set=list(self.known))

    def broken(self) -> sql.Composable:
        return self._is("{0} <> ALL ({1})")

    def values(self) -> dict[str, Any]:
        return {self.reason: list(self.known)}


@dataclass(frozen=True)
class Matches(Rule):
    """A regular expression that PostgreSQL and Python read alike; null is another rule's."""

    pattern: str

    def expectation(self) -> Expectation:
        import great_expectations.expectations as gxe

        return gxe.ExpectColumnValuesToMatchRegex(column=self.column, regex=self.pattern)

    def broken(self) -> sql.Composable:
        return self._is("{0} !~ {1}")

    def values(self) -> dict[str, Any]:
        return {self.reason: self.pattern}


@dataclass(frozen=True)
class AtLeast(Rule):
    """A number from ``minimum`` on (``strict``: above it) that is a number; null is another rule's."""

    minimum: int
    strict: bool = False

    def expectation(self) -> Expectation:
        import great_expectations.expectations as gxe

        return gxe.ExpectColumnValuesToBeBetween(
            column=self.column, min_value=self.minimum, strict_min=self.strict, max_value=BEYOND
        )

    def broken(self) -> sql.Composable:
        return self._is("({0} <= {1} OR {0} = 'NaN')" if self.strict else "({0} < {1} OR {0} = 'NaN')")

    def values(self) -> dict[str, Any]:
        return {self.reason: self.minimum}


@dataclass(frozen=True)
class NotAfter(Rule):
    """A day that has come; null is another rule's."""

    day: date

    def expectation(self) -> Expectation:
        import great_expectations.expectations as gxe

        return gxe.ExpectColumnValuesToBeBetween(column=self.column, max_value=self.day)

    def broken(self) -> sql.Composable:
        return self._is("{0} > {1}")

    def values(self) -> dict[str, Any]:
        return {self.reason: self.day}


@dataclass(frozen=True)
class UniqueKey(Rule):
    """One row per key, exact re-deliveries apart: of two different ones nobody knows which is right."""

    key: tuple[str, ...] = KEY

    def expectation(self) -> Expectation:
        import great_expectations.expectations as gxe

        return gxe.ExpectCompoundColumnsToBeUnique(column_list=list(self.key))

    def broken(self) -> sql.Composable:
        return self._is("{0}")


@dataclass(frozen=True)
class FromGallery(Rule):
    """Any expectation of Great Expectations, by its name and arguments."""

    name: str
    arguments: tuple[tuple[str, Any], ...] = ()

    def expectation(self) -> Expectation:
        import great_expectations.expectations as gxe

        column = {"column": self.column} if self.column else {}
        expectation: Expectation = getattr(gxe, self.name)(**column, **dict(self.arguments))
        return expectation


RAW_COLUMNS = (
    "site_id", "user_id", "purchase_date", "crypto_type", "purchase_price", "purchase_units",
    "ingest_id", "inserted_at", "purchase_day",
)  # fmt: skip

# About the raw table itself, not its rows.
RAW_TABLE_RULES: tuple[Rule, ...] = (
    FromGallery("", "raw_columns", "ExpectTableColumnsToMatchSet",
                (("column_set", list(RAW_COLUMNS)), ("exact_match", True))),
    FromGallery("user_id", "user_id_type", "ExpectColumnValuesToBeOfType", (("type_", "BIGINT"),)),
)  # fmt: skip


def raw_rules(today: date, sites: tuple[str, ...], types: tuple[str, ...]) -> tuple[Rule, ...]:
    """``suite_raw_history``: what every judged row of raw history must hold."""
    return (
        Present("site_id", "site_id_missing"),
        OneOf("site_id", "site_id_unknown", sites),
        Present("user_id", "user_id_missing"),
        Matches("purchase_date", "purchase_date_format", DATE_FORMAT),
        Present("purchase_day", "purchase_date_no_calendar_day"),
        NotAfter("purchase_day", "purchase_date_future", today),
        Present("crypto_type", "crypto_type_missing"),
        OneOf("crypto_type", "crypto_type_unknown", types),
        Present("purchase_price", "purchase_price_missing"),
        AtLeast("purchase_price", "purchase_price_negative", 0),
        Present("purchase_units", "purchase_units_missing"),
        AtLeast("purchase_units", "purchase_units_not_positive", 0, strict=True),
    )


# ``suite_staging_candidate``: what every typed candidate must hold before it may be merged.
CANDIDATE_RULES: tuple[Rule, ...] = (
    FromGallery("purchase_date", "purchase_date_type", "ExpectColumnValuesToBeOfType", (("type_", "DATE"),)),
    # No row predicate: the raw rules about price and units name the rows already.
    FromGallery("purchase_value", "purchase_value_negative", "ExpectColumnValuesToBeBetween",
                (("min_value", 0), ("max_value", BEYOND))),
    # The view takes price * units anew, and shows a value that is not the same.
    FromGallery("value_error", "purchase_value_wrong", "ExpectColumnValuesToBeNull"),
    UniqueKey("key_conflict", "key_conflict"),
)  # fmt: skip


def reasons(rules: Iterable[Rule]) -> tuple[sql.Composable, dict[str, Any]]:
    """The SQL array of the reasons that apply to a row (NULL where one does not), and the values that it binds."""
    cases, values = [], {}
    for rule in rules:
        if (broken := rule.broken()) is not None:
            cases.append(sql.SQL("CASE WHEN {} THEN {} END").format(broken, sql.Literal(rule.reason)))
            values.update(rule.values())
    return sql.SQL("ARRAY[{}]::text[]").format(sql.SQL(", ").join(cases)), values
