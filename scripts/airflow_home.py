"""Airflow's home on a laptop: ``AIRFLOW_HOME`` where it is set, else the folder ``airflow`` in ``STATE_DIR``.

``python -m scripts.airflow_home`` makes the home and prints its path, so that one line prepares a shell::

    export AIRFLOW_HOME="$(python -m scripts.airflow_home)"

Every other setting of Airflow is in the home's ``airflow.cfg``; a variable ``AIRFLOW__SECTION__KEY`` overrides one.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from base64 import urlsafe_b64encode
from configparser import ConfigParser
from configparser import Error as ParserError
from pathlib import Path

from pipelines.core.errors import PipelineError, UsageError
from pipelines.core.statements import ROOT
from pipelines.services.settings import settings

HEADER = "# Written by scripts/airflow_home.py, again at each start. To override a setting: AIRFLOW__SECTION__KEY.\n"
CONFIG = "airflow.cfg"
IS_MADE = ".made"  # in the home: the metadata database is complete


def path() -> Path:
    """The home's absolute path; it may be missing."""
    named = os.environ.get("AIRFLOW_HOME")
    return Path(named).expanduser().resolve() if named else _default()


def make(home: Path) -> None:
    """Make the home, or complete one whose making was killed: settings, a password, the metadata database.

    Raises:
        UsageError: the folder cannot be made, or it has an ``airflow.cfg`` that is not ours.
        PipelineError: Airflow cannot migrate its database.
    """
    import fcntl

    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise UsageError(
            f"Airflow's home {home} cannot be made: {error.strerror}. Set AIRFLOW_HOME or STATE_DIR to another folder."
        ) from None
    with (home / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        write_config(home)
        if not (home / IS_MADE).exists():
            sys.stderr.write(f"making Airflow's home in {home}: fifteen seconds, once\n")
            _write_password(home / "passwords.json")
            _make_database(home)
            (home / IS_MADE).touch()


def _default() -> Path:
    return Path(os.environ.get("STATE_DIR") or ROOT / ".state").expanduser().resolve() / "airflow"


def write_config(home: Path) -> None:
    """Write ``airflow.cfg``; the secrets of an older one stay, because the database is encrypted with them."""
    file = home / CONFIG
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    if before and not before.startswith(HEADER) and home != _default():
        raise UsageError(
            f"{file} is not one of ours. Set AIRFLOW_HOME to an empty folder, or unset it to use {_default()}."
        )
    old = ConfigParser(interpolation=None)
    try:
        old.read_string(before)
    except ParserError as error:
        raise UsageError(f"{file} cannot be read: {error}. Remove it, then run again.") from None
    sections = _sections(home)
    for section, key, secret in (
        ("api", "secret_key", secrets.token_urlsafe(32)),
        ("api_auth", "jwt_secret", secrets.token_urlsafe(32)),
        ("core", "fernet_key", urlsafe_b64encode(secrets.token_bytes(32)).decode()),
    ):
        sections.setdefault(section, {})[key] = old.get(section, key, fallback="") or secret
    text = HEADER
    for section, values in sorted(sections.items()):
        text += f"\n[{section}]\n" + "".join(f"{key} = {value}\n" for key, value in sorted(values.items()))
    if text != before:
        new = home / f"{CONFIG}.new"
        new.touch(mode=0o600)
        new.write_text(text, encoding="utf-8")
        new.replace(file)


def _sections(home: Path) -> dict[str, dict[str, str]]:
    """The settings by section, without secrets."""
    folder = str(home).replace("%", "%%")  # Airflow interpolates
    return {
        "api": {"base_url": "http://127.0.0.1:8080", "host": "127.0.0.1"},
        "core": {
            "dags_are_paused_at_creation": "False",
            "dags_folder": str(ROOT / "airflow_dags").replace("%", "%%"),
            "default_timezone": settings().project_timezone,  # a date that a person types is one of this zone
            "executor": "LocalExecutor",
            "load_examples": "False",
            "parallelism": "2",
            "simple_auth_manager_passwords_file": f"{folder}/passwords.json",
            "simple_auth_manager_users": "admin:admin",
        },
        "dag_processor": {"refresh_interval": "30"},
        # SQLite lets one process write at a time; the others wait as long as this.
        "database": {"sql_alchemy_conn": f"sqlite:///{folder}/airflow.db?timeout=60"},
        "logging": {"base_log_folder": f"{folder}/logs"},
        "usage_data_collection": {"enabled": "False"},
    }


def _write_password(file: Path) -> None:
    import json

    file.touch(mode=0o600)
    file.write_text(json.dumps({"admin": secrets.token_urlsafe(12)}))


def _make_database(home: Path) -> None:
    """Migrate the metadata database and fill it with the DAGs, so that ``airflow dags list`` has them at once."""
    log = home / "make.log"
    environment = {**os.environ, "AIRFLOW_HOME": str(home)}
    with log.open("w") as output:

        def succeeds(*arguments: str) -> bool:
            command = [sys.executable, "-m", "airflow", *arguments]
            return subprocess.run(command, env=environment, stdout=output, stderr=output, check=False).returncode == 0

        is_migrated = any(succeeds("db", "migrate") and _has_version(home) for _ in range(2))
        if is_migrated and succeeds("dags", "reserialize"):
            return
    raise PipelineError(f"Airflow cannot make its database in {home}. The reason is in {log}.")


def _has_version(home: Path) -> bool:
    """Whether SQLite has the version; once in a while Airflow exits with 0 before it has written it."""
    import sqlite3

    if "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN" in os.environ:
        return True
    with sqlite3.connect(home / "airflow.db") as database:
        return database.execute("SELECT 1 FROM alembic_version").fetchone() is not None


def main() -> int:
    """Print the home's path, and make the home; the exit code is 0, or that of the problem."""
    home = path()
    sys.stdout.write(f"{home}\n")  # even if it cannot be made: an empty AIRFLOW_HOME would be the current folder
    sys.stdout.flush()
    try:
        make(home)
    except PipelineError as problem:
        sys.stderr.write(f"{problem}\n")
        return problem.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
