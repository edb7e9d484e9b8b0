"""Look at what the flows did, and repair."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from pipelines.core.errors import Interrupted, PipelineError, WarehouseUnreachable
from pipelines.services import console

if TYPE_CHECKING:
    from pipelines.core.run import Run


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date: write YYYY-MM-DD") from None


def parser() -> argparse.ArgumentParser:
    """The command line."""
    main = argparse.ArgumentParser(prog="python -m pipelines", description=__doc__)
    commands = main.add_subparsers(dest="command", required=True)
    commands.add_parser("status", help="last runs of both flows, production, models, drift")
    commands.add_parser("psql", help="open the database in psql; what follows goes to psql", add_help=False)
    rejects = commands.add_parser("rejects", help="why the runs of a date rejected rows")
    rejects.add_argument("--date", type=_day, default=None, help="run date, YYYY-MM-DD; default: today")
    rejects.add_argument("--csv", type=Path, default=None, metavar="FILE", help="write the rows to this file")
    forget = commands.add_parser("forget", help="let the next run do again what was done")
    what = forget.add_mutually_exclusive_group(required=True)
    what.add_argument("--date", type=_day, help="the stages of this run date")
    what.add_argument("--source", type=Path, metavar="FILE", help="the load of this file")
    commands.add_parser("seed", help="load the churn files as they are into raw.*, for SQL")
    models = commands.add_parser("models", help="versions of the models, their metrics, who is production")
    go_back = models.add_subparsers(dest="models_command").add_parser(
        "rollback", help="make the previous version production"
    )
    go_back.add_argument("model", help="churn-model or churn-logreg")
    return main


def psql(arguments: list[str]) -> int:
    """Run psql on the warehouse; the password, if any, goes by the environment, never by the command line."""
    from psycopg import conninfo

    from pipelines.services import warehouse

    with warehouse.migrated():
        pass  # the tables are there when psql opens
    parts = conninfo.conninfo_to_dict(warehouse.dsn())
    for part, variable in (("password", "PGPASSWORD"), ("sslpassword", "PGSSLPASSWORD")):
        if secret := parts.pop(part, None):
            os.environ[variable] = str(secret)
    where = conninfo.make_conninfo("", **parts)
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is psql's: it cancels a query there
    return subprocess.run([warehouse.psql_program(), "-d", where, *arguments], check=False).returncode


def status(options: argparse.Namespace) -> None:  # noqa: ARG001
    """What both flows did last."""
    from pipelines.churn import report as churn
    from pipelines.crypto import report as crypto
    from pipelines.services import warehouse

    with warehouse.reading() as connection:
        crypto.show_status(connection)
        churn.show_status(connection)


def rejects(options: argparse.Namespace) -> None:
    """Why rows of a date were rejected."""
    from pipelines.crypto import report
    from pipelines.services import warehouse
    from pipelines.services.settings import settings

    with warehouse.reading() as connection:
        report.show_rejects(connection, options.date or settings().today(), options.csv)


def forget(options: argparse.Namespace) -> None:
    """Let something be done again."""
    from pipelines.crypto import repair
    from pipelines.services import warehouse

    with warehouse.migrated() as connection:
        if options.date:
            repair.forget_date(connection, options.date)
        else:
            repair.forget_source(connection, options.source)


@contextmanager
def churn_run(command: str, **parameters: str) -> Iterator[Run]:
    """A run of the churn flow that is this command: it holds the flow's lock, and is in the ledger."""
    from pipelines.core.ledger import Engine
    from pipelines.core.run import Run
    from pipelines.core.stage import ending_failed
    from pipelines.services.environment import Services

    services = Services()
    run = Run(services, "churn", command, services.today(), parameters, Engine("python"))
    with ending_failed(run):
        run.begin()
        yield run
    run.finish()


def seed(options: argparse.Namespace) -> None:  # noqa: ARG001
    """Load the churn files for people who look with SQL: all, or none."""
    from pipelines.churn import report
    from pipelines.churn.seed import seed
    from pipelines.churn.tasks import CleanRawSources

    with churn_run("seed") as run:
        files = CleanRawSources().within(run)
        files.prepare(run)
        with run.environment.explained("seed"), run.transaction() as tx:
            rows = seed(tx, files.files())
    report.show_seeded(files.files(), rows)


def models(options: argparse.Namespace) -> None:
    """The models; or the way back to the one before."""
    from pipelines.churn import registry, report
    from pipelines.services import tracking

    if not options.models_command:
        report.show_models()
        return
    typed_for = tracking.version_of(options.model, registry.PRODUCTION)  # a training that is at work may replace it
    with churn_run("models rollback", model=options.model), tracking.plainly():
        production, previous = registry.rollback(options.model, typed_for)
    report.show_rollback(options.model, production, previous)


COMMANDS = {"status": status, "rejects": rejects, "forget": forget, "seed": seed, "models": models}


def main() -> int:
    """Run a command; the exit code is 0, or that of the problem."""
    options, for_psql = parser().parse_known_args()
    if for_psql and options.command != "psql":
        parser().error(f"unrecognized arguments: {' '.join(for_psql)}")
    try:
        if options.command == "psql":
            return psql([each for each in for_psql if each != "--"])
        COMMANDS[options.command](options)
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
