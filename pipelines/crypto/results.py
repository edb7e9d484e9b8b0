"""The results of the stages: what each leaves for those after it, and for reports."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class History:
    """What a run added to raw history: rows ``generated``, or those of a file.

    Attributes:
        already_loaded_as: the path under which the same content was loaded before; then nothing was loaded again.
        lines, loaded, unreadable: lines of the file, and what became of them.
        outside_the_window: rows of the file that this run does not validate.
    """

    generated: int | None = None
    file: str | None = None
    already_loaded_as: str | None = None
    lines: int | None = None
    loaded: int | None = None
    unreadable: int | None = None
    outside_the_window: int | None = None


@dataclass(frozen=True)
class Candidates:
    """A snapshot in staging: rows ``read``, and how many of them are exact ``copies`` of others."""

    snapshot_id: str
    read: int
    copies: int


@dataclass(frozen=True)
class Validated:
    """What a gate counted: rows ``judged``, ``rejected`` and ``redelivered``; and where its Data Docs are."""

    snapshot_id: str
    judged: int
    rejected: int
    docs: str
    redelivered: int | None = None  # the raw gate alone counts them


@dataclass(frozen=True)
class Merged:
    """Counts of keys, and the table that they went to: another ``production`` where it was restored or made anew."""

    valid: int
    inserted: int
    updated: int
    reactivated: int
    deactivated: int
    unchanged: int
    production: str

    def in_words(self) -> str:
        return ", ".join(f"{name} {count:,}" for name, count in asdict(self).items() if name != "production")
