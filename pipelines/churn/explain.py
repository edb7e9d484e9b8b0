"""Why a model says what it says: SHAP values of the holdout, as a picture and as numbers."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.churn.declaration import DECLARED

if TYPE_CHECKING:
    from pipelines.churn.contributions import Sum

SAMPLE = 2_000  # rows that are explained
SEED = 2019
FOLDER, PICTURE, MEANS, BACKGROUND = "explainability", "shap_summary.png", "mean_abs_shap.json", "background.json"


def explain(model: Sum, seen: Any, rows: Any, folder: Path) -> dict[str, float]:
    """Leave a picture, the means, and the background that single rows are explained from, in a folder.

    Args:
        model: what it adds up.
        seen: the training rows (DataFrame), whose mean is the base of every explanation.
        rows: the rows to explain; above ``SAMPLE`` rows a sample of them.

    Returns:
        Mean absolute SHAP value (log-odds) per feature, largest first.
    """
    import matplotlib as mpl
    import numpy as np

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    import shap

    random = np.random.default_rng(SEED)
    if len(rows) > SAMPLE:
        rows = rows.iloc[np.sort(random.choice(len(rows), SAMPLE, replace=False))]
    background = model.background(seen)
    explainer = shap.LinearExplainer((model.weights, model.intercept), background[None])
    found = model.by_feature(explainer.shap_values(model.columns(rows)))
    # A word has no high and low: it is drawn in grey.
    shown = rows.assign(**{name: np.nan for name in model.features if DECLARED[name].is_category})
    labels = [DECLARED[name].label for name in model.features]
    folder.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of those without a colour
        values = shown[list(model.features)].to_numpy(dtype=np.float64)
        shap.summary_plot(found, values, feature_names=labels, show=False, rng=random)
    plt.savefig(folder / PICTURE, dpi=120, bbox_inches="tight")
    plt.close("all")
    means = dict(
        sorted(zip(model.features, np.abs(found).mean(axis=0).tolist(), strict=True), key=lambda each: -each[1])
    )
    (folder / MEANS).write_text(json.dumps(means, indent=1), encoding="utf-8")
    (folder / BACKGROUND).write_text(json.dumps(background.tolist()), encoding="utf-8")
    return means
