"""Whether customers are still those that they were: the current snapshot against the weeks before, by Evidently."""

from __future__ import annotations

import html
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pipelines.churn.declaration import CATEGORIES, NUMERIC

if TYPE_CHECKING:
    import pandas

DRIFT_SHARE = 0.5  # of the columns: from so many on, the snapshot as a whole has drifted
MIN_ROWS = 30  # on each side
NOISE = 0.01  # standard deviation of the light noise, as a share of a column's own
SEED = 2019


@dataclass(frozen=True)
class Drift:
    """What was found: ``left_out`` names columns that could not be compared, and why; ``html`` is the report."""

    share: float
    detected: bool
    drifted: tuple[str, ...]
    left_out: dict[str, str]
    compared: int
    html: str


def compare(
    current: pandas.DataFrame,
    reference: pandas.DataFrame,
    sample: int,
    note: str = "",
    unknown: Mapping[str, str] = MappingProxyType({}),
    numeric: Sequence[str] = NUMERIC,
    categories: Sequence[str] = CATEGORIES,
) -> Drift:
    """Compare two samples of customers column by column; a column that cannot be compared is listed, with the reason.

    Args:
        current, reference: one row per customer; what is not in ``numeric`` or ``categories`` is not looked at.
        sample: rows of each side above which a sample is taken, the same one every time.
        note: what the report should say on top.
        unknown: columns that are not to be compared, and why.
    """
    current, reference = (_sample(side, sample) for side in (current, reference))
    left_out = {
        name: why
        for name in (*numeric, *categories)
        if (why := unknown.get(name) or _why_not(current, reference, name))
    }
    numeric = [name for name in numeric if name not in left_out]
    categories = [name for name in categories if name not in left_out]
    if not numeric and not categories:
        return Drift(0.0, False, (), left_out, 0, _page(note, left_out))
    os.environ.setdefault("DO_NOT_TRACK", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        definition = DataDefinition(numerical_columns=numeric, categorical_columns=categories)
        sides = [
            Dataset.from_pandas(side[[*numeric, *categories]], data_definition=definition)
            for side in (current, reference)
        ]
        found = Report([DataDriftPreset(drift_share=DRIFT_SHARE)], include_tests=True).run(*sides)
        page = found.get_html_str(as_iframe=False)
    told = json.loads(found.json())
    count, share = (told["metrics"][0]["value"][name] for name in ("count", "share"))
    failed = {_column_of(test) for test in told["tests"] if test["status"] == "FAIL"}
    drifted = tuple(name for name in (*numeric, *categories) if name in failed)
    assert len(drifted) == count, (drifted, count)
    return Drift(float(share), share >= DRIFT_SHARE, drifted, left_out, len(numeric) + len(categories),
                 page.replace("<body>", f"<body>{_banner(note, left_out)}", 1))  # fmt: skip


def stand_in(current: pandas.DataFrame) -> pandas.DataFrame:
    """The same customers with light noise on their numbers; a zero stays one, a count whole: else noise is drift."""
    import numpy as np

    random = np.random.default_rng(SEED)
    noisy = current.copy()
    for name in NUMERIC:
        values = current[name].to_numpy(dtype=float)
        moved = np.where(values == 0, values, values + random.normal(0, NOISE * values.std(), len(values)))
        noisy[name] = moved.round() if (values == values.round()).all() else moved
    return noisy


def not_yet_known(frames: Sequence[pandas.DataFrame]) -> dict[str, str]:
    """Columns of which some weeks do not tell: compared, they would drift by what the files tell, not by customers."""
    silent = {name: sum(frame[name].nunique() < 2 for frame in frames) for name in (*NUMERIC, *CATEGORIES)}
    return {name: f"not known in {weeks} of the {len(frames)} weeks before" for name, weeks in silent.items() if weeks}


def report_name(snapshot: date) -> str:
    """Of a snapshot's report, in ``drift_reports/`` and under ``drift-reports/`` of the bucket."""
    return f"{snapshot}.html"


def _sample(side: pandas.DataFrame, rows: int) -> pandas.DataFrame:
    return side.sample(rows, random_state=SEED) if len(side) > rows else side


def _why_not(current: pandas.DataFrame, reference: pandas.DataFrame, name: str) -> str | None:
    for side, words in ((current, "the current snapshot"), (reference, "the reference")):
        if name not in side:
            return f"missing in {words}"
        values = side[name].dropna()
        if values.empty:
            return f"empty in {words}"
        if len(values) < MIN_ROWS:
            return f"only {len(values)} values in {words}"
    for side, words in ((current, "the current snapshot"), (reference, "the reference")):
        if side[name].nunique() < 2:
            return f"constant in {words}"
    return None


def _column_of(test: dict[str, Any]) -> str | None:
    column = test.get("metric_config", {}).get("params", {}).get("column")
    return None if column is None else str(column)


def _banner(note: str, left_out: dict[str, str]) -> str:
    lines = [note] if note else []
    if left_out:
        lines.append("Left out: " + "; ".join(f"{name} ({why})" for name, why in left_out.items()) + ".")
    told = "".join(f"<p>{html.escape(line)}</p>" for line in lines)
    return f'<div style="font: 15px sans-serif; padding: 12px 24px; background: #fff7e0">{told}</div>' if told else ""


def _page(note: str, left_out: dict[str, str]) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Data drift</title></head>'
        f"<body>{_banner(note, left_out)}<p>No column could be compared.</p></body></html>"
    )
