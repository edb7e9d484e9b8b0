"""Why the model says what it says: SHAP values of the holdout, as a picture and as numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.churn.features import FEATURES, NUMERIC

if TYPE_CHECKING:
    from pipelines.churn.training import Learnt

SAMPLE = 2_000  # rows that are explained
SEED = 2019


def explain(learnt: Learnt, background: Any, values: Any, folder: Path) -> dict[str, float]:
    """Leave ``shap_summary.png`` and ``mean_abs_shap.json`` in a folder.

    Args:
        learnt: the model.
        background: the training rows (rows x features), whose mean is the base of every explanation.
        values: the rows to explain; above ``SAMPLE`` rows a sample of them.

    Returns:
        Mean absolute SHAP value (log-odds) per feature, largest first.
    """
    import matplotlib as mpl
    import numpy as np

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    import shap

    from pipelines.churn.linear_model import squashed

    random = np.random.default_rng(SEED)
    if len(values) > SAMPLE:
        values = values[np.sort(random.choice(len(values), SAMPLE, replace=False))]
    mean = squashed(background).mean(axis=0, keepdims=True)
    explainer = shap.LinearExplainer((np.array(learnt.weights), learnt.intercept), mean)
    found = explainer.shap_values(squashed(values))
    labels = {feature.name: feature.label for feature in FEATURES}
    folder.mkdir(parents=True, exist_ok=True)
    shap.summary_plot(found, values, feature_names=[labels[name] for name in NUMERIC], show=False, rng=random)
    plt.savefig(folder / "shap_summary.png", dpi=120, bbox_inches="tight")
    plt.close("all")
    means = dict(sorted(zip(NUMERIC, np.abs(found).mean(axis=0).tolist(), strict=True), key=lambda each: -each[1]))
    (folder / "mean_abs_shap.json").write_text(json.dumps(means, indent=1), encoding="utf-8")
    return means
