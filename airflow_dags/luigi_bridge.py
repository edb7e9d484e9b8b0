"""Luigi's graphs as Airflow's DAGs. The only file that knows both tools.

``render`` walks the classes of a root task's stages, makes one operator per stage with the stage's task id, and wires
the edges: no database, no file, no heavy import. When a task runs, its operator asks Luigi for that one stage with the
run's date and params, sees that what comes before it is current, and runs it; or nothing, where it is current already.
The tasks of a DAG run are one run in the ledger: it holds what each of them saw of the sources.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from inspect import cleandoc
from pathlib import Path
from types import MappingProxyType
from typing import Any

import luigi
import pendulum
from airflow.sdk import DAG, Asset, BaseOperator, Context, CronTriggerTimetable, Param, TriggerRule
from airflow.sdk.bases.skipmixin import SkipMixin
from airflow.sdk.exceptions import AirflowFailException

from pipelines.core import results
from pipelines.core.errors import GateFailed, PipelineError, UsageError
from pipelines.core.ledger import Engine
from pipelines.core.parameters import DateParameter, OneOf, WholeNumber
from pipelines.core.run import Run
from pipelines.core.stage import Goal, Stage, in_order
from pipelines.services.settings import settings

log = logging.getLogger(__name__)
AnyStage = Stage[Any]
DEFAULTS = MappingProxyType({
    "retries": 2,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": 2,
    "max_retry_delay": timedelta(minutes=10),
    "execution_timeout": timedelta(hours=2),
})  # fmt: skip


# When a DAG file is parsed ----------------------------------------------------------------------------------------


def require_home() -> None:
    """Refuses Airflow's defaults, which are those of a shell that never named a home.

    Airflow would then take ``~/airflow``: another database, other DAGs and another zone than ``make airflow``. Where
    AIRFLOW_HOME is set, or Airflow's own settings name this folder as the DAGs folder, somebody has chosen.

    Raises:
        UsageError: with the line that names the home.
    """
    if os.environ.get("AIRFLOW_HOME"):
        return
    from airflow.sdk.configuration import conf

    if Path(conf.get("core", "dags_folder")).resolve() != Path(__file__).resolve().parent:
        raise UsageError(
            "AIRFLOW_HOME is not set: Airflow would use ~/airflow, with settings that are not those of this project. "
            'Type: export AIRFLOW_HOME="$(python -m scripts.airflow_home)"'
        )


def render(
    root: type[Goal],
    dag_id: str,
    schedule: str | Sequence[str] | None,
    *,
    doc: str | None,
    tags: Sequence[str],
    owner: str,
    params: Sequence[str] = ("date",),
) -> DAG:
    """The graph of a root task as a DAG.

    Args:
        schedule: a cron expression in the project's zone, or the names of data sets: when all of them were updated.
        params: the parameters of the root task that a person may set when triggering a run.
    """
    require_home()
    stages = in_order(root.last, lambda stage: stage.after)
    with DAG(
        dag_id,
        schedule=_schedule(schedule),
        catchup=False,
        max_active_runs=1,
        tags=list(tags),
        params={name: _param(root, name) for name in params},
        default_args={**DEFAULTS, "owner": owner, "on_failure_callback": tell_failure},
        doc_md=_doc(root, stages, doc or ""),
    ) as dag:
        operators = {stage: _operator(root, stage, stages, params) for stage in stages}
    for stage in stages:
        operators[stage].set_upstream([operators[before] for before in stage.after])
    return dag


def _schedule(schedule: str | Sequence[str] | None) -> CronTriggerTimetable | list[Asset] | None:
    if schedule is None:
        return None
    if isinstance(schedule, str):  # what was due before anybody let the DAG run is left to a backfill
        return CronTriggerTimetable(schedule, timezone=settings().project_timezone, run_immediately=timedelta(0))
    return [Asset(name) for name in schedule]


def _operator(
    root: type[Goal], stage: type[AnyStage], stages: Sequence[type[AnyStage]], params: Sequence[str]
) -> StageOperator:
    followers = [each for each in stages if stage in each.after]
    kind = BranchOperator if any(map(_may_be_skipped, followers)) else StageOperator
    joins = any(map(_may_be_skipped, stage.after))
    return kind(
        task_id=stage.stage,
        root=root,
        takes=tuple(params),
        on_success_callback=None if stage.afterwards is Stage.afterwards else do_afterwards,
        outlets=[Asset(name) for name in stage.makes],
        trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS if joins else TriggerRule.ALL_SUCCESS,
        doc_md=cleandoc(stage.__doc__ or ""),
    )


def _may_be_skipped(stage: type[AnyStage]) -> bool:
    return stage.should_run is not Stage.should_run


def _param(root: type[Goal], name: str) -> Param:
    """A parameter of Luigi as one of Airflow, which validates it; None leaves the choice to Luigi."""
    parameter = dict(root.get_params())[name]
    if isinstance(parameter, luigi.BoolParameter):
        return Param(False, description=parameter.description, type="boolean")
    schema: dict[str, Any] = {"type": ["null", "string"], "minLength": 1}
    if isinstance(parameter, DateParameter):
        schema = {"type": ["null", "string"], "format": "date"}
    elif isinstance(parameter, WholeNumber):
        schema = {"type": ["null", "integer"], "minimum": 1, "maximum": parameter.most}
    elif isinstance(parameter, OneOf):
        schema = {"type": ["null", "string"], "enum": [None, *parameter.words]}
    return Param(None, description=parameter.description, **schema)


def _doc(root: type[Goal], stages: Sequence[type[AnyStage]], doc: str) -> str:
    """What the DAG is for, and the picture of the flow."""
    depth: dict[type[AnyStage], int] = {}
    for stage in stages:
        depth[stage] = 1 + max((depth[before] for before in stage.after), default=0)
    steps = [" | ".join(each.stage for each in stages if depth[each] == step) for step in sorted({*depth.values()})]
    picture = "\n".join(["```text", "\n  -> ".join(steps), "```"])
    laptop = f"The same on a laptop: `luigi --module pipelines {root.__name__} --date 2023-02-01`."
    return "\n\n".join([cleandoc(doc), picture, laptop])


# When a task runs -------------------------------------------------------------------------------------------------


class StageOperator(BaseOperator):
    """Runs the one stage whose name is its task id."""

    ui_color = "#e8f0fe"

    def __init__(self, *, root: type[Goal], takes: Sequence[str], **options: Any) -> None:
        super().__init__(**options)
        self.root, self.takes = root, takes

    def execute(self, context: Context) -> dict[str, Any]:
        with self.part_of_run(context) as (run, stages, stage):
            run.begin()
            if _was_cleared(context, self.retries or 0):
                stage.forget(run.connection)
            ran = _execute(stage)
            if not ran:
                self.log.info("Nothing to do: %s was done for %s on its inputs as they are.", stage.stage, stage.key)
            facts = {"stage": stage.stage, "key": stage.key, "ran": ran, **_facts(stage)}
            self.log.info("%s", ", ".join(f"{name}: {value}" for name, value in facts.items()))
            for asset in self.outlets:
                extra = {"date": str(stages[-1].date), **_lineage(stage), **facts, **stage.describe(asset.name)}
                context["outlet_events"][asset].extra.update(extra)
            following = [each for each in stages if stage in each.requires()]
            skipped = [each.stage for each in following if not each.should_run()]
            if len(skipped) == len(following):
                run.finish()
        self.go_on(context, facts, skipped)
        return facts

    def go_on(self, context: Context, facts: dict[str, Any], skipped: Sequence[str]) -> None:
        """What follows is run."""

    @contextmanager
    def part_of_run(self, context: Context) -> Iterator[tuple[Run, list[AnyStage], AnyStage]]:
        """The run that all tasks of a DAG run share, its stages, and the one of this task.

        A foreseen error is shown in its own words, and tried again only where that may help; the last attempt ends the
        run in the ledger.
        """
        run = None
        try:
            given = self._given(context["params"])
            root = self.root(date=run_date(context), **given)
            engine = Engine("airflow", self.dag_id, context["dag_run"].run_id)
            run = Run(root.environment(), root.flow, self.root.__name__, root.date, root.given(), engine)
            root.within(run).check()
            stages = root.stages()
            yield run, stages, next(each for each in stages if each.stage == self.task_id)
        except BaseException as error:  # Airflow's timeout is no Exception
            is_refused = isinstance(error, PipelineError) and not error.is_retryable
            if run and (is_refused or context["ti"].try_number > context["ti"].max_tries):
                run.fail(error)
            if is_refused:
                raise AirflowFailException(str(error)) from None
            raise
        finally:
            if run:
                run.close()

    def _given(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The params as Luigi takes them; a whole number may come as 3.0."""
        if unknown := sorted({*params} - {*self.takes}):
            raise UsageError(f"{', '.join(unknown)}: no param of {self.dag_id}, which takes {', '.join(self.takes)}.")
        given = {name: value for name, value in params.items() if name != "date" and value is not None}
        return {name: int(value) if isinstance(value, float) else value for name, value in given.items()}


