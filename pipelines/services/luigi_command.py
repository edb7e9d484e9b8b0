"""The command ``luigi``: its errors in our words, with our exit codes, wherever it is typed."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator, Sequence
from configparser import ConfigParser
from itertools import pairwise
from types import TracebackType
from typing import Any

from pipelines.core.errors import Interrupted, PipelineError, UsageError
from pipelines.core.statements import ROOT
from pipelines.services import console


def is_typed() -> bool:
    """Whether this process is Luigi's command."""
    return "luigi.cmdline" in sys.modules


def adopt(root_tasks: Sequence[str]) -> None:
    """Lets the command show foreseen errors without a traceback, and exit with their codes.

    Args:
        root_tasks: those that can be typed; a misspelt one is refused with them.
    """
    import luigi

    log = logging.getLogger("luigi-interface")
    if any(isinstance(each, _ForeseenErrors) for each in log.filters):
        return
    log.addFilter(_ForeseenErrors())
    _complete(luigi.configuration.get_config())
    if empty := next((each for each in _empty_options(sys.argv[1:])), None):  # Luigi would take it for not given
        raise _exit(UsageError(f"{empty} is empty: give it a value, or leave the option out."))

    def end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """Ends the command by an exception that nobody has caught."""
        from luigi.task_register import TaskClassNotFoundException

        if issubclass(kind, KeyboardInterrupt):
            raise _exit(Interrupted("Interrupted. What had begun was rolled back; run again to go on."))
        if issubclass(kind, PipelineError):
            assert isinstance(error, PipelineError)
            raise _exit(error)
        if issubclass(kind, TaskClassNotFoundException):
            name = str(error).removeprefix("No task ").split(".")[0]
            raise _exit(UsageError(f"{name} is no task. Choose one of {', '.join(root_tasks)}."))
        sys.__excepthook__(kind, error, trace)

    sys.excepthook = end


def _complete(config: Any) -> None:
    """Adds the options of our luigi.cfg that the configuration lacks: exit codes, say."""
    ours = ConfigParser()
    ours.read(ROOT / "luigi.cfg", "utf-8")
    for section in ours.sections():
        for option, value in ours.items(section):
            if not config.has_option(section, option):
                config.set(section, option, value)


def _empty_options(arguments: Sequence[str]) -> Iterator[str]:
    """The options whose value is an empty text: of a shell variable that is not set, say."""
    for option, value in pairwise([*arguments, "-"]):
        if option.startswith("--") and value == "":
            yield option
        elif option.startswith("--") and option.endswith("="):
            yield option[:-1]


def report(error: PipelineError) -> None:
    """Shows an error, once, and lets the command exit with its code; elsewhere than in the command nothing."""
    if not is_typed() or getattr(error, "is_reported", False):
        return
    error.is_reported = True  # type: ignore[attr-defined]
    console.error(error)
    from luigi.retcodes import retcode

    codes = retcode()  # Luigi keeps one instance for the process, and reads it when it ends
    for name in ("task_failed", "scheduling_error", "unhandled_exception"):
        setattr(codes, name, error.exit_code)
    for name in ("missing_data", "not_run"):
        setattr(codes, name, min(getattr(codes, name), error.exit_code))


def _exit(error: PipelineError) -> SystemExit:
    console.error(error)
    return SystemExit(error.exit_code)


class _ForeseenErrors(logging.Filter):
    """Luigi logs every failure with its traceback: a foreseen error needs its words only, once."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, PipelineError):
            report(error)
            return False
        # Of a question that failed, Luigi logs the traceback as text: the error is shown already.
        text = str(record.msg)
        return not (text.startswith("Will not run") and re.search(r"^pipelines\.[\w.]+: ", text, re.MULTILINE))
