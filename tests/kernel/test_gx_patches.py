"""The patches of Great Expectations are needed and harmless; an early import is safe with threads and forks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.helpers import python

IMPORT = """
import gc, importlib, json, logging, sys, types

class Count(logging.Handler):
    lines = 0
    def emit(self, record):
        Count.lines += record.name.startswith("great_expectations")

def is_lazy(name):
    return type(sys.modules[name]) is not types.ModuleType

def collections():
    return sum(each["collections"] for each in gc.get_stats())

def facts():
    return {
        "modules": [name for name in ("scipy.stats", "altair", "pyspark") if name in sys.modules and not is_lazy(name)],
        "collections": collections() - collections_before, "objects": len(gc.get_objects()) - objects_before,
        "lines": Count.lines,
    }

logging.basicConfig(level=logging.INFO, handlers=[Count()])
from pipelines.services import expectations
gc.collect()
objects_before, collections_before = len(gc.get_objects()), collections()
"""


def run(code: str) -> Any:
    """Returns what the last line that a fresh process prints holds."""
    done = python("-c", IMPORT + code)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def plain() -> Any:
    """Facts about a process that imports Great Expectations without the door."""
    return run("import great_expectations, great_expectations.expectations\nprint(json.dumps(facts()))")


@pytest.fixture(scope="module")
def patched() -> Any:
    """Facts about a process that imports Great Expectations through the door, and then what it imports lazily."""
    return run("""
gx = expectations.loaded()
found = facts() | {
    "name": gx.__name__, "frozen": gc.get_freeze_count(), "enabled": gc.isenabled(),
    "finders": [type(finder).__module__ for finder in sys.meta_path],
}
import altair, pyspark, scipy.stats
from scipy import stats
found["entropy"] = float(stats.entropy([1, 1], [1, 1]))
found["same"] = scipy.stats is stats and gx.expectations.core.expect_column_kl_divergence_to_be_less_than.alt is altair
found["chart"] = altair.Chart.__name__
found["spark"] = pyspark.SparkConf.__name__
print(json.dumps(found))
""")


# Each fails where a new Great Expectations does by itself what a patch is for: remove the patch then. --------------


@pytest.mark.parametrize("module", ["scipy.stats", "altair", "pyspark"])
def test_great_expectations_alone_imports_it(plain, module: str) -> None:
    assert module in plain["modules"]


def test_great_expectations_alone_makes_the_collector_work_in_vain(plain) -> None:
    assert plain["collections"] > 100
    assert plain["objects"] > 200_000


def test_great_expectations_alone_logs_a_lot(plain) -> None:
    assert plain["lines"] > 50


# Each fails where a patch has no effect, or one that somebody else notices. -----------------------------------------


def test_the_door_leaves_out_what_it_says(plain, patched) -> None:
    assert patched["name"] == "great_expectations"
    assert patched["modules"] == []
    assert patched["collections"] < plain["collections"] / 10
    assert patched["frozen"] > 200_000
    assert patched["objects"] < 50_000
    assert patched["lines"] == 0


def test_the_door_puts_back_what_it_changes_for_the_import(patched) -> None:
    assert patched["enabled"]
    assert not any(module.startswith("pipelines") for module in patched["finders"])


def test_lazy_and_hidden_modules_work_for_everybody_afterwards(patched) -> None:
    assert (patched["entropy"], patched["chart"], patched["spark"]) == (0, "Chart", "SparkConf")
    assert patched["same"]


def test_other_threads_import_as_usual_meanwhile() -> None:
    assert run("""
import threading
from pipelines.services.expectations import patches
def find():
    try:
        spec = importlib.util.find_spec("pyspark")
    except ModuleNotFoundError as error:
        found.append(str(error))
    else:
        found.append(spec.name)
import importlib.util
found = []
with patches.without_pyspark():
    find()
    thread = threading.Thread(target=find)
    thread.start()
    thread.join()
find()
print(json.dumps(found))
""") == ["pyspark is hidden from Great Expectations.", "pyspark", "pyspark"]  # fmt: skip


# Early import -------------------------------------------------------------------------------------------------------

EARLY = """
import os, threading, weakref
from pipelines.services.expectations import patches
def complete(gx):
    from great_expectations.expectations.registry import get_sqlalchemy_metric_provider
    provider = get_sqlalchemy_metric_provider(patches.KEY_METRIC)[0].__module__
    return [hasattr(gx, "get_context"), gx.__spec__._initializing, provider == patches.__name__]
early = expectations.EarlyImport()
"""
COMPLETE = [True, False, True]


def test_nothing_starts_before_start() -> None:
    assert run(EARLY + """
early.wait()
print(json.dumps([threading.active_count(), "great_expectations" in sys.modules]))
""") == [1, False]  # fmt: skip


def test_whoever_needs_it_waits_for_an_early_import() -> None:
    assert run(EARLY + """
early.start()
early.start()
found = [threading.active_count()]
while "great_expectations" not in sys.modules:
    pass
found.append(sys.modules["great_expectations"].__spec__._initializing)  # else the next line proves nothing
found.append(complete(expectations.loaded()))
early.wait()
early.wait()
another = expectations.EarlyImport()
another.start()
found.append(threading.active_count())
another.wait()
print(json.dumps(found))
""") == [2, True, COMPLETE, 1]  # fmt: skip


def test_a_second_early_import_waits_for_the_first() -> None:
    assert run(EARLY + """
early.start()
while "great_expectations" not in sys.modules:
    pass
another = expectations.EarlyImport()
another.start()
another.wait()
print(json.dumps(complete(sys.modules["great_expectations"])))
""") == COMPLETE  # fmt: skip


def test_a_fork_waits_for_an_early_import_and_its_child_can_use_it() -> None:
    assert run(EARLY + """
early.start()
while "great_expectations" not in sys.modules:
    pass
found = [sys.modules["great_expectations"].__spec__._initializing]
reading, writing = os.pipe()
if os.fork() == 0:
    early.start()
    early.wait()
    os.write(writing, json.dumps([complete(expectations.loaded()), threading.active_count()]).encode())
    os._exit(0)
os.close(writing)
found.append(json.loads(os.read(reading, 1000)))
print(json.dumps(found + [complete(expectations.loaded())]))
""") == [True, [COMPLETE, 1], COMPLETE]  # fmt: skip


def test_nothing_keeps_an_early_import_that_has_ended() -> None:
    assert run(EARLY + """
early.start()
early.wait()
gone = weakref.ref(early._thread)
del early
pid = os.fork()
if pid == 0:
    os._exit(0)
print(json.dumps([gone() is None, os.waitpid(pid, 0)[1]]))
""") == [True, 0]  # fmt: skip


def test_an_early_import_that_fails_leaves_the_error_to_whoever_needs_it() -> None:
    assert run(EARLY + """
class Broken:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("great_expectations"):
            raise ImportError("broken")
sys.meta_path.insert(0, Broken())
early.start()
early.wait()
try:
    expectations.loaded()
except ImportError as error:
    found = [str(error), gc.isenabled()]
print(json.dumps(found + [any(type(finder).__module__.startswith("pipelines") for finder in sys.meta_path)]))
""") == ["broken", True, False]  # fmt: skip
