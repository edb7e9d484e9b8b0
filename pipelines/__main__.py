"""Look at what the flows did, and repair."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from pipelines.core.errors import Interrupted, MissingInput, PipelineError, UsageError, WarehouseUnreachable
from pipelines.core.parameters import whole_number
from pipelines.services import console

if TYPE_CHECKING:
    from pipelines.core.run import Run
    from pipelines.core.stage import Stage
    from pipelines.services.warehouse import Connection

NOTHING_PENDING = "The database is at revision {} already: nothing to do."


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date: write YYYY-MM-DD") from None


def _count(text: str) -> int:
    if not (number := whole_number(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return number


def parser() -> argparse.ArgumentParser:
    """The command line."""
    main = argparse.ArgumentParser(prog="python -m pipelines", description=__doc__)
    commands = main.add_subparsers(dest="command", required=True)
    commands.add_parser("status", help="last runs of both flows, production, models, drift")
    runs = commands.add_parser("runs", help="the ledger: runs, how they ended, and how long they took")
    runs.add_argument("--flow", choices=("crypto", "churn"), default=None, help="runs of this flow only")
    runs.add_argument("--failed", action="store_true", help="runs that failed, were refused or lost")
    runs.add_argument("--limit", type=_count, default=20, metavar="N", help="the newest N; default: 20")
    show = runs.add_subparsers(dest="runs_command").add_parser("show", help="one run, stage by stage")
    show.add_argument("run_id", metavar="ID", help="its id, or how it begins or ends")
    why = commands.add_parser("why", help="why a stage is stale: what changed since it was made")
    why.add_argument("stage", metavar="STAGE", help="its name, as runs show it; options of its root task may follow")
    why.add_argument("--date", type=_day, default=None, help="run date, YYYY-MM-DD; default: today")
    commands.add_parser("psql", help="open the database in psql; what follows goes to psql", add_help=False)
    rejects = commands.add_parser("rejects", help="why the runs of a date rejected rows")
    rejects.add_argument("--date", type=_day, default=None, help="run date, YYYY-MM-DD; default: today")
    rejects.add_argument("--csv", type=Path, default=None, metavar="FILE", help="write the rows to this file")
    forget = commands.add_parser("forget", help="let the next run do again what was done")
    what = forget.add_mutually_exclusive_group(required=True)
    what.add_argument("--date", type=_day, help="the stages of this run date")
    what.add_argument("--source", type=Path, metavar="FILE", help="the load of this file")
    migrate = commands.add_parser("migrate", help="apply the pending revisions of the schema; a run does it, too")
    migrate.add_argument("--sql", action="store_true", help="print their SQL, for a DBA, and change nothing")
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
    secrets: dict[str, str] = {}
    for part, variable in (("password", "PGPASSWORD"), ("sslpassword", "PGSSLPASSWORD")):
        if secret := parts.pop(part, None):
            secrets[variable] = str(secret)
    where = conninfo.make_conninfo("", **parts)
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is psql's: it cancels a query there
    command = [warehouse.psql_program(), "-d", where, *arguments]
    return subprocess.run(command, env={**os.environ, **secrets}, check=False).returncode


def status(options: argparse.Namespace) -> None:  # noqa: ARG001
    """What both flows did last."""
    from pipelines.churn import report as churn
    from pipelines.crypto import report as crypto
    from pipelines.services import warehouse

    with warehouse.reading() as connection:
        crypto.show_status(connection)
        churn.show_status(connection)


def runs(options: argparse.Namespace) -> None:
    """The newest runs of the ledger; or one of them."""
    from pipelines.core import ledger
    from pipelines.services import warehouse

    with warehouse.reading() as connection:
        if options.runs_command:
            _show_run(connection, options.run_id)
            return
        found = ledger.runs(connection, options.flow, options.failed, options.limit)
    columns = [("id", "left"), ("started", "left"), ("root task", "left"), ("for", "left"), ("by", "left"),
               ("outcome", "left"), ("took", "right"), ("usually", "right"), ("ran", "right"),
               ("skipped", "right")]  # fmt: skip
    shown = [
        (str(run["run_id"])[-8:], console.moment(run["started_at"]), run["root_task"], str(run["run_date"]),
         run["engine"], run["outcome"] or "at work", "" if run["outcome"] == "lost" else _seconds(run["seconds"]),
         _seconds(run["usual_seconds"]),
         str(run["ran"]), str(run["skipped"]))
        for run in found
    ]  # fmt: skip
    console.grid("Runs, the newest first (usually: the median of the last ten that had work to do)", columns, shown)
    console.result("One of them: python -m pipelines runs show ID" if found else "There is no such run.")


def _show_run(connection: Connection, part: str) -> None:
    from pipelines.core import ledger

    found = ledger.find_run(connection, part)
    if len(found) != 1:
        many = "more than one run has" if found else "no run has"
        kind = UsageError if found else MissingInput
        raise kind(f"{part!r}: {many} an id that begins or ends so. `python -m pipelines runs` lists them.")
    run = found[0]
    started_by = run["engine"] + (f" ({run['dag_id']}, {run['dag_run_id']})" if run["dag_id"] else "")
    rows = [
        ("run", str(run["run_id"])), ("root task", f"{run['root_task']} of the {run['flow']} flow"),
        ("parameters", ", ".join(f"{name}={value}" for name, value in run["parameters"].items())),
        ("started", f"{console.moment(run['started_at'])} by {started_by} on {run['host']}"),
        ("version of the project", run["project_version"]),
        ("ended", console.moment(run["finished_at"]) if run["finished_at"] else "not yet"),
        ("outcome", run["outcome"] or "at work"),
    ]  # fmt: skip
    if run["exit_code"] is not None:
        rows.append(("exit code", str(run["exit_code"])))
    console.table("Run", rows, values="left")
    columns = [("stage", "left"), ("of", "left"), ("outcome", "left"), ("took", "right"), ("usually", "right"),
               ("counts", "left")]  # fmt: skip
    stages = ledger.stages_of(connection, run["run_id"])
    shown = [
        (each["stage"], each["key"], each["outcome"], _seconds(each["seconds"] or None),
         _seconds(each["usual_seconds"]), console.in_words(each["result"] or {}))
        for each in stages
    ]  # fmt: skip
    console.grid("Its stages (usually: the median of the last ten times before)", columns, shown)
    for error in dict.fromkeys(each["error"] for each in [*stages, run] if each["error"]):
        console.result(error)


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f} s"


def why(options: argparse.Namespace) -> None:
    """Why a stage is stale."""
    import pipelines  # noqa: F401 - its tasks register themselves
    from pipelines.core.why import causes
    from pipelines.services import warehouse

    if warehouse.is_made():
        with warehouse.reading():
            pass  # a schema that is not that of the code is refused by name
    for stage in _stages_named(options.stage, options.date, options.others):
        found = causes(stage)
        if not found:
            made = stage.materialization()
            when = f": made {console.moment(made.finished_at)} by run {str(made.run_id)[-8:]}" if made else ""
            console.result(f"{stage.stage} of {stage.flow} ({stage.key}) is current{when}.")
            continue
        columns = [("stage", "left"), ("what", "left"), ("which", "left"), ("was", "left"), ("is", "left")]
        rows = [(each.stage, each.kind, each.name, each.was, each.now) for each in found]
        console.grid(f"{stage.stage} of {stage.flow} ({stage.key}) is stale", columns, rows)


def _stages_named(name: str, day: date | None, options: list[str]) -> list[Stage[Any]]:
    """The stages of a name, one per flow that takes the options that a user typed for its root task."""
    from pipelines.core.stage import stages

    found = [each for each in stages() if each.stage == name]
    if not found:
        names = ", ".join(sorted({each.stage for each in stages()}))
        raise UsageError(f"{name} is no stage. Choose one of {names}.")
    tasks: list[Stage[Any]] = []
    refused: list[UsageError] = []
    for kind in found:
        try:
            given = _options_given(name, dict(kind.get_params()), list(options))
        except UsageError as error:
            refused.append(error)
        else:
            tasks.append(kind(**{"date": day, **given}))
    if not tasks:
        raise refused[0]
    return tasks


def _options_given(name: str, known: dict[str, Any], words: list[str]) -> dict[str, Any]:
    """The values of options, by the names of their parameters.

    Raises:
        UsageError: there is no such option, or its value is missing or wrong.
    """
    import luigi

    given: dict[str, Any] = {}
    words = [part for word in words for part in (word.split("=", 1) if word.startswith("--") else [word])]
    while words:
        option = words.pop(0)
        parameter = known.get(option.removeprefix("--").replace("-", "_"))
        if not option.startswith("--") or parameter is None:
            raise UsageError(f"{option} is no option of {name}, which takes {_options_of(known)}.")
        is_flag = isinstance(parameter, luigi.BoolParameter)
        if not is_flag and not (words and words[0]):
            raise UsageError(f"{option}: its value is missing.")
        given[option.removeprefix("--").replace("-", "_")] = True if is_flag else parameter.parse(words.pop(0))
    return given


def _options_of(parameters: dict[str, Any]) -> str:
    return ", ".join(f"--{name.replace('_', '-')}" for name in parameters)


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

    if not warehouse.is_made():
        raise MissingInput(warehouse.NOTHING_YET)
    with warehouse.migrated() as connection:
        if options.date:
            repair.forget_date(connection, options.date)
        else:
            repair.forget_source(connection, options.source)


def migrate(options: argparse.Namespace) -> None:
    """Apply the pending revisions of the schema, or print their SQL."""
    from pipelines.services import migrations, warehouse

    if options.sql and not warehouse.is_made():
        raise MissingInput("There is no database yet: the first run makes it, with its tables.")
    with warehouse.connect() as connection:
        before = migrations.revision(connection)
        if options.sql:
            console.result(migrations.print_sql(connection) or f"-- {NOTHING_PENDING.format(migrations.head())}")
        elif not migrations.bring_up(connection):
            console.result(NOTHING_PENDING.format(migrations.head()))
        elif before == migrations.head():
            console.result(f"The database is at revision {before}; what was missing was created again.")
        else:
            was = f"at revision {before}" if before else "before the first revision"
            console.result(f"The database was {was}; it is at revision {migrations.head()} now.")


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
    registry.require_known(options.model)  # before a run of that name
    typed_for = tracking.version_of(options.model, registry.PRODUCTION)  # a training that is at work may replace it
    with churn_run("models rollback", model=options.model), tracking.errors_explained():
        production, previous = registry.rollback(options.model, typed_for)
    report.show_rollback(options.model, production, previous)


COMMANDS: Mapping[str, Callable[[argparse.Namespace], None]] = {
    "status": status, "runs": runs, "why": why, "rejects": rejects, "forget": forget, "migrate": migrate,
    "seed": seed, "models": models,
}  # fmt: skip


def main() -> int:
    """Run a command; the exit code is 0, or that of the problem."""
    options, others = parser().parse_known_args()
    options.others = others
    if others and options.command not in ("psql", "why"):
        parser().error(f"unrecognized arguments: {' '.join(options.others)}")
    try:
        if options.command == "psql":
            return psql([each for each in options.others if each != "--"])
        COMMANDS[options.command](options)
        return 0
    except BrokenPipeError:  # who reads the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except UnicodeEncodeError:
        console.error(UsageError("An argument holds bytes that are no text."))
        return UsageError.exit_code
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
