"""What training may be trusted for: it learns what is there, nothing that is not, and the same every time."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score

from pipelines.churn import cleaning, features, sources, synthetic, training
from pipelines.churn.declaration import NUMERIC
from pipelines.core.statements import text
from pipelines.services.artifacts import Place
from tests.churn import GOOD, World

USERS = 30_000  # of whom 4,300 are held out: the AUC of a model that knows nothing is within 0.03 of one half
CUTOFF, SNAPSHOT = date(2019, 5, 2), date(2019, 6, 1)


@dataclass(frozen=True)
class Data:
    """A dataset and where it is; functions of training take both."""

    rows: pyarrow.Table
    path: Path

    @property
    def holdout(self) -> tuple[Any, Any]:
        """Features and labels of the customers that no training sees."""
        held = self.rows.filter(self.rows["holdout"])
        return training.matrix(held), held["label"].to_numpy()

    def fit(self) -> training.Learnt:
        return training.fit(self.rows, str(self.path), [0.01], [0.0])

    def labelled(self, labels: Any, path: Path) -> Data:
        """The same customers with other labels."""
        position = self.rows.schema.get_field_index("label")
        rows = self.rows.set_column(position, "label", pyarrow.array(labels))
        pq.write_table(rows, path)
        return replace(self, rows=rows, path=path)


@pytest.fixture(scope="module")
def data(state: Path, tmp_path_factory: pytest.TempPathFactory) -> Data:  # noqa: ARG001 - of the tests alone
    folder = tmp_path_factory.mktemp("data")
    synthetic.generate(folder / "files", USERS)
    store = Place(str(folder / "store"))
    files = [source.file for source in sources.SOURCES]
    clean = cleaning.clean(Place(str(folder / "files")), files, store, "clean", SNAPSHOT, 0.1)
    frame = features.read(store, features.frame(store, clean, "of the tests", CUTOFF))
    with features.engine(store, clean.folder) as ask:
        active = ask(text("churn/active"), {"cutoff": CUTOFF, "until": SNAPSHOT})
    training.dataset(store, "dataset.parquet", frame, active)
    return Data(features.read(store, "dataset.parquet"), folder / "store" / "dataset.parquet")


@pytest.fixture(scope="module")
def learnt(data: Data) -> training.Learnt:
    return data.fit()


def test_from_shuffled_labels_nothing_is_learnt(data: Data, tmp_path: Path) -> None:
    """Shuffled before the holdout is cut off: an AUC away from one half would be knowledge of the holdout."""
    shuffled = np.random.default_rng(7).permutation(data.rows["label"].to_numpy())
    without_signal = data.labelled(shuffled, tmp_path / "shuffled.parquet")
    values, labels = without_signal.holdout
    assert roc_auc_score(labels, without_signal.fit().probabilities(values)) == pytest.approx(0.5, abs=0.03)


def test_the_model_is_better_than_chance_and_than_any_one_feature(data: Data, learnt: training.Learnt) -> None:
    values, labels = data.holdout
    alone = {name: roc_auc_score(labels, values[:, column]) for column, name in enumerate(NUMERIC)}
    best = max(max(auc, 1 - auc) for auc in alone.values())
    assert best > 0.6, "there is something to learn"
    assert roc_auc_score(labels, learnt.probabilities(values)) > best + 0.01


def test_who_is_held_out_is_decided_by_the_customer_and_seen_by_no_training(
    data: Data, learnt: training.Learnt, tmp_path: Path
) -> None:
    """Turned around for the holdout alone, labels change nothing of what is learnt."""
    held = data.rows["holdout"].to_numpy()
    assert 0.18 < held.mean() < 0.22
    labels = data.rows["label"].to_numpy()
    turned = data.labelled(np.where(held, 1 - labels, labels).astype(labels.dtype), tmp_path / "turned.parquet")
    assert turned.fit() == learnt


def test_the_same_data_gives_the_same_weights_in_another_process(lived: World) -> None:
    """To the last digit: a model can be made again from its dataset, and a training after a kill is the same one."""
    path = lived.artifacts / lived.record("feature_engineering")["dataset"]
    grid = [[float(GOOD[name])] for name in ("CHURN_REG_PARAMS", "CHURN_ELASTIC_NET_PARAMS")]
    again = training.fit(pq.read_table(path), str(path), *grid)
    registered = json.loads((lived.logged("2") / "artifacts" / "coefficients.json").read_text())
    assert (list(again.weights), again.intercept) == (registered["weights"], registered["intercept"])
