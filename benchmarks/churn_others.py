"""What a user would write instead of the churn flow: DuckDB, pandas, PySpark, scikit-learn, shap and Evidently, bare.

Nothing of ours is used here but the names of the columns. Imports are paid where they are needed.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
FILES = {
    "payments": "PAYMENTS.csv", "visits": "ACTIVE_USER.csv", "people": "DEMOGRAFICOS.csv",
    "accounts": "DINERO_CUENTA.csv", "market": "MARKETPLACE_DATA.csv",
}  # fmt: skip
MONTHS = {
    **{f"MAU_{app}_{month}": f"mau_{app.lower()}_{month}" for app in ("MP", "ML") for month in (1, 2, 3)},
    "PLATA_CUENTA_1": "plata_cuenta_1", "PLATA_CUENTA_2": "plata_cuenta_2", "SPENT_ML": "spent_ml",
    "FREQUENCY_ML": "frequency_ml",
}  # fmt: skip
AGES = {
    18: "01.menor de 18 años", 26: "02.entre 18 y 25 años", 31: "03.entre 26 y 30 años", 36: "04.entre 31 y 35 años",
    41: "05.entre 36 y 40 años", 56: "06.entre 41 y 55 años", 66: "07.entre 56 y 65 años", 200: "08.mayor a 65 años",
}  # fmt: skip
GENDERS = {"f": "female", "m": "male"}


# Features: CSV to Parquet, each in a process of its own -----------------------------------------------------------


def duckdb_features(root: Path, target: Path, cutoff: date) -> None:
    """One statement of SQL; memory as DuckDB takes it."""
    import duckdb

    text = (HERE / "churn_sql" / "features.sql").read_text(encoding="utf-8").replace("{target}", str(target))
    duckdb.execute(text, {"cutoff": cutoff, **{name: str(root / file) for name, file in FILES.items()}})


def pandas_features(root: Path, target: Path, cutoff: date) -> None:
    """The columns that are needed, a group-by per window, merges."""
    import numpy as np
    import pandas as pd

    end = pd.Timestamp(cutoff)

    def users(name: str, dates: list[str] | None = None) -> pd.DataFrame:
        table = pd.read_csv(root / FILES[name], parse_dates=dates or [])
        table["customer_id"] = table.pop("CUS_CUST_ID_BUY").astype("int64")
        return table.drop_duplicates("customer_id", keep="last").set_index("customer_id")

    payments = pd.read_csv(
        root / FILES["payments"], usecols=["FECHA", "CUS_CUST_ID_BUY", "SPENT", "DESCUENTO"], parse_dates=["FECHA"]
    ).rename(columns={"CUS_CUST_ID_BUY": "customer_id"})
    payments = payments[(payments["FECHA"] < end) & (payments["FECHA"] >= end - pd.Timedelta(days=90))]
    month = payments[payments["FECHA"] >= end - pd.Timedelta(days=30)].groupby("customer_id")
    week = payments[payments["FECHA"] >= end - pd.Timedelta(days=7)].groupby("customer_id")
    two_months = payments[payments["FECHA"] >= end - pd.Timedelta(days=60)]
    quarter = payments.groupby("customer_id")
    out = pd.DataFrame({
        "spent_90d": quarter["SPENT"].sum(), "payments_90d": quarter.size(),
        "last_payment_date": quarter["FECHA"].max(),
        "spent_30d": month["SPENT"].sum(), "payments_30d": month.size(), "total_discount_30d": month["DESCUENTO"].sum(),
        "spent_7d": week["SPENT"].sum(), "payments_7d": week.size(),
        "active_days_60d": two_months.drop_duplicates(["customer_id", "FECHA"]).groupby("customer_id").size(),
    })  # fmt: skip
    out["days_since_activity"] = (end - out["last_payment_date"]).dt.days
    visits = users("visits", ["last_login_mp_date_1", "last_login_ml_date_1"])
    logins = ["last_login_mp_date_1", "last_login_ml_date_1"]
    visits["last_login_date"] = visits[logins].max(axis=1)
    visits = visits.drop(columns=logins)
    people = users("people")
    out = out.join([visits, people, users("accounts"), users("market", ["RECENCY_ML"])]).rename(columns=MONTHS)
    out["recency_ml_days"] = (end - out["RECENCY_ML"]).dt.days.fillna(999)
    out["has_inversion"] = (out["INVERSION"].str.strip().str.lower() == "investing").astype(int)
    out["gender"] = out["GENDER"].str.strip().str.lower().map(GENDERS).fillna("unknown")
    out["gender_is_female"] = (out["gender"] == "female").astype(int)
    ages = pd.cut(out["AGE"], [-np.inf, *AGES], right=False, labels=list(AGES.values()))
    out["rango_edad"] = ages.astype(object).fillna("unknown")
    out["tarjetas"] = out["CARD_TYPE"].str.strip().str.lower().fillna("unknown")
    out["estado"] = out["ESTADO"].str.strip().str.lower().fillna("unknown")
    numbers = out.select_dtypes("number").columns
    out[numbers] = out[numbers].fillna(0)
    known = out["last_login_date"] < end
    out["last_login_date"] = out["last_login_date"].where(known)
    out.reset_index().drop(columns=[name for name in out if name.isupper()]).to_parquet(target)


def spark_features(root: Path, target: Path, cutoff: date, session: Any) -> None:
    """Files read with a schema, DataFrames joined, one group-by over the payments."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F  # noqa: N812

    def read(name: str, schema: str) -> Any:
        table = session.read.csv(str(root / FILES[name]), header=True, schema=schema, enforceSchema=True)
        return table.withColumn("customer_id", F.col("CUS_CUST_ID_BUY").cast("long")).drop("CUS_CUST_ID_BUY")

    def users(name: str, schema: str) -> Any:
        table = read(name, schema).withColumn("line", F.monotonically_increasing_id())
        newest = Window.partitionBy("customer_id").orderBy(F.desc("line"))
        return table.withColumn("rank", F.row_number().over(newest)).where("rank = 1").drop("rank", "line")

    def since(days: int, value: Any) -> Any:
        return F.when(F.col("FECHA") >= F.date_sub(F.lit(cutoff), days), value)

    payments = read("payments", (
        "FECHA date, CUS_CUST_ID_SEL long, CUS_CUST_ID_BUY long, SPENT double, TPV_SEGMENT_DETAIL string, "
        "DESCUENTO double"
    )).where((F.col("FECHA") < F.lit(cutoff)) & (F.col("FECHA") >= F.date_sub(F.lit(cutoff), 90)))  # fmt: skip
    spending = payments.groupBy("customer_id").agg(
        *(F.sum(since(days, F.col("SPENT"))).alias(f"spent_{days}d") for days in (7, 30, 90)),
        *(F.count(since(days, F.lit(1))).alias(f"payments_{days}d") for days in (7, 30, 90)),
        F.sum(since(30, F.col("DESCUENTO"))).alias("total_discount_30d"),
        F.count_distinct(since(60, F.col("FECHA"))).alias("active_days_60d"),
        F.max("FECHA").alias("last_payment_date"),
    )
    months = ", ".join(f"MAU_{app}_{month} double" for month in range(1, 7) for app in ("MP", "ML"))
    visits = users("visits", f"CUS_CUST_ID_BUY string, {months}, last_login_mp_date_1 date, last_login_ml_date_1 date")
    people = users("people", (
        "CITY string, CUS_CUST_ID_BUY string, GENDER string, AGE int, CARD_TYPE string, ESTADO string"
    ))  # fmt: skip
    balances = ", ".join(f"PLATA_CUENTA_{month} double" for month in (1, 2, 3))
    accounts = users("accounts", f"CUS_CUST_ID_BUY double, {balances}, INVERSION string")
    market = users("market", "CUS_CUST_ID_BUY string, SPENT_ML double, RECENCY_ML date, FREQUENCY_ML double")
    out = spending
    for table in (visits, people, accounts, market):
        out = out.join(table, "customer_id", "left")
    ages = F.lit("unknown")
    for edge, words in reversed(AGES.items()):
        ages = F.when(F.col("AGE") < edge, words).otherwise(ages)
    gender = F.lower(F.trim("GENDER"))
    sums = ("spent_7d", "spent_30d", "spent_90d", "total_discount_30d")
    login = F.greatest("last_login_mp_date_1", "last_login_ml_date_1")
    out.select(
        "customer_id", "last_payment_date", "payments_7d", "payments_30d", "payments_90d", "active_days_60d",
        *(F.coalesce(name, F.lit(0.0)).alias(name) for name in sums),
        *(F.coalesce(name, F.lit(0.0)).alias(ours) for name, ours in MONTHS.items()),
        F.date_diff(F.lit(cutoff), "last_payment_date").alias("days_since_activity"),
        F.coalesce(F.date_diff(F.lit(cutoff), "RECENCY_ML"), F.lit(999)).alias("recency_ml_days"),
        F.coalesce((F.lower("INVERSION") == "investing").cast("int"), F.lit(0)).alias("has_inversion"),
        F.coalesce((gender == "f").cast("int"), F.lit(0)).alias("gender_is_female"),
        F.when(gender == "f", "female").when(gender == "m", "male").otherwise("unknown").alias("gender"),
        ages.alias("rango_edad"),
        F.coalesce(F.lower(F.trim("CARD_TYPE")), F.lit("unknown")).alias("tarjetas"),
        F.coalesce(F.lower(F.trim("ESTADO")), F.lit("unknown")).alias("estado"),
        F.when(login < F.lit(cutoff), login).alias("last_login_date"),
    ).write.mode("overwrite").parquet(str(target))  # fmt: skip


