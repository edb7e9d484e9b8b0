"""The ports of the development container have the names of the stack's services; Airflow's home lies in its state."""

from __future__ import annotations

import json
import re

from pipelines.core.statements import ROOT


def test_every_port_that_a_person_opens_is_named_after_its_service() -> None:
    told = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())["portsAttributes"]
    ports = dict(re.findall(r"^(\w+_PORT)=(\d+)$", (ROOT / ".env.example").read_text(), re.M))
    del ports["MINIO_PORT"]  # for programs
    assert set(told) == set(ports.values())
    rows = re.findall(r"^\| (\w+) \| (\d+)\b.* \| `\w+_PORT`", (ROOT / "README.md").read_text(encoding="utf-8"), re.M)
    assert {port for _, port in rows} == set(told)
    assert all(service in told[port]["label"] for service, port in rows)


def test_airflow_finds_the_home_that_is_made_with_the_container() -> None:
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    assert container["containerEnv"]["AIRFLOW_HOME"] == f"{container['containerEnv']['STATE_DIR']}/airflow"
    assert container["postCreateCommand"].endswith("python -m scripts.airflow_home")
