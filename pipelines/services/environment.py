"""What runs take from outside: the services, by the names that the kernel knows them by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.core.errors import PipelineError
from pipelines.services import console, luigi_command

if TYPE_CHECKING:
    from pipelines.services.warehouse import Connection


class Services:
    """The environment of every run of this project, on a laptop and in production: settings tell them apart."""

    def today(self) -> date:
        from pipelines.services.settings import settings

        return settings().today()

    def day_of(self, moment: datetime) -> date:
        from pipelines.services.settings import settings

        return moment.astimezone(settings().zone).date()

    def lock_wait_seconds(self) -> float:
        from pipelines.services.settings import settings

        return settings().lock_wait_seconds

    def history_days(self) -> int:
        from pipelines.services.settings import settings

        return settings().run_history_days

    def project_version(self) -> Callable[[], str]:
        from pipelines.services import project

        return project.version()

    def connect(self, session_name: str) -> Connection:
        from pipelines.services import warehouse

        return warehouse.migrated(session_name)

    def reader(self, session_name: str) -> Connection | None:
        from pipelines.services import warehouse

        return warehouse.reader(session_name)

    def explained(self, what: str) -> AbstractContextManager[None]:
        from pipelines.services import warehouse

        return warehouse.errors_explained(what)

    def code_cache(self) -> Path:
        from pipelines.services.settings import settings

        return settings().home / "code_versions.json"

    def note(self, text: str) -> None:
        console.note(text)

    def showing(self, stage: str, key: str, quiet: bool) -> AbstractContextManager[console.Say]:
        return console.stage(stage, key, quiet)

    def adopt_luigi_command(self, root_tasks: Sequence[str]) -> None:
        luigi_command.adopt(root_tasks)

    def report(self, error: PipelineError) -> None:
        luigi_command.report(error)
