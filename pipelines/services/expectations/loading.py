"""The import of Great Expectations: at once, or early in a thread."""

from __future__ import annotations

import os
import sys
import threading
import weakref
from contextlib import suppress
from typing import Any

from pipelines.services.expectations import patches


def loaded() -> Any:
    """Returns the module ``great_expectations``; imports it, or waits while another thread does."""
    return patches.import_great_expectations()


class EarlyImport:
    """An import of Great Expectations (seconds) in a thread, so that it goes on while the database works.

    Call ``wait`` before importing a submodule of what Great Expectations imports too, such as SQLAlchemy or pandas: two
    threads that import parts of one package can wait for each other, and Python then raises an ImportError. A fork
    waits by itself, because the child would inherit import locks that nobody releases (``luigi --workers`` forks).
    """

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts the import; does nothing where it was started before, by whomever."""
        if self._thread is None and "great_expectations" not in sys.modules:
            self._thread = threading.Thread(target=_try_to_load, name="import great_expectations")
            _wait_before_fork(weakref.ref(self._thread))
            self._thread.start()

    def wait(self) -> None:
        """Blocks until the import has ended; returns at once where it was not started."""
        if self._thread is not None:
            self._thread.join()
        elif "great_expectations" in sys.modules:
            loaded()


def _try_to_load() -> None:
    with suppress(Exception):  # whoever calls loaded() imports again and gets the error
        loaded()


def _wait_before_fork(thread: weakref.ref[threading.Thread]) -> None:
    """Holds no thread that has ended: a callback at fork can never be removed."""

    def wait() -> None:
        importing = thread()
        if importing is not None and importing.is_alive() and importing is not threading.current_thread():
            importing.join()

    os.register_at_fork(before=wait)
