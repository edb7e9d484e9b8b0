"""Which of the files changed since they were last looked at: SHA-256 of each, kept in ``source_hashes.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pipelines.churn import sources
from pipelines.churn.results import FileChanges
from pipelines.services import console
from pipelines.services.artifacts import Place

STATE = "source_hashes.json"


def remembered(store: Place) -> dict[str, str] | None:
    """The hashes of the last time; None where there is no state, or none that can be read."""
    if not store.exists(STATE):
        return None
    try:
        state = json.loads(store.read(STATE))
        return {str(file): str(digest) for file, digest in state.items()}
    except (ValueError, AttributeError):
        console.note(f"{store.at(STATE)} cannot be read as a state of ours: every file counts as changed.")
        return None


def changes(before: Mapping[str, str] | None, now: Mapping[str, str]) -> dict[str, str]:
    """What happened to which file: ``new``, ``changed`` or ``gone``."""
    if before is None:
        return dict.fromkeys(now, "new")
    told = {
        file: "new" if file not in before else "changed" for file, digest in now.items() if before.get(file) != digest
    }
    return told | {file: "gone" for file in before if file not in now}


def look(root: Place, before: Mapping[str, str] | None, now: Mapping[str, str]) -> FileChanges:
    """Compares the files of a folder with those that were seen last, by their hashes."""
    changed = changes(before, now)
    rows = {file: sources.count_lines(root, file) for file in now}
    return FileChanges(len(changed), changed, before is None, dict(now), rows)


def remember(store: Place, now: Mapping[str, str]) -> None:
    """Take the files as seen: once the change has been told, not before."""
    store.write(STATE, json.dumps(now, indent=1, sort_keys=True).encode())