# The grid ---------------------------------------------------------------------------------------------------------


def squashed(values: Any) -> Any:
    """The transformation that the model applies to its features."""
    import numpy as np

    return np.sign(values) * np.log1p(np.abs(values))


def sklearn_grid(rows: Any, names: list[str], reg_params: list[float], nets: list[float]) -> float:
    """GridSearchCV on all cores, saga for the elastic net; AUC of the refitted best on the holdout.

    Args:
        rows: DataFrame with features, ``label``, ``validation`` and ``holdout``.
    """
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GridSearchCV, PredefinedSplit
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    seen, holdout = rows[~rows["holdout"]], rows[rows["holdout"]]
    strengths = [1 / (each * int((~seen["validation"]).sum())) for each in reg_params]
    model = make_pipeline(FunctionTransformer(squashed), StandardScaler(), LogisticRegression(max_iter=1000))
    points = [
        {"logisticregression__solver": ["saga" if net else "lbfgs"], "logisticregression__l1_ratio": [net],
         "logisticregression__C": strengths}
        for net in nets
    ]  # fmt: skip
    split = PredefinedSplit(np.where(seen["validation"], 0, -1))
    search = GridSearchCV(model, points, scoring="roc_auc", cv=split, n_jobs=-1).fit(seen[names], seen["label"])
    return float(roc_auc_score(holdout["label"], search.predict_proba(holdout[names])[:, 1]))


