"""The plain way: one statement after the other, every row upserted, one checkpoint per suite straight on the tables.

``run_plain DSN START END TODAY FOLDER``; the folder takes the Data Docs.
"""

from __future__ import annotations

import os
import sys
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
from psycopg import conninfo

HERE = Path(__file__).parent / "plain"
RAW_COLUMNS = [
    "site_id", "user_id", "purchase_date", "crypto_type", "purchase_price", "purchase_units",
    "ingest_id", "inserted_at", "purchase_day",
]  # fmt: skip


def suites(today: date) -> tuple[list[Any], list[Any], list[Any]]:
    """What the raw table, its rows in the window and the staged rows must hold."""
    import great_expectations.expectations as gxe

    shape = [
        gxe.ExpectTableColumnsToMatchSet(column_set=RAW_COLUMNS, exact_match=True),
        gxe.ExpectColumnValuesToBeOfType(column="user_id", type_="BIGINT"),
    ]
    rows = [
        *(gxe.ExpectColumnValuesToNotBeNull(column=name) for name in (*RAW_COLUMNS[:6], "purchase_day")),
        gxe.ExpectColumnValuesToBeInSet(column="site_id", value_set=["ARGENTINA", "BRASIL", "MEXICO"]),
        gxe.ExpectColumnValuesToBeInSet(column="crypto_type", value_set=["BTC", "ETH", "USDC"]),
        gxe.ExpectColumnValuesToMatchRegex(column="purchase_date", regex="^[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}$"),
        gxe.ExpectColumnValuesToBeBetween(column="purchase_day", max_value=today),
        gxe.ExpectColumnValuesToBeBetween(column="purchase_price", min_value=0),
        gxe.ExpectColumnValuesToBeBetween(column="purchase_units", min_value=0, strict_min=True),
    ]
    wrong_value = "SELECT * FROM {batch} WHERE purchase_value <> round(purchase_price * purchase_units, 8)"
    staged = [
        gxe.ExpectColumnValuesToBeOfType(column="purchase_date", type_="DATE"),
        gxe.ExpectColumnValuesToBeBetween(column="purchase_value", min_value=0),
        gxe.UnexpectedRowsExpectation(unexpected_rows_query=wrong_value),
        gxe.ExpectCompoundColumnsToBeUnique(column_list=["site_id", "user_id", "purchase_date", "crypto_type"]),
    ]
    return shape, rows, staged


def checkpoint(context: Any, name: str, asset: Any, expectations: list[Any]) -> None:
    """Run a suite on all rows of the asset, and write Data Docs."""
    import great_expectations as gx
    from great_expectations.checkpoint import UpdateDataDocsAction

    suite = context.suites.add(gx.ExpectationSuite(name=name, expectations=expectations))
    batch = asset.add_batch_definition_whole_table("all rows")
    definition = context.validation_definitions.add(gx.ValidationDefinition(name=name, data=batch, suite=suite))
    docs = UpdateDataDocsAction(name="docs")
    result = context.checkpoints.add(
        gx.Checkpoint(name=name, validation_definitions=[definition], actions=[docs], result_format="COMPLETE")
    ).run()
    if not result.success:
        answers = [each for answer in result.run_results.values() for each in answer.results]
        sys.exit(f"{name} failed: {[each.expectation_config.type for each in answers if not each.success]}")


def main(dsn: str, start: str, end: str, today: str, folder: str) -> None:
    """Check raw history, stage it, check that, upsert it, deactivate what is gone."""
    os.environ["GX_ANALYTICS_ENABLED"] = "False"
    import great_expectations as gx
    from sqlalchemy.engine import URL

    values = {"start": start, "end": end}
    url = URL.create("postgresql+psycopg", query={k: str(v) for k, v in conninfo.conninfo_to_dict(dsn).items() if v})
    context = gx.get_context(mode="file", project_root_dir=folder)
    source = context.data_sources.add_or_update_sql("warehouse", connection_string=url.render_as_string(False))

    def run(name: str) -> None:
        with psycopg.connect(dsn, cursor_factory=psycopg.ClientCursor) as connection:
            connection.execute((HERE / f"{name}.sql").read_bytes(), values)

    shape, rows, staged = suites(date.fromisoformat(today))
    table = source.add_table_asset("raw_table", table_name="bt_crypto_transaction_history", schema_name="raw")
    checkpoint(context, "suite_raw_table", table, shape)
    window = source.add_query_asset("raw_window", (
        f"SELECT * FROM raw.bt_crypto_transaction_history WHERE purchase_day BETWEEN '{start}' AND '{end}' "
        f"OR purchase_day IS NULL OR purchase_day > '{today}'"
    ))  # fmt: skip
    checkpoint(context, "suite_raw_history", window, rows)
    run("stage")
    table = source.add_table_asset("plain_events", table_name="plain_events", schema_name="staging")
    checkpoint(context, "suite_staging_candidate", table, staged)
    run("upsert")
    run("deactivate")


if __name__ == "__main__":
    main(*sys.argv[1:])
