"""The servers do what the flow will ask of them, by settings alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests import helpers

ON_SPARK = """
import os
from pyspark.sql import SparkSession

spark = (
    SparkSession.builder.master(os.environ["SPARK_MASTER_URL"])
    .config("spark.hadoop.fs.s3a.endpoint", os.environ["MLFLOW_S3_ENDPOINT_URL"])
    .config("spark.hadoop.fs.s3a.endpoint.region", os.environ["AWS_REGION"])
    .config("spark.hadoop.fs.s3a.path.style.access", "true")
    .getOrCreate()
)
numbers = spark.range(1000, numPartitions=4)
numbers.write.parquet("s3a://mlflow-artifacts/smoke/numbers")
print("sum", spark.read.parquet("s3a://mlflow-artifacts/smoke/numbers").agg({"id": "sum"}).first()[0])
print("python", spark.sparkContext.range(4).map(lambda _: __import__("sys").executable).distinct().collect())
print("executors", spark.sparkContext._jsc.sc().getExecutorMemoryStatus().size() - 1)  # the driver is one of them
spark.stop()
"""
ON_MLFLOW = """
import mlflow

mlflow.set_experiment("smoke")
with mlflow.start_run():
    mlflow.log_metric("roc_auc", 0.75)
    mlflow.log_text("it is there", "notes/smoke.txt")
print(mlflow.search_runs(experiment_names=["smoke"])["metrics.roc_auc"].tolist())
"""


def run(script: str, cluster: Mapping[str, str]) -> str:
    """What a Python process of its own prints with the settings of the cluster."""
    done = helpers.python("-c", script, env=cluster)
    assert done.returncode == 0, done.stderr
    return done.stdout


def keys(bucket: Any, prefix: str) -> list[str]:
    return [each.key for each in bucket.objects.filter(Prefix=prefix)]


def test_s3_gives_back_what_it_got(bucket: Any) -> None:
    bucket.put_object(Key="smoke/hello.txt", Body=b"hello")
    assert bucket.Object("smoke/hello.txt").get()["Body"].read() == b"hello"


def test_spark_writes_and_reads_parquet_on_s3(cluster: Mapping[str, str], bucket: Any) -> None:
    printed = run(ON_SPARK, cluster)
    assert "sum 499500" in printed
    assert f"python ['{cluster['PYSPARK_PYTHON']}']" in printed
    assert "executors 1" in printed  # the work was done by the worker, not by the driver
    assert "smoke/numbers/_SUCCESS" in keys(bucket, "smoke/numbers/")


def test_mlflow_keeps_artifacts_on_s3(cluster: Mapping[str, str], bucket: Any) -> None:
    client_only = {name: value for name, value in cluster.items() if not name.startswith("AWS_")}
    assert run(ON_MLFLOW, client_only).endswith("[0.75]\n")
    assert [key for key in keys(bucket, "mlflow/") if key.endswith("/notes/smoke.txt")]


def test_no_log_shows_a_secret(folder: Path, cluster: Mapping[str, str]) -> None:
    logs = [*folder.glob("*.log"), *folder.glob("work/*/*/stderr")]
    conf = (folder / "spark-conf" / "spark-defaults.conf").read_text()
    secrets = [cluster["AWS_SECRET_ACCESS_KEY"], conf.split("spark.authenticate.secret ")[1].strip()]
    assert not [log.name for log in logs for secret in secrets if secret in log.read_text(errors="replace")]