def spark_grid(
    session: Any, dataset: str, names: list[str], reg_params: list[float], nets: list[float], **stop: float
) -> float:
    """One cached TrainValidationSplit, parallel; AUC of the refitted best on the holdout."""
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.evaluation import BinaryClassificationEvaluator
    from pyspark.ml.feature import VectorAssembler
    from pyspark.ml.tuning import ParamGridBuilder, TrainValidationSplit
    from pyspark.sql import functions as F  # noqa: N812

    cores = session.sparkContext.defaultParallelism
    table = session.read.parquet(dataset)
    values = table.select("label", "holdout", *((F.signum(name) * F.log1p(F.abs(name))).alias(name) for name in names))
    vectors = VectorAssembler(inputCols=names, outputCol="features").transform(values)
    rows = vectors.select("features", "label", "holdout")
    seen = rows.where("NOT holdout").repartition(cores).cache()
    regression, judge = LogisticRegression(**stop), BinaryClassificationEvaluator()
    grid = ParamGridBuilder().addGrid(regression.regParam, reg_params).addGrid(regression.elasticNetParam, nets).build()
    split = TrainValidationSplit(
        estimator=regression, estimatorParamMaps=grid, evaluator=judge, trainRatio=0.8, parallelism=cores, seed=1
    )
    model = split.fit(seen)
    seen.unpersist()
    return float(judge.evaluate(model.transform(rows.where("holdout"))))


# SHAP, drift, scores ----------------------------------------------------------------------------------------------


def shap_picture(model: tuple[Any, float], seen: Any, holdout: Any, names: list[str], target: Path) -> dict[str, float]:
    """Every row of the holdout explained and drawn; mean absolute value per feature."""
    import matplotlib as mpl
    import numpy as np

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    import shap

    explained = squashed(holdout)
    found = shap.LinearExplainer(model, squashed(seen)).shap_values(explained)
    shap.summary_plot(found, explained, feature_names=names, show=False)
    plt.savefig(target)
    plt.close("all")
    return dict(zip(names, np.abs(found).mean(axis=0).tolist(), strict=True))


def drift_report(current: Any, reference: Any, numeric: list[str], categories: list[str], target: Path) -> float:
    """Evidently's preset on every row; the share of drifted columns."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    definition = DataDefinition(numerical_columns=numeric, categorical_columns=categories)
    sides = [Dataset.from_pandas(side, data_definition=definition) for side in (current, reference)]
    found = Report([DataDriftPreset()]).run(*sides)
    found.save_html(str(target))
    return float(found.dict()["metrics"][0]["value"]["share"])


def numpy_dot(source: Path, target: Path, names: list[str], weights: Any) -> None:
    """Features in, one matrix times the weights, numbers out: no transformation, no probability."""
    import numpy as np
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(source, columns=names)
    scores = np.column_stack([table.column(name).to_numpy() for name in names]) @ weights
    pyarrow.parquet.write_table(pyarrow.table({"score": scores}), target)


def sklearn_model(weights: Any, intercept: float, names: list[str]) -> Any:
    """A pipeline with these weights."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    regression = LogisticRegression()
    regression.coef_, regression.intercept_ = np.array([weights]), np.array([intercept])
    regression.classes_, regression.n_features_in_ = np.array([0, 1]), len(names)
    return make_pipeline(FunctionTransformer(squashed), regression)


def sklearn_scores(model: Any, source: Path, target: Path, names: list[str]) -> None:
    """Through pandas."""
    import pandas as pd

    rows = pd.read_parquet(source, columns=names)
    pd.DataFrame({"score": model.predict_proba(rows)[:, 1]}).to_parquet(target)
