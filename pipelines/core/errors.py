"""What can go wrong in a way that we foresaw: the message says what, where and what to do next.

The exit codes are Luigi's ``[retcode]`` table (``luigi.cfg``), plus 2 for a command typed wrongly, as argparse has it.
"""


class PipelineError(Exception):
    """A foreseen failure: its message is shown without a traceback."""

    exit_code = 30  # task_failed
    is_retryable = True  # may succeed if tried again

    @property
    def outcome(self) -> str:
        """How the ledger calls a run that it ended: ``refused`` by us, or ``failed``."""
        return "failed" if self.is_retryable else "refused"


def outcome_of(error: BaseException) -> str:
    """How the ledger calls what an error ended: a foreseen one says it itself, any other has ``failed``."""
    return error.outcome if isinstance(error, PipelineError) else "failed"


class UsageError(PipelineError):
    """An option or a setting is wrong."""

    exit_code = 2
    is_retryable = False


class AlreadyRunning(PipelineError):
    """Another run holds the flow's lock."""

    exit_code = 10
    outcome = "refused"


class MissingInput(PipelineError):
    """A file that was named is not there."""

    exit_code = 20
    is_retryable = False


class WarehouseUnreachable(PipelineError):
    """PostgreSQL does not answer, or not as it should."""

    exit_code = 35  # scheduling_error: nothing could be looked at


class MigrationFailed(PipelineError):
    """A revision of the schema cannot be applied; the database is as it was."""

    exit_code = 35
    is_retryable = False


class SchemaMismatch(PipelineError):
    """The schema of the database is newer than the code; or older, where it is only read."""

    exit_code = 35
    is_retryable = False


class GateFailed(PipelineError):
    """Data broke a rule: production was not touched, the evidence is kept."""

    is_retryable = False


class MassDeactivation(PipelineError):
    """A merge would deactivate more of production than is believable."""

    is_retryable = False


class Interrupted(PipelineError):
    """Ctrl-C."""

    exit_code = 130


class NewerResult(PipelineError):
    """A newer version of the code wrote what this one is to read."""

    exit_code = 35
    is_retryable = False


class StaleUpstream(PipelineError):
    """What a stage reads was never made, or was made of other inputs."""

    is_retryable = False


class Refusal:
    """What a stage's work returns to keep the evidence that it wrote, leave no materialization, and fail."""

    def __init__(self, error: PipelineError) -> None:
        self.error = error
