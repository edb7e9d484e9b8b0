"""Where the small files of the tests lie, and one Spark for all of them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

from pipelines.services.settings import settings


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch) -> None:
    """Temporary folders are in the test's own one, and go with it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    """A session on this machine; it ends with the process."""
    from pipelines.services import spark

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_MASTER_URL", "local[2]")
        settings.cache_clear()
        yield spark.session()
    settings.cache_clear()
