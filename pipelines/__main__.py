"""Look at what the flows did, and repair."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import psycopg

from pipelines import console
from pipelines.errors import Interrupted, PipelineError, WarehouseUnreachable


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date: write YYYY-MM-DD") from None


def parser() -> argparse.ArgumentParser:
    """The command line."""
    main = argparse.ArgumentParser(prog="python -m pipelines", description=__doc__)
    commands = main.add_subparsers(dest="command", required=True)
    commands.add_parser("status", help="last runs, production and reject counts")
    commands.add_parser("psql", help="open the database in psql; what follows goes to psql", add_help=False)
    rejects = commands.add_parser("rejects", help="why the runs of a date rejected rows")
    rejects.add_argument("--date", type=_day, default=None, help="run date, YYYY-MM-DD; default: today")
    rejects.add_argument("--csv", type=Path, default=None, metavar="FILE", help="write the rows to this file")
    forget = commands.add_parser("forget", help="let the next run do again what was done")
    what = forget.add_mutually_exclusive_group(required=True)
    what.add_argument("--date", type=_day, help="the stages of this run date")
    what.add_argument("--source", type=Path, metavar="FILE", help="the load of this file")
    return main


def psql(arguments: list[str]) -> int:
    """Run psql on the warehouse; the password, if any, goes by the environment, never by the command line."""
    from psycopg import conninfo

    from pipelines import warehouse

    warehouse.connection()
    parts = conninfo.conninfo_to_dict(warehouse.dsn())
    for part, variable in (("password", "PGPASSWORD"), ("sslpassword", "PGSSLPASSWORD")):
        if secret := parts.pop(part, None):
            os.environ[variable] = str(secret)
    where = conninfo.make_conninfo("", **parts)
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is psql's: it cancels a query there
    return subprocess.run([warehouse.psql_program(), "-d", where, *arguments], check=False).returncode


def main() -> int:
    """Run a command; the exit code is 0, or that of the problem."""
    options, for_psql = parser().parse_known_args()
    if for_psql and options.command != "psql":
        parser().error(f"unrecognized arguments: {' '.join(for_psql)}")
    try:
        if options.command == "psql":
            return psql([each for each in for_psql if each != "--"])
        from pipelines.crypto import repair, report
        from pipelines.settings import settings

        if options.command == "status":
            report.show_status()
        elif options.command == "forget":
            repair.forget_date(options.date) if options.date else repair.forget_source(options.source)
        else:
            report.show_rejects(options.date or settings().today(), options.csv)
        return 0
    except KeyboardInterrupt:
        console.error(PipelineError("Interrupted."))
        return Interrupted.exit_code
    except PipelineError as problem:
        console.error(problem)
        return problem.exit_code
    except psycopg.Error as problem:
        console.error(PipelineError(f"PostgreSQL refuses: {str(problem).strip()}"))
        return WarehouseUnreachable.exit_code
    except OSError as problem:
        console.error(PipelineError(f"{problem.filename or ''}: {problem.strerror or problem}"))
        return PipelineError.exit_code


if __name__ == "__main__":
    sys.exit(main())
