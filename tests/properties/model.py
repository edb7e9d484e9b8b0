"""The crypto flow's rules once more, in plain Python over lists: what the machine holds the real flow against."""

from __future__ import annotations

import calendar
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

Key = tuple[str, int, date, str]
STAGES = ("build_events_candidate", "ge_validate_raw", "ge_validate_candidate", "merge_to_prod")
BUILD, VALIDATE_RAW, VALIDATE_CANDIDATE, MERGE = STAGES
VALUE = Decimal("0.00000001")  # the scale of purchase_value


class Raw(NamedTuple):
    """A row of raw history, as it came."""

    site_id: str | None
    user_id: int | None
    purchase_date: str | None
    crypto_type: str | None
    price: Decimal | None
    units: Decimal | None


class Event(NamedTuple):
    """A row of production, apart from its key."""

    price: Decimal
    units: Decimal
    value: Decimal
    active: bool


class Options(NamedTuple):
    """What a user types for a run."""

    run_date: date
    window_days: int
    on_invalid: str
    allow_mass_deactivation: bool

    @property
    def key(self) -> str:
        return f"{self.run_date}, {self.window_days} days"

    @property
    def start(self) -> date:
        return self.run_date - timedelta(days=self.window_days - 1)


class World(NamedTuple):
    """What decides a run besides its options: raw history, the calendar, and the settings."""

    raw: dict[int, Raw]
    today: date
    sites: tuple[str, ...]
    types: tuple[str, ...]
    max_reject_share: float


class Left(NamedTuple):
    """A materialization: what it was made from, and the snapshot that it describes."""

    made_from: Any
    snapshot: int


def day_of(text: str | None) -> date | None:
    """D/M/YYYY as a date."""
    if text is None or not (found := re.fullmatch(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})", text)):
        return None
    day, month, year = map(int, found.groups())
    if year == 0 or not 1 <= month <= 12 or not 1 <= day <= calendar.monthrange(year, month)[1]:
        return None
    return date(year, month, day)


def reasons_of(row: Raw, today: date, sites: tuple[str, ...], types: tuple[str, ...]) -> set[str]:
    """Every rule about single rows that this one breaks."""
    day = day_of(row.purchase_date)
    checks = {
        "site_id_missing": row.site_id is None,
        "site_id_unknown": row.site_id is not None and row.site_id not in sites,
        "user_id_missing": row.user_id is None,
        "purchase_date_format": row.purchase_date is not None
        and not re.fullmatch(r"[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}", row.purchase_date),
        "purchase_date_no_calendar_day": day is None,
        "purchase_date_future": day is not None and day > today,
        "crypto_type_missing": row.crypto_type is None,
        "crypto_type_unknown": row.crypto_type is not None and row.crypto_type not in types,
        "purchase_price_missing": row.price is None,
        "purchase_price_negative": row.price is not None and (row.price.is_nan() or row.price < 0),
        "purchase_units_missing": row.units is None,
        "purchase_units_not_positive": row.units is not None and (row.units.is_nan() or row.units <= 0),
    }
    return {name for name, broken in checks.items() if broken}


