"""What the README promises by name is what the code has."""

from __future__ import annotations

import re
from datetime import date

from pipelines import CryptoPipeline
from pipelines.settings import ROOT, Settings

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_table_of_settings_is_the_settings() -> None:
    section = README.split("## Settings")[1].split("\n## ")[0]
    told = {
        name: (default, means)
        for name, default, means in re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \|$", section, re.M)
    }
    assert list(told) == [name.upper() for name in Settings.model_fields]
    for name, field in Settings.model_fields.items():
        default, means = told[name.upper()]
        assert means == field.description
        plain = ",".join(map(str, field.default)) if isinstance(field.default, tuple) else str(field.default)
        if plain and field.default is not None:
            assert default.strip("`") in (plain, plain.removeprefix(f"{ROOT}/")), name


def test_the_flow_is_the_list_of_stages_that_airflow_will_show() -> None:
    names = [stage.stage for stage in CryptoPipeline(date=date(2023, 2, 1)).stages()]
    assert names == [
        "generate_fake_history_last_5_days", "build_events_candidate", "ge_validate_raw", "ge_validate_candidate",
        "merge_to_prod", "vacuum_analyze_prod", "notify_success",
    ]  # fmt: skip
    for name in names:
        assert name.replace("_", "") in README.replace("_", "").replace("<br/>", ""), name


def test_files_that_the_readme_names_are_there() -> None:
    for path in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / path).exists(), path