class BranchOperator(StageOperator, SkipMixin):
    """A stage that decides which of those that follow it are run."""

    ui_color = "#fef3e8"
    inherits_from_skipmixin = True

    def go_on(self, context: Context, facts: dict[str, Any], skipped: Sequence[str]) -> None:
        context["ti"].xcom_push("return_value", facts)  # skipping raises
        self.skip(context["ti"], [task for task in self.get_direct_relatives() if task.task_id in skipped])


def run_date(context: Context) -> date:
    """The run's date: the param, or the day of the run in the project's zone.

    Runs that were triggered by assets, by the API or by hand may have no logical date. A moment that is midnight in UTC
    is a date that somebody typed: none of our schedules falls on it by itself, unless the zone is UTC.
    """
    if given := context["params"].get("date"):
        return date.fromisoformat(given)
    run = context["dag_run"]
    moment: datetime = run.logical_date or run.run_after
    in_utc = moment.astimezone(pendulum.UTC)
    typed = in_utc.time() == datetime.min.time()
    return in_utc.date() if typed else moment.astimezone(settings().zone).date()


def tell_failure(context: Context) -> None:
    """Tell people that a task has failed for good."""
    from pipelines.services import notifications

    failed = context["ti"]
    try:
        notifications.send(
            f"{failed.dag_id}: {failed.task_id} failed ({failed.run_id})",
            f"{context.get('exception') or 'no exception'}\n{failed.log_url or ''}",
        )
    except PipelineError as problem:
        log.error("People were not told of the failure. %s", problem)


