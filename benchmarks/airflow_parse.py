"""All DAG files together, beside ``import airflow.sdk`` alone: whole processes, in turn, medians and their ratio."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

from pipelines.core.statements import ROOT
from scripts import airflow_home

TURNS = 7
SDK = "import airflow.sdk"
ALL = """
import airflow.sdk, runpy
from pathlib import Path
for path in sorted(Path("airflow_dags").glob("*.py")):
    if path.stem not in ("__init__", "luigi_bridge"):
        runpy.run_path(str(path))
"""


def seconds(code: str) -> float:
    """How long a fresh Python takes to run it."""
    started = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "AIRFLOW_HOME": str(airflow_home.path())}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True, capture_output=True)
    return time.monotonic() - started


def main() -> None:
    """Print both medians, and the ratio of each turn's pair."""
    airflow_home.make(airflow_home.path())
    for code in (SDK, ALL):
        seconds(code)  # bytecode, and the disk's cache
    pairs = [(seconds(SDK), seconds(ALL)) for _ in range(TURNS)]
    alone, dags = (statistics.median(each) for each in zip(*pairs, strict=True))
    ratios = sorted(dags / alone for alone, dags in pairs)
    print(f"import airflow.sdk {alone:.2f} s, all DAG files {dags:.2f} s")
    print(f"ratio {statistics.median(ratios):.2f} (from {ratios[0]:.2f} to {ratios[-1]:.2f}); the aim is 1.2")


if __name__ == "__main__":
    main()
