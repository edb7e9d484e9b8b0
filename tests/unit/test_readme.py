"""What the README promises by name is what the code has."""

from __future__ import annotations

import argparse
import importlib.util
import re
import tomllib
from datetime import date
from pathlib import Path

import pytest

import pipelines
from pipelines import CryptoPipeline, __main__
from pipelines.core.statements import ROOT
from pipelines.services.settings import Settings

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
BY_NAME = [page.relative_to(ROOT).as_posix() for page in PAGES]


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


@pytest.mark.parametrize("page", PAGES, ids=BY_NAME)
def test_files_and_chapters_that_a_page_names_are_there(page: Path) -> None:
    for path, chapter in re.findall(r"\]\((?!http)([^)#]*)(?:#([^)]+))?\)", page.read_text(encoding="utf-8")):
        named = page.parent / path if path else page
        assert named.exists(), path
        if chapter:
            headings = re.findall(r"^#+ (.+)$", named.read_text(encoding="utf-8"), re.MULTILINE)
            assert chapter in [re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings], chapter


def test_each_command_of_make_that_a_page_names_is_one() -> None:
    targets = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for page in PAGES:
        named = re.findall(r"(?:`|^)make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert {*named} <= {*targets}, page


@pytest.mark.parametrize("page", PAGES, ids=BY_NAME)
def test_each_command_of_ours_that_a_page_names_is_one(page: Path) -> None:
    for words in typed(page):
        _, others = __main__.parser().parse_known_args(words)  # exits where a command, an option or a value is wrong
        assert not others or words[0] in ("psql", "why"), words


def test_the_readme_names_each_command_and_its_options() -> None:
    section = README.split("## Commands")[1].split("\n## ")[0]
    for name, command in subcommands(__main__.parser()).items():
        for full, inner in {
            name: command,
            **{f"{name} {of}": each for of, each in subcommands(command).items()},
        }.items():
            line = next((each for each in section.splitlines() if f"`python -m pipelines {full}" in each), "")
            assert line, full
            for option in inner._option_string_actions:
                assert option in ("-h", "--help") or option in line, (full, option)


@pytest.mark.parametrize("page", PAGES, ids=BY_NAME)
def test_each_root_task_that_a_page_names_is_one(page: Path) -> None:
    named = re.findall(r"luigi --module pipelines (\w+)", page.read_text(encoding="utf-8"))
    assert {*named} <= {*pipelines.__all__}


@pytest.mark.parametrize("page", PAGES, ids=BY_NAME)
def test_each_environment_of_tox_that_a_page_names_is_one(page: Path) -> None:
    environments = set()
    for section in re.findall(r"^\[testenv:(.+)\]$", (ROOT / "tox.ini").read_text(encoding="utf-8"), re.MULTILINE):
        start, factors, _ = re.match(r"([^{]*)(?:\{(.*)\})?(.*)", section).groups()  # type: ignore[union-attr]
        environments |= {start + factor for factor in (factors or "").split(",")}
    named = re.findall(r"`tox -e ([\w,-]+)(`(?:, `[a-z0-9-]+`)*)", page.read_text(encoding="utf-8"))
    assert {each for one, others in named for each in (*one.split(","), *re.findall(r"[\w-]+", others))} <= environments


def test_the_table_of_moved_imports_leads_to_modules_that_are_there() -> None:
    table = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").split("| 0.1.0 | 0.2.0 |")[1].split("\n\n")[0]
    named = set(re.findall(r"`(pipelines[\w.]+)`", " ".join(row.split("|")[2] for row in table.splitlines()[2:])))
    assert len(named) > 5
    for module in named:
        assert importlib.util.find_spec(module), module
    for module in re.findall(r"`(pipelines[\w.]+)`", " ".join(row.split("|")[1] for row in table.splitlines()[2:])):
        assert not importlib.util.find_spec(module), module


def test_the_newest_version_of_the_changelog_is_that_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    newest = re.search(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest
    assert newest[1] == project["version"]


def typed(page: Path) -> list[list[str]]:
    """The words after ``python -m pipelines`` where a page has it as code, up to the end of the code or a comment."""
    found = re.findall(r"python -m pipelines +([^`\n#|>…]+)", page.read_text(encoding="utf-8"))
    return [re.sub(r"[\[\]]", " ", each).split() for each in found]


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    choices = [each.choices for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
    return dict(choices[0]) if choices else {}
