"""The development container of this working tree, made by the CLI on which VS Code's "Reopen in Container" stands."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.core.statements import ROOT
from tests.containers import need_engine

pytestmark = pytest.mark.timeout(1200)  # the first of them waits for the image and for `make setup`
CLI = ("npx", "--yes", "@devcontainers/cli@0.89.0")


def run(*command: str | Path) -> str:
    """What a command says on its standard output; the test fails with all that it said where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = f"{done.stdout}\n{done.stderr}"[-5000:]
        pytest.fail(f"{' '.join(map(str, command))} ended with {done.returncode}\n{said}", pytrace=False)
    return done.stdout


class Box:
    """The container of a folder, and the shell in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def up(self, *options: str) -> str:
        """Make and start it; return its id."""
        told = json.loads(run(*CLI, "up", "--workspace-folder", self.folder, *options).splitlines()[-1])
        assert told["remoteUser"] == "kpi"
        return str(told["containerId"])

    def type(self, *command: str) -> str:
        return run(*CLI, "exec", "--workspace-folder", self.folder, *command).strip()

    def images(self) -> list[str]:
        mine = f"--filter=reference=vsc-{self.folder.name}-*"
        return run("docker", "images", "--format={{.Repository}}", mine).split()

    def remove(self) -> None:
        """Nothing of it stays, however far it came."""
        named = '{{range .Mounts}}{{if eq .Type "volume"}}{{.Name}} {{end}}{{end}}'
        mine = f"--filter=label=devcontainer.local_folder={self.folder}"
        for container in run("docker", "ps", "--all", "--quiet", mine).split():
            volumes = run("docker", "inspect", f"--format={named}", container).split()
            run("docker", "rm", "--force", container)
            run("docker", "volume", "rm", *volumes)
        for image in self.images():
            run("docker", "rmi", image)


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    """That of a copy of what git knows and what it would take; the folder is no root's, as in a user's clone."""
    need_engine()
    if shutil.which("npx") is None:
        pytest.fail("npx is missing: install Node.js 20 or newer, with npm.", pytrace=False)
    with tempfile.TemporaryDirectory(prefix="kpi-devcontainer-") as name:
        # Images are named by it; some letters of a random name would not stand in them as they are.
        folder = Path(name).resolve() / f"kpi-{secrets.token_hex(4)}"
        folder.mkdir()
        listed = run("git", "-c", f"safe.directory={ROOT}", "-C", ROOT, "ls-files", "-z", "-co", "--exclude-standard")
        for file in filter(Path.is_file, map(ROOT.__truediv__, listed.rstrip("\0").split("\0"))):
            copy = folder / file.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, copy)
        if os.geteuid() == 0:
            run("chown", "-R", "1000:1000", folder)
        box = Box(folder)
        try:
            box.up()
            yield box
        finally:
            box.remove()


def test_the_user_is_a_plain_one_to_whom_the_folder_belongs(box: Box) -> None:
    owner = box.folder.stat().st_uid
    assert box.type("sh", "-c", "id -un; id -u; pwd").split() == ["kpi", str(owner), str(box.folder)]
    assert owner != 0


def test_the_tools_are_there(box: Box) -> None:
    ask = ("chromium --version", "curl --version", "docker buildx version", "docker compose version", "git --version",
           "java -version", "make --version", "pgrep -V", "psql --version")  # fmt: skip
    box.type("sh", "-exc", "\n".join(ask))


def test_the_flow_runs_once_and_a_new_container_knows_that_it_has_run(box: Box) -> None:
    assert "inserted 5,000" in " ".join(box.type("make", "crypto").split())
    assert box.type("make", "crypto").startswith("Nothing to do")
    assert box.up() != box.up("--remove-existing-container"), "the same one"
    assert box.type("make", "crypto").startswith("Nothing to do")
    assert not [name for name in (".venv", ".tox", ".state") if (box.folder / name).exists()], "these are the host's"


def test_airflow_is_ready_in_a_terminal(box: Box) -> None:
    assert "crypto_events_dag" in box.type("airflow", "dags", "list")


def test_tests_run_as_they_are(box: Box) -> None:
    assert " passed" in box.type("pytest", "-q", "tests/unit/test_settings.py")


def test_what_the_hosts_engine_mounts_and_publishes_is_what_the_shell_sees(box: Box) -> None:
    ask = ("docker", "version", "--format", "{{.Server.Version}}")
    assert box.type(*ask) == run(*ask).strip()
    name = f"{box.folder.name}-server"
    serve = ("python3", box.images()[0], "-m", "http.server", "--directory=/shared", "8000")
    box.type("docker", "run", "--detach", "--rm", "--name", name, "--publish=127.0.0.1::8000",
             f"--volume={box.folder}:/shared:ro", "--entrypoint", *serve)  # fmt: skip
    try:
        address = box.type("docker", "port", name, "8000")
        again = ("--retry", "30", "--retry-delay", "1", "--retry-all-errors")  # until it listens
        page = box.type("curl", "-sS", "--fail", *again, f"http://{address}/Makefile")
        assert page == (box.folder / "Makefile").read_text().strip()
    finally:
        box.type("docker", "rm", "--force", name)
