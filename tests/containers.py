"""What the tests on containers share: the images, an .env of their own, and what compose.yaml says of each service."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import boto3
import pytest

from pipelines.core.statements import ROOT
from pipelines.services.settings import Settings
from scripts.browser import free_port

# A small life of the models: enough to learn from, little to wait for.
SMALL = {"CHURN_USERS": "3000", "CHURN_REG_PARAMS": "0.01", "CHURN_ELASTIC_NET_PARAMS": "0"}


def need_engine() -> None:
    """Without an engine the tests fail: skipped, they would prove nothing and look as if they did."""
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        pytest.fail("No Docker engine answers: start it, or see scripts/offline/.", pytrace=False)


class Stack:
    """The shipped compose file, as a project of its own: other names, ports and secrets than those of `make up`."""

    def __init__(self, folder: Path, project: str, **settings: str) -> None:
        need_engine()
        self.project, self.file = project, folder / ".env"
        for name in (*_template(), *map(str.upper, Settings.model_fields)):  # they would win over the file
            os.environ.pop(name, None)
        os.environ |= {"COMPOSE_ENV_FILES": str(self.file), "COMPOSE_PROJECT_NAME": project, "PROJECT_VERSION": "tests"}
        os.environ["DATA_MAY_GO"] = "yes"  # those of a run that was killed
        (folder / "data").mkdir()
        chosen = {name: str(free_port()) for name in _template() if name.endswith("_PORT")}
        chosen |= {"DATA_DIR": str(folder / "data"), "COMPOSE_PROFILES": "tools", **settings}
        self.file.write_text("".join(f"{name}={value}\n" for name, value in chosen.items()))
        self.run("scripts/stack-env")
        lines = [line.split("=", 1) for line in self.file.read_text().splitlines() if line and line[0] != "#"]
        self.env = dict(lines)

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command of the repository, which speaks of this project: the environment says so."""
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if check and done.returncode:
            pytest.fail(
                f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}", pytrace=False
            )
        return done

    def compose(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run("docker", "compose", *command, check=check)

    def build(self) -> None:
        """The images, where what they are made of has changed."""
        self.compose("build", "--quiet")

    def services(self) -> dict[str, Any]:
        """What the compose file says of each service, with the values of this project."""
        return dict(json.loads(self.compose("config", "--format", "json").stdout)["services"])

    def s3(self, port: int | str | None = None) -> Any:
        """Its buckets, seen from outside."""
        return boto3.resource(
            "s3", "us-east-1", endpoint_url=f"http://127.0.0.1:{port or self.env['MINIO_PORT']}",
            aws_access_key_id=self.env["MINIO_ROOT_USER"], aws_secret_access_key=self.env["MINIO_ROOT_PASSWORD"],
        )  # fmt: skip

    def secrets(self) -> list[str]:
        return [value for name, value in self.env.items() if name.endswith(("PASSWORD", "SECRET", "TOKEN", "KEY"))]


def _template() -> Mapping[str, str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and line[0] != "#")


def keys(s3: Any, bucket: str, prefix: str = "") -> list[str]:
    """The names of a bucket's objects, without the prefix."""
    return [each.key.removeprefix(prefix) for each in s3.Bucket(bucket).objects.filter(Prefix=prefix)]


def healthy(command: Sequence[str]) -> list[str]:
    """The health check of a service as a command."""
    return ["sh", "-c", command[1]] if command[0] == "CMD-SHELL" else list(command[1:])