@dataclass
class Model:
    """Production, and what was set aside, as the flow must leave them."""

    production: dict[Key, Event] = field(default_factory=dict)
    quarantined: dict[int, Raw] = field(default_factory=dict)  # by ingest_id, as it was then
    changes: Counter[date | None] = field(default_factory=Counter)  # of raw history, by day
    left: dict[tuple[str, str], Left] = field(default_factory=dict)  # by stage and key
    snapshots: int = 0  # the newest one is in staging

    # Which stages run ------------------------------------------------------------------------------------------------

    def touch(self, row: Raw) -> None:
        """A row of raw history came, changed, or went."""
        self.changes[day_of(row.purchase_date)] += 1

    def made_from(self, stage: str, options: Options, world: World) -> Any:
        """What decides the result of a stage, as it is now."""
        if stage == BUILD:
            last = max(world.today, options.run_date)
            return frozenset(
                (day, count) for day, count in self.changes.items()
                if day is None or day > last or options.start <= day <= options.run_date
            )  # fmt: skip
        upstream = self.made_from(STAGES[STAGES.index(stage) - 1], options, world)
        if stage == MERGE:
            return upstream
        share = world.max_reject_share if options.on_invalid == "quarantine" else None
        return upstream, world.sites, options.on_invalid, share

    def is_current(self, stage: str, options: Options, world: World) -> bool:
        """Whether a stage and all before it were made from what is there now, and what it made is still there."""
        for each in STAGES[: STAGES.index(stage) + 1]:
            left = self.left.get((each, options.key))
            if left is None or left.made_from != self.made_from(each, options, world):
                return False
        return stage == MERGE or self.left[stage, options.key].snapshot == self.snapshots

    def run(self, options: Options, world: World) -> Iterator[tuple[str, str]]:
        """Each stage that has its turn in a run, and how it ends; the model has changed when it is given.

        A stage is skipped that is current when its turn comes: one before it, which had been refused under another
        policy or overwritten, was done again as it had been.
        """
        current = [stage for stage in STAGES if self.is_current(stage, options, world)]
        judged = self.judged(world.raw, options.run_date, options.window_days, world.today)
        bad = self.verdicts(judged, world.today, world.sites, world.types)
        for stage in STAGES[STAGES.index(current[-1]) + 1 :] if current else STAGES:
            if self.is_current(stage, options, world):
                yield stage, "skipped"
                continue
            if stage == BUILD:
                self.snapshots += 1
            if stage == VALIDATE_RAW:
                if bad and (options.on_invalid == "halt" or len(bad) >= world.max_reject_share * len(judged)):
                    self.left.pop((stage, options.key), None)
                    yield stage, "refused"
                    return
                self.quarantined |= {ingest_id: judged[ingest_id] for ingest_id in bad}
            if stage == MERGE:
                after, deactivated, active = self.merged(judged, bad, options.run_date, options.window_days)
                if not options.allow_mass_deactivation and deactivated > 0.5 * active:
                    yield stage, "refused"
                    return
                self.production = after
            self.left[stage, options.key] = Left(self.made_from(stage, options, world), self.snapshots)
            yield stage, "ran"

    # What they do ----------------------------------------------------------------------------------------------------

    def judged(self, raw: dict[int, Raw], run_date: date, days: int, today: date) -> dict[int, Raw]:
        """The rows that a run judges."""
        start = run_date - timedelta(days=days - 1)
        rows = {}
        for ingest_id, row in raw.items():
            day = day_of(row.purchase_date)
            astray = day is None or day > max(today, run_date)
            if astray and same(self.quarantined.get(ingest_id), row):
                continue
            if astray or (day is not None and start <= day <= run_date):
                rows[ingest_id] = row
        return rows

    def verdicts(
        self, judged: dict[int, Raw], today: date, sites: tuple[str, ...], types: tuple[str, ...]
    ) -> dict[int, set[str]]:
        """Reasons by row; rows without any are left out."""
        versions: dict[Key, set[tuple[str, str]]] = defaultdict(set)
        for row in judged.values():
            if (key := key_of(row)) is not None:
                versions[key].add((str(row.price), str(row.units)))
        found = {}
        for ingest_id, row in judged.items():
            reasons = reasons_of(row, today, sites, types)
            key = key_of(row)
            if key is not None and len(versions[key]) > 1:
                reasons.add("key_conflict")
            if reasons:
                found[ingest_id] = reasons
        return found

    def merged(
        self, judged: dict[int, Raw], bad: dict[int, set[str]], run_date: date, days: int
    ) -> tuple[dict[Key, Event], int, int]:
        """Production after the merge, how many keys it deactivates, and how many were active in the window."""
        start = run_date - timedelta(days=days - 1)
        after, deactivated = dict(self.production), 0
        staged = {key_of(row) for row in judged.values()}
        active = sum(event.active for key, event in self.production.items() if start <= key[2] <= run_date)
        for key, event in self.production.items():
            if start <= key[2] <= run_date and event.active and key not in staged:
                after[key] = event._replace(active=False)
                deactivated += 1
        for ingest_id, row in judged.items():
            key = key_of(row)
            if ingest_id not in bad and key is not None and row.price is not None and row.units is not None:
                after[key] = Event(row.price, row.units, (row.price * row.units).quantize(VALUE, ROUND_HALF_UP), True)
        return after, deactivated, active


def key_of(row: Raw) -> Key | None:
    day = day_of(row.purchase_date)
    if row.site_id is None or row.user_id is None or day is None or row.crypto_type is None:
        return None
    return row.site_id, row.user_id, day, row.crypto_type


def same(one: Raw | None, other: Raw) -> bool:
    """Equal as PostgreSQL has it, where NaN equals itself."""
    return one is not None and [str(value) for value in one] == [str(value) for value in other]
