"""The gain of each patch of Great Expectations: ``python -m benchmarks.gx_patches``, some minutes.

The import: CPU seconds of whole processes that import Great Expectations and exit, with all patches and with all but
one, in turn. The count by key: seconds to validate a key of four columns in 1M rows, with both metrics in turn.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import AbstractContextManager, ExitStack, redirect_stderr
from io import StringIO
from pathlib import Path
from statistics import median

from pipelines.core.statements import ROOT
from pipelines.services.expectations import patches

TURNS = 7
CONTEXTS = {
    "lazy scipy.stats": lambda: patches.lazy_modules("scipy.stats"),
    "lazy altair": lambda: patches.lazy_modules("altair"),
    "without_pyspark": patches.without_pyspark,
    "collector_paused": patches.collector_paused,
}
IMPORT_PATCHES = (*CONTEXTS, "exempt_from_collection")
ROWS = """
    CREATE TABLE public.key_examples AS
    SELECT (random() * 500000)::bigint AS user_id, date '2024-01-01' + (random() * 5)::int AS purchase_date,
        (ARRAY['ARGENTINA', 'BRASIL', 'MEXICO'])[1 + (random() * 2)::int] AS site_id,
        (ARRAY['BTC', 'ETH', 'USDC'])[1 + (random() * 2)::int] AS crypto_type,
        number AS purchase_price, number + 0.5 AS purchase_units
    FROM generate_series(1, 1000000) AS number
"""


def import_without(*left_out: str) -> None:
    """Imports Great Expectations with all import patches but those."""
    with ExitStack() as stack:
        for name, patch in CONTEXTS.items():
            if name not in left_out:
                context: AbstractContextManager[None] = patch()
                stack.enter_context(context)
        import great_expectations.expectations  # noqa: F401
    if "exempt_from_collection" not in left_out:
        patches.exempt_from_collection()


def cpu_seconds_of_import(*left_out: str) -> float:
    """Runs it in a process of its own. CPU time: what else the machine does changes it less."""
    code = f"from benchmarks.gx_patches import import_without; import_without(*{left_out!r})"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def compare_imports() -> None:
    """Prints the gain of each import patch, and of all."""
    variants = {"all": IMPORT_PATCHES} | {name: (name,) for name in IMPORT_PATCHES}
    for left_out in variants.values():
        cpu_seconds_of_import(*left_out)  # fills the disk's cache
    times: dict[str, list[float]] = {name: [] for name in ("", *variants)}
    for _ in range(TURNS):
        times[""].append(cpu_seconds_of_import())
        for name, left_out in variants.items():
            times[name].append(cpu_seconds_of_import(*left_out))
    for name in variants:
        show(name, times[""], times[name])


def compare_counts() -> None:
    """Prints the gain of the metric that counts rows by key."""
    from great_expectations.expectations.metrics.multicolumn_map_metrics.compound_columns_unique import (
        CompoundColumnsUnique,
    )

    from pipelines.services import expectations, warehouse

    gx = expectations.loaded()
    with warehouse.connect() as connection:
        connection.execute(ROWS)
        connection.execute("ANALYZE public.key_examples")
    source = gx.get_context(mode="ephemeral").data_sources.add_sql("keys", connection_string=warehouse.sqlalchemy_url())
    rows = source.add_table_asset("keys", table_name="key_examples").add_batch_definition_whole_table("all")
    key = gx.expectations.ExpectCompoundColumnsToBeUnique(
        column_list=["user_id", "purchase_date", "site_id", "crypto_type"]
    )
    times: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(TURNS + 1):
        for is_patched, register in (
            (False, CompoundColumnsUnique._register_metric_functions), (True, patches.count_rows_by_key)
        ):  # fmt: skip
            register()
            batch = rows.get_batch()
            started = time.monotonic()
            with redirect_stderr(StringIO()):  # its progress bars
                batch.validate(key, result_format="BOOLEAN_ONLY")
            if turn:
                times[is_patched].append(time.monotonic() - started)
    source.get_engine().dispose()
    show("count_rows_by_key", times[True], times[False])


def show(name: str, with_it: list[float], without: list[float]) -> None:
    ratios = sorted(one / other for one, other in zip(with_it, without, strict=True))
    print(
        f"{name:24} median of {len(ratios)}: {median(with_it):.2f} s / {median(without):.2f} s; "
        f"ratio {median(ratios):.2f} (from {ratios[0]:.2f} to {ratios[-1]:.2f})",
        flush=True,
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as state:
        os.environ |= {"STATE_DIR": str(Path(state)), "POSTGRES_DSN": ""}
        compare_imports()
        compare_counts()


if __name__ == "__main__":
    main()
