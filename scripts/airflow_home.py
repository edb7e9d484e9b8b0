"""Where Airflow lives on a laptop, unless AIRFLOW_HOME says otherwise: in STATE_DIR, made by the first `airflow`.

Every Python of `.venv` imports this as it starts (the Makefile says so in a .pth file): it must cost nothing.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PORT = os.environ.get("AIRFLOW_PORT") or "8080"


def variables(home: Path, port: str) -> dict[str, str]:
    """Airflow's own settings; whatever the environment sets already wins."""
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": port,
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "airflow_dags"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}?timeout=60",  # the others may write
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }


def make(home: Path) -> None:
    """The metadata database and the secrets, for nobody else to read; all again where it was killed before its end."""
    import fcntl
    import json
    import secrets
    import subprocess

    from pipelines.core.errors import PipelineError
    from pipelines.services.settings import settings

    settings().make_home()
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (home / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (home / ".made").exists():
            return
        sys.stderr.write(f"making the home of Airflow in {home}: ten seconds, once\n")
        passwords = home / "passwords.json"
        passwords.touch(mode=0o600)
        passwords.write_text(json.dumps({"admin": secrets.token_urlsafe(12)}))
        log = home / "made.log"
        with log.open("w") as said:
            migrate = [sys.executable, "-m", "airflow", "db", "migrate"]
            attempts = (subprocess.run(migrate, stdout=said, stderr=said, check=False).returncode for _ in range(2))
            if not any(code == 0 and _has_version(home) for code in attempts):
                raise PipelineError(f"Airflow's database could not be made. What was said: {log}")
        (home / ".made").touch()


def _has_version(home: Path) -> bool:
    """Whether the migration has noted what it did; once in a while it has not, and does it again."""
    import sqlite3

    with sqlite3.connect(home / "airflow.db") as database:
        return database.execute("SELECT 1 FROM alembic_version").fetchone() is not None


def use_zone() -> None:
    """Let a date that somebody types be one of the project's zone."""
    from pipelines.services.settings import settings

    os.environ.setdefault("AIRFLOW__CORE__DEFAULT_TIMEZONE", settings().project_timezone)


def prepare(home: Path) -> None:
    """Before the command ``airflow`` begins; ends it in plain words where a setting is wrong."""
    from pipelines.core.errors import PipelineError

    try:
        use_zone()
        make(home)
    except PipelineError as problem:
        sys.stderr.write(f"{problem}\n")
        sys.stderr.flush()
        os._exit(problem.exit_code)  # Python itself has hardly begun


if "AIRFLOW_HOME" not in os.environ:
    _home = Path(os.environ.get("STATE_DIR") or ROOT / ".state").expanduser().resolve() / "airflow"
    for _name, _value in variables(_home, PORT).items():
        os.environ.setdefault(_name, _value)
    if "airflow" in {Path(word).name for word in sys.orig_argv[1:3]}:
        prepare(_home)