def do_afterwards(context: Context) -> None:
    """What a stage does once Airflow has taken its result, and told others of its data sets."""
    task = context["task"]
    assert isinstance(task, StageOperator)
    with task.part_of_run(context) as (_, _, stage):
        stage.afterwards()


def _execute(stage: AnyStage) -> bool:
    """Runs it; a gate that fails says how to go on in Airflow, too: alone it would validate the same snapshot again."""
    try:
        return stage.execute()
    except GateFailed as error:
        snapshot = next((each.stage for each in reversed(stage.line()) if not each.inputs()), stage.stage)
        raise GateFailed(
            f"{error}\n  In Airflow: then clear {snapshot}, which takes a new snapshot, and what follows; or trigger "
            f"the DAG with the param date={stage.date}. on_invalid is a param, too."
        ) from None


def _was_cleared(context: Context, retries: int) -> bool:
    """Whether somebody has cleared the task: then it may be tried more often than it was at first."""
    return bool(context["ti"].max_tries > retries)


def _facts(stage: AnyStage) -> dict[str, Any]:
    """The plain values of a stage's result: counts, paths, decisions."""
    left = stage.materialization()
    found = results.encode(left.result) if left else {}
    return {name: value for name, value in found.items() if _is_plain(value)}


def _lineage(stage: AnyStage) -> dict[str, Any]:
    """The plain values of the results of all stages before this one: which snapshot, which model version."""
    return {name: value for each in stage.line()[:-1] for name, value in _facts(each).items()}


def _is_plain(value: object) -> bool:
    return isinstance(value, (bool, int, float, str))
