"""What the README promises by name is what the code has."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from pipelines import CryptoPipeline
from pipelines.core.statements import ROOT
from pipelines.services.settings import Settings

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


@pytest.mark.parametrize("page", [ROOT / "README.md", *(ROOT / "docs").glob("*.md")], ids=lambda page: page.name)
def test_files_and_chapters_that_a_page_names_are_there(page: Path) -> None:
    for path, chapter in re.findall(r"\]\((?!http)([^)#]*)(?:#([^)]+))?\)", page.read_text(encoding="utf-8")):
        named = page.parent / path if path else page
        assert named.exists(), path
        if chapter:
            headings = re.findall(r"^#+ (.+)$", named.read_text(encoding="utf-8"), re.MULTILINE)
            assert chapter in [re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings], chapter


def test_each_command_of_make_that_a_page_names_is_one() -> None:
    targets = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        named = re.findall(r"(?:`|^)make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert {*named} <= {*targets}, page
