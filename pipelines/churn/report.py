"""What a person sees of the churn flow: short tables, and where the pictures are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipelines.churn import registry, sources
from pipelines.core.targets import Details
from pipelines.services import console, tracking
from pipelines.services.artifacts import Place
from pipelines.services.console import Rows

if TYPE_CHECKING:
    from pipelines.churn.tasks import Churn, ChurnRoot


NOTHING_TO_DO = "Nothing to do: files, settings and code are as they were when this was made."


def show(root: ChurnRoot) -> None:
    """What a run did; or, where it had nothing to do, what is there."""
    from pipelines.churn import tasks

    ran = [(stage, seconds) for stage in root.stages() if stage.wanted() and (seconds := stage.ran_for()) is not None]
    if root.sibling(tasks.CleanRawSources).ran_for() is not None:
        show_files(root.clean())
    rows = [*_rows_of(root), *((stage.stage, f"{seconds:.1f} s") for stage, seconds in ran)]
    console.table(f"{type(root).__name__} of {root.date}", rows, values="left")
    _show_places([root])
    if not ran:
        console.result(NOTHING_TO_DO)


def show_life(root: Churn) -> None:
    """The table of the whole life: snapshot, rows, who is better, what was decided, drift, and where to look."""
    from pipelines.churn import tasks

    parts = root.parts()
    ran = any(stage.wanted() and stage.ran_for() is not None for part in parts for stage in part.stages())
    if root.sibling(tasks.CleanRawSources).ran_for() is not None:
        show_files(root.clean())
    console.table(f"Churn of {root.date}", [row for part in parts for row in _rows_of(part)], values="left")
    _show_places(parts)
    if not ran:
        console.result(NOTHING_TO_DO)


def _show_places(roots: list[ChurnRoot]) -> None:
    """Where to look: lines of their own, since paths are long."""
    from pipelines.churn import tasks

    for root in roots:
        if isinstance(root, tasks.ChurnTraining):
            trained = root.details_of(tasks.TrainSparkModel)
            console.result(f"MLflow run:   {trained['run_id']} of {tracking.shown()}")
            console.result(f"SHAP picture: {trained['artifacts']}/explainability/shap_summary.png")
        elif isinstance(root, tasks.ChurnDriftReport):
            found = root.details_of(tasks.RunDriftReport)
            console.result(f"Drift report: {found['path']}")
            if found["key"]:
                console.result(f"in the bucket as {found['key']}")


def _rows_of(root: ChurnRoot) -> Rows:
    from pipelines.churn import tasks

    kinds: dict[type[ChurnRoot], Any] = {
        tasks.ChurnTraining: _of_training, tasks.ChurnDriftReport: _of_drift, tasks.ChurnFeatureStore: _of_features,
        tasks.ChurnLogregTraining: _of_logreg, tasks.ChurnBatchScore: _of_scores,
    }  # fmt: skip
    rows: Rows = kinds[type(root)](root)
    return rows


def _of_training(root: ChurnRoot) -> Rows:
    from pipelines.churn import tasks

    made, trained, evaluated, decided = (
        root.details_of(stage)
        for stage in (tasks.FeatureEngineering, tasks.TrainSparkModel, tasks.EvaluateCandidate, tasks.DecidePromotion)
    )
    metrics, params = trained["metrics"], trained["params"]
    production = evaluated["production_auc"]
    return [
        ("snapshot (features before)", f"{made['snapshot']} ({made['cutoff']})"),
        ("rows, held out", f"{made['rows']:,}, {made['holdout']:,}"),
        ("regParam, elasticNetParam", f"{params['regParam']}, {params['elasticNetParam']}"),
        (f"AUC of candidate (version {evaluated['candidate_version']})", f"{evaluated['candidate_auc']:.4f}"),
        (f"AUC of production (version {evaluated['production_version'] or 'none'})",
         _auc(production)),
        ("Brier, precision of top tenth", f"{metrics['brier']:.4f}, {metrics['precision_top_decile']:.4f}"),
        ("decision", "promoted" if decided["promote"] else "not promoted"),
        ("because", decided["reason"]),
        ("drift against the weeks before", f"{metrics['recent_drift_share']:.0%} of the columns"),
    ]  # fmt: skip


def _of_drift(root: ChurnRoot) -> Rows:
    from pipelines.churn import tasks

    found, made = root.details_of(tasks.RunDriftReport), root.details_of(tasks.BuildCurrentSnapshot)
    against = _span(made["weeks"]) if made["weeks"] else "itself and noise: there is no week before"
    rows = [
        ("current snapshot, against", f"{made['snapshot']}, {against}"),
        ("drift", "yes" if found["drift_detected"] else "no"),
        ("share of columns that drifted", f"{found['drift_share']:.0%} of {found['columns_compared']}"),
        ("columns that drifted", ", ".join(found["drifted"]) or "none"),
    ]  # fmt: skip
    rows += [("left out", f"{name}: {why}") for name, why in found["left_out"].items()]
    return rows


def _of_features(root: ChurnRoot) -> Rows:
    from pipelines.churn import tasks

    built = root.details_of(tasks.BuildWeeklyFeatures)
    return [
        ("weekly snapshots", _span(built["snapshots"])),
        ("rows, labelled, churned", f"{built['rows']:,}, {built['labelled']:,}, {built['churned']:,}"),
    ]


def _of_logreg(root: ChurnRoot) -> Rows:
    from pipelines.churn import tasks

    stage = root.sibling(tasks.TrainLogreg)
    trained, decided = stage.details(), root.sibling(tasks.PromoteLogreg).details()
    production = trained["production_auc"]
    return [
        (f"churn-logreg (version {trained['version']}) trained on", _span(trained["snapshots"])),
        ("its AUC; that of production", f"{trained['candidate_auc']:.4f}; {_auc(production)}"),
        ("its decision", f"{'promoted' if decided['promote'] else 'not promoted'}: {decided['reason']}"),
    ]  # fmt: skip


def _of_scores(root: ChurnRoot) -> Rows:
    from pipelines.churn import tasks

    scored = root.details_of(tasks.ScoreCohort)
    return [
        (f"scored by churn-logreg (version {scored['version']})",
         f"{scored['scored']:,} customers of {_span(scored['snapshots'])}"),
        ("of them predicted to churn", f"{scored['predicted_to_churn']:,}"),
    ]  # fmt: skip


def _auc(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"


def _span(days: list[str]) -> str:
    return days[0] if len(days) == 1 else f"{len(days)} weeks, {days[0]} to {days[-1]}"


# The files --------------------------------------------------------------------------------------------------------


def show_files(clean: Details) -> None:
    """What became of the values of each file, where not all were there as we would write them."""
    shown = [
        (each["file"], name.upper(), *(f"{counts[outcome]:,}" for outcome in sources.OUTCOMES))
        for each in clean["files"]
        for name, counts in each["columns"].items()
        if counts["read"] < each["rows"]
    ]
    columns = [("file", "left"), ("column", "left"), *((outcome, "right") for outcome in sources.OUTCOMES)]
    console.grid("Values that were missing, unreadable (dropped) or rewritten", columns, shown)
    console.result(
        f"{clean['payments']:,} payments, {clean['dropped']:,} dropped for want of a customer or a day, "
        f"{clean['future']:,} dated after today; {clean['duplicates']:,} lines of user files replaced by a later line "
        "of the same customer."
    )


def show_changes(root: Place, found: Details) -> None:
    """Which files changed since they were last taken as seen."""
    changed = found["changed"]
    since = " (nothing is remembered of an earlier look)" if found["first_look"] else ""
    told = [(file, changed.get(file, "as it was")) for file in sorted({*found["now"], *changed})]
    console.table(f"Files of {root.url}{since}", told)
    console.result(f"{len(changed)} changed: {', '.join(sorted(changed))}. Run ChurnTraining.")


def show_unchanged(root: Place) -> None:
    """That nothing did."""
    console.result(f"Nothing changed. The files of {root.url} are as they were.")


def seed() -> None:
    """Load the files into ``raw``, all or none, and tell how many rows each table has."""
    from pipelines.churn.lifecycle import generate_if_empty
    from pipelines.churn.seed import seed
    from pipelines.churn.tasks import CleanRawSources
    from pipelines.services import warehouse
    from pipelines.services.artifacts import place
    from pipelines.services.settings import settings

    warehouse.lock("churn", console.note)
    root = place(settings().churn_data_root, "churn_data")
    generate_if_empty(root, settings(), CleanRawSources.stage)
    with warehouse.plainly("seed"), warehouse.transaction() as tx:
        rows = seed(tx, root)
    console.table(
        f"Files of {root.url}, as they are", [(f"raw.{table}", f"{count:,}") for table, count in rows.items()]
    )


def show_status() -> None:
    """The last training, the weekly snapshots, scores and drift."""
    from pipelines.core.statements import query
    from pipelines.services.warehouse import connection

    stages = [
        (row["stage"], row["key"], console.moment(row["finished_at"]),
         f"{row['seconds']:.1f} s", row["reason"] or console.in_words(row["details"]))
        for row in connection().execute(query("churn/last_stages"))
    ]  # fmt: skip
    columns = [("stage", "left"), ("of", "left"), ("finished", "left"), ("took", "right"), ("told", "left")]
    console.grid("Last stages of the churn flow", columns, stages)
    weeks = [
        (str(row["snapshot_date"]), f"{row['customers']:,}", f"{row['labelled']:,}", f"{row['churned']:,}",
         f"{row['scored']:,}", "" if row["drift_share"] is None else f"{row['drift_share']:.0%}")
        for row in connection().execute(query("churn/last_weeks"))
    ]  # fmt: skip
    columns = [
        ("snapshot", "left"),
        *((name, "right") for name in ("customers", "labelled", "churned", "scored", "drift")),
    ]
    console.grid("Last weekly snapshots", columns, weeks)


# Models -----------------------------------------------------------------------------------------------------------


def show_models() -> None:
    """Versions of both models with their metrics, and who is production."""
    from datetime import UTC, datetime

    names = ("roc_auc", "brier", "precision_top_decile", "recent_drift_share")
    with tracking.plainly():
        found = [version for model in registry.MODELS for version in registry.versions(model)]
    shown = [
        (each.model, each.version, ", ".join(each.aliases),
         console.moment(datetime.fromtimestamp(each.created, UTC)),
         *(f"{each.metrics[name]:.4f}" if name in each.metrics else "" for name in names), each.run_id)
        for each in found
    ]  # fmt: skip
    columns = [("model", "left"), ("version", "right"), ("is", "left"), ("made", "left"),
               *((name, "right") for name in names), ("MLflow run", "left")]  # fmt: skip
    console.grid("Models", columns, shown)
    if not shown:
        console.result("There is none yet: make churn, or luigi --module pipelines ChurnTraining.")


def roll_back(model: str) -> None:
    """Make the previous version production again; not while a training is at work."""
    from pipelines.services import warehouse

    production = tracking.version_of(model, registry.PRODUCTION)
    warehouse.lock("churn", console.note)
    with tracking.plainly():
        now, was = registry.rollback(model, production)
    console.result(
        f"{model}: version {now} is production again; version {was} is the previous one, and one rollback away."
    )
