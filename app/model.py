"""The models: who is in production and who was, how good they are, what moves them, and how it came to be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

import streamlit as st

from app import reading, showing
from pipelines.churn import answers, explain, registry
from pipelines.churn.registry import Version
from pipelines.services import console

METRICS: Mapping[str, tuple[str, str]] = {
    "roc_auc": ("AUC", "higher is better; 0.5 is a coin"),
    "brier": ("Brier score", "mean squared error of the probability; lower is better"),
    "precision_top_decile": (
        "Precision of the top 10 %",
        "of the tenth with the highest probability, the share for whom it came true",
    ),
}


def page() -> None:
    st.title("Model")
    model = st.radio("Model", registry.MODELS, horizontal=True, key="model_shown")
    with st.spinner("Asking MLflow …"):
        showing.imported()
        versions = reading.versions(model)
    if not versions:
        st.info(f"{model} has no version yet. To train one: {showing.TRAIN}")
        return
    production, previous = (
        next((each for each in versions if alias in each.aliases), None)
        for alias in (registry.PRODUCTION, registry.PREVIOUS)
    )
    if production is None:
        st.warning(f"No version of {model} is in production.")
    else:
        _compare(production, previous)
        _tell_decision(production)
        _show_why(production)
        _show_plots(production)
    st.subheader("All versions")
    st.table([_line(each) for each in versions], hide_index=True, alt=f"All versions of {model}, newest first")


def _compare(production: Version, previous: Version | None) -> None:
    st.subheader("In production")
    since = showing.since(registry.production_since(production.model, production.version))
    st.caption(f"Version {production.version}, since {since}. All on a fifth of the customers, whom no training sees.")
    for column, (name, (label, said)) in zip(st.columns(len(METRICS)), METRICS.items(), strict=True):
        value = production.metrics.get(name)
        before = previous.metrics.get(name) if previous else None
        change = None if value is None or before is None else f"{value - before:+.4f}"
        better = "inverse" if name == "brier" else "normal"
        column.metric(label, _number(value), change, delta_color=better, help=said)  # type: ignore[arg-type]
    if previous is None:
        st.caption("There is no previous version.")
        return
    rows = [
        {"metric": label, f"version {production.version}, production": _number(production.metrics.get(name)),
         f"version {previous.version}, previous": _number(previous.metrics.get(name))}
        for name, (label, _) in METRICS.items()
    ]  # fmt: skip
    st.table(rows, hide_index=True, alt="Metrics of the version in production and of the previous one")
    st.caption("Each was judged on the customers of its own snapshot; the decision compares both on the same ones.")


def _tell_decision(version: Version) -> None:
    st.subheader("The decision when it was trained")
    words = {"promote": "Promoted", "skip": "Not promoted by the rule; somebody made it production"}
    if version.decision is None:
        st.markdown("It was not noted.")
    else:
        reason = showing.plain(version.reason or "no reason was noted")
        st.markdown(f"**{words.get(version.decision, version.decision)}**: {reason}.")


def _show_why(version: Version) -> None:
    st.subheader("What moves the answer")
    picture = reading.artifact(version.run_id, f"{explain.FOLDER}/{explain.PICTURE}")
    means = reading.artifact(version.run_id, f"{explain.FOLDER}/{explain.MEANS}")
    if picture is None or means is None:
        st.info(f"Version {version.version} has none: trained before they were kept, or its files are not there.")
        return
    try:
        effects = {name: float(value) for name, value in json.loads(means).items()}
    except (AttributeError, TypeError, ValueError):
        st.info(f"The explanation of version {version.version} is damaged.")
        return
    largest = ", ".join(answers.label(name) for name in list(effects)[:3])
    _show(picture, f"SHAP values of the customers held out, feature by feature. The largest: {largest}.")
    st.caption("A dot is a customer: to the right it moves the answer up; red is a high value, blue a low one.")
    with st.expander("Mean absolute SHAP values", expanded=True):
        rows = [
            {"feature": answers.label(name), "mean |SHAP| (log-odds)": f"{value:.3f}"}
            for name, value in effects.items()
        ]
        st.table(rows, hide_index=True, alt="Mean absolute SHAP value by feature, largest first")


def _show(picture: bytes, alt: str) -> None:
    try:
        st.image(picture, alt=alt)
    except OSError:  # as Pillow says it
        st.info("This picture is damaged.")


def _show_plots(version: Version) -> None:
    auc, brier = (_number(version.metrics.get(name)) for name in ("roc_auc", "brier"))
    for column, title, name, said in zip(
        st.columns(2),
        ("ROC", "Calibration"),
        ("roc", "calibration"),
        (f"The ROC curve on the customers held out; the area below it is {auc}.",
         f"Calibration: predicted against observed shares by tenths; Brier score {brier}."),
        strict=True,
    ):  # fmt: skip
        with column:
            st.subheader(title)
            if picture := reading.artifact(version.run_id, f"plots/{name}.png"):
                _show(picture, said)
            else:
                st.markdown("It was not drawn.")


def _line(version: Version) -> dict[str, str]:
    return {
        "version": version.version,
        "is": ", ".join(version.aliases),
        "made": console.moment(datetime.fromtimestamp(version.created, UTC)),
        **{label: _number(version.metrics.get(name)) for name, (label, _) in METRICS.items()},
        "decision": version.decision or "",
        "because": showing.plain(version.reason or ""),
    }


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4f}"
