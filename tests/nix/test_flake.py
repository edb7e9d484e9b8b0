"""The flake, evaluated by the real ``nix`` for every system. ``nixpkgs/`` stands in for nixpkgs, out of reach here."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SYSTEMS = {"x86_64-linux", "aarch64-linux", "x86_64-darwin", "aarch64-darwin"}
# The README's words, and what nixpkgs calls them.
PACKAGES = {
    "Python 3.13": "python313",
    "JDK 21": "jdk21_headless",
    "uv": "uv",
    "make": "gnumake",
    "git": "git",
    "psql": "postgresql_18",
    "Chromium (Linux)": "chromium",
}
VARIABLES = {
    "PYTHON": "python313/bin/python3.13",
    "KPI_VENV": ".venv-nix",
}
VARIABLES_MACOS = VARIABLES | {"JAVA_HOME": "jdk21_headless"}
VARIABLES_LINUX = VARIABLES | {
    "JAVA_HOME": "jdk21_headless/lib/openjdk",
    "CHROMIUM": "chromium/bin/chromium",
    "LOCALE_ARCHIVE": "glibcLocales/lib/locale/locale-archive",
    "LD_LIBRARY_PATH": "gcc-lib/lib:zlib/lib",
    "NIX_LD": "glibc/lib/ld-linux.so",
    "NIX_LD_LIBRARY_PATH": "gcc-lib/lib:zlib/lib",
}


class Nix:
    """``nix`` with a store, settings and a home of its own: it needs no daemon and no root, and asks no cache."""

    def __init__(self, home: Path) -> None:
        self.store = home / "store"
        self.folder = home / "repo"
        places = {f"NIX_{place}_DIR": str(home / place.lower()) for place in ("STORE", "STATE", "LOG", "CONF")}
        settings = (
            "experimental-features = nix-command flakes",
            "sandbox = false",
            "build-users-group =",
            "substituters =",
            "flake-registry =",
        )
        places |= {"HOME": str(home), "TMPDIR": str(home)}
        self.environment = {"PATH": os.environ["PATH"], "NIX_CONFIG": "\n".join(settings), **places}

    def run(self, *arguments: str, **variables: str) -> str:
        """What it prints; store paths without the store and the hash."""
        environment = self.environment | variables
        ran = subprocess.run(arguments, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=60)
        assert ran.returncode == 0, ran.stderr
        return re.sub(rf"{self.store}/\w{{32}}-", "", ran.stdout)

    def flake(self, command: str, *arguments: str, **variables: str) -> str:
        stand_in = ("--override-input", "nixpkgs", f"path:{self.folder}/tests/nix/nixpkgs", "--no-write-lock-file")
        return self.run("nix", *command.split(), *stand_in, *arguments, **variables)

    def evaluate(self, attribute: str, look: str) -> Any:
        return json.loads(self.flake("eval", "--json", f".#{attribute}", "--apply", look))

    def inside(self, *command: str, **variables: str) -> str:
        return self.flake("develop", "-c", *command, **variables)


@pytest.fixture(scope="module")
def nix() -> Iterator[Nix]:
    if not shutil.which("nix"):
        pytest.fail("nix is missing: apt-get install nix-bin, or https://nixos.org/download")
    with tempfile.TemporaryDirectory() as name:
        nix = Nix(Path(name).resolve())
        # Nix copies the whole folder of a flake: only what it and make read is there.
        for part in ("tests/nix", "requirements"):
            shutil.copytree(ROOT / part, nix.folder / part)
        for part in ("flake.nix", "flake.lock", "Makefile"):
            shutil.copy(ROOT / part, nix.folder)
        yield nix


@pytest.fixture(scope="module")
def shells(nix: Nix) -> dict[str, Any]:
    names = "packages = map (package: package.name) shell.default.packages"
    look = f"builtins.mapAttrs (_: shell: {{ inherit (shell.default) drvPath env shellHook; {names}; }})"
    return nix.evaluate("devShells", look)


def test_parses(nix: Nix) -> None:
    assert nix.run("nix-instantiate", "--parse", "flake.nix")


def test_the_lock_is_as_nix_writes_it_and_pins_what_the_flake_names(nix: Nix) -> None:
    text = (ROOT / "flake.lock").read_text()
    lock = json.loads(text)
    assert text == json.dumps(lock, indent=2, sort_keys=True) + "\n"
    nix.run("nix", "flake", "lock")  # would look for an input anew that is not locked as flake.nix names it
    assert (nix.folder / "flake.lock").read_text() == text
    assert json.loads(nix.run("nix", "flake", "metadata", "--json"))["locks"] == lock

    assert lock["nodes"].keys() == {"root", "nixpkgs"}
    original, locked = lock["nodes"]["nixpkgs"]["original"], lock["nodes"]["nixpkgs"]["locked"]
    (url,) = re.findall(r'inputs\.nixpkgs\.url = "(.+)"', (ROOT / "flake.nix").read_text())
    assert url == "{type}:{owner}/{repo}/{ref}".format(**original)
    assert original.items() - locked.items() == {("ref", original["ref"])}
    assert re.fullmatch(r"[0-9a-f]{40}", locked["rev"])


@pytest.mark.parametrize("system", sorted(SYSTEMS))
def test_a_shell_has_what_the_readme_promises(shells: dict[str, Any], system: str) -> None:
    (promise,) = re.findall(r"^nix develop +# (.+)", (ROOT / "README.md").read_text(), re.MULTILINE)
    promised = [word for word in promise.split(", ") if "(Linux)" not in word or "linux" in system]
    assert shells[system]["packages"] == [PACKAGES[word] for word in promised]
    assert shells[system]["env"] == (VARIABLES_LINUX if "linux" in system else VARIABLES_MACOS)


def test_fmt_and_checks_are_there_for_every_system(nix: Nix, shells: dict[str, Any]) -> None:
    formatters = nix.evaluate("formatter", "builtins.mapAttrs (_: program: program.name)")
    assert formatters == dict.fromkeys(SYSTEMS, "nixfmt-tree")
    checks = nix.evaluate("checks", "builtins.mapAttrs (_: builtins.mapAttrs (_: check: check.drvPath))")
    assert checks.keys() == shells.keys() == SYSTEMS
    for system, check in checks.items():
        assert check.keys() == {"shell", "format"}
        assert check["shell"] == shells[system]["drvPath"]


def test_show_and_check(nix: Nix) -> None:
    shown = json.loads(nix.flake("flake show", "--json"))
    assert {output: shown[output].keys() for output in shown} == dict.fromkeys(
        ("checks", "devShells", "formatter"), SYSTEMS
    )
    nix.flake("flake check", "--no-build")


def test_inside_the_shell(nix: Nix, shells: dict[str, Any]) -> None:
    def variables(**given: str) -> dict[str, str]:
        return dict(line.split("=", 1) for line in nix.inside("env", "-0", **given).split("\0") if line)

    seen = variables()
    assert shells[seen["system"]]["env"].items() <= seen.items()
    assert not seen.keys() & {"PYTHONPATH", "PYTHONHASHSEED", "SOURCE_DATE_EPOCH"}, "left over from building packages"
    assert seen["SSL_CERT_FILE"] == "cacert/etc/ssl/certs/ca-bundle.crt"
    assert seen["AIRFLOW_HOME"] == str(nix.folder / ".state" / "airflow")
    assert variables(STATE_DIR="/of/mine")["AIRFLOW_HOME"] == "/of/mine/airflow"
    assert variables(AIRFLOW_HOME="/of/mine")["AIRFLOW_HOME"] == "/of/mine"
    assert variables(NIX_SSL_CERT_FILE="/of/nix")["SSL_CERT_FILE"] == "/of/nix"
    assert variables(NIX_SSL_CERT_FILE="/of/nix", SSL_CERT_FILE="/of/mine")["SSL_CERT_FILE"] == "/of/mine"


def test_make_uses_an_environment_of_the_shells_python(nix: Nix) -> None:
    venv = nix.folder / ".venv-nix"
    would_run = nix.inside("make", "-n", "crypto")
    assert f"{VARIABLES['PYTHON']} -m venv .venv-nix " in would_run
    assert ".venv-nix/bin/luigi " in would_run

    for python, stays in (('"$PYTHON"', True), ('"$PYTHON-collected"', False), ("/bin/sh", False)):
        make_one = f"mkdir -p .venv-nix/bin && ln -s {python} .venv-nix/bin/python && touch .venv-nix/.ready"
        nix.inside("sh", "-c", make_one)
        assert ("-m venv" not in nix.inside("make", "-n", "setup")) == venv.exists() == stays
        shutil.rmtree(venv, ignore_errors=True)


def test_on_macos_it_is_said_when_there_is_no_browser(shells: dict[str, Any], tmp_path: Path) -> None:
    def said(browser: str) -> str:
        variables = {"PATH": os.environ["PATH"], "KPI_VENV": str(tmp_path), "PYTHON": "/bin/sh", "CHROMIUM": browser}
        shell = ["bash", "-c", shells["aarch64-darwin"]["shellHook"]]
        return subprocess.run(shell, env=variables, capture_output=True, text=True, check=True).stderr

    assert said("/bin/sh") == ""
    assert "install Chrome" in said("/nowhere")
