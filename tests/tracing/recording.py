"""Records the project's code that runs while a stage works, and finds the parts of code versions that it belongs to."""

from __future__ import annotations

import ast
import sys
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from pipelines.core import statements
from pipelines.core.statements import ROOT

FOLLOWED = ("pipelines.crypto", "pipelines.churn")
FOLDERS = tuple(f"{ROOT}/{package.replace('.', '/')}/" for package in FOLLOWED)
KERNEL = f"{ROOT}/pipelines/core/"
LOADERS = frozenset(each.__wrapped__.__code__ for each in (statements.text, statements.query))


class Executed(NamedTuple):
    """Something that ran.

    Attributes:
        kind: function, class (a method that ``dataclass`` generated for it), module (its import) or sql.
        name: the qualified name; of SQL, the name that it is loaded by.
        file: from the root; of a class, the name of its module.
        line: the first one of the function.
        statement: where an import ran it: file and line of the statement of that module.
        asked: the method that the kernel called meanwhile, as in ``self.result_of(…)``, which asks for a key.
    """

    kind: str
    name: str
    file: str = ""
    line: int = 0
    statement: tuple[str, int] | None = None
    asked: str = ""

    def __str__(self) -> str:
        where = f"{self.file} line {self.line}: " if self.line else f"{self.file} " if self.file else ""
        at = f", in the import of {self.statement[0]} line {self.statement[1]}" if self.statement else ""
        asked = f", in {self.asked} for the kernel" if self.asked else ""
        return f"{where}{self.name} ({self.kind}{at}{asked})"


class Recorder:
    """What ran, by entry: in the main thread, and in threads that were started meanwhile."""

    def __init__(self) -> None:
        self.executed: dict[str, set[Executed]] = defaultdict(set)
        self._entries: list[tuple[str, ...]] = []  # those that are at work; the last one is the innermost
        self._others: set[str] = set()  # files that are not looked at: this is asked millions of times

    @contextmanager
    def recording(self, entry: str, within: bool = False) -> Iterator[None]:
        """Records what runs meanwhile for an entry; ``within`` also for the one that is at work around it."""
        around = self._entries[-1] if self._entries else ()
        self._entries.append((*around, entry) if within else (entry,))
        self.executed[entry] = self.executed[entry]
        _forget_cached()
        before = sys.gettrace(), threading.gettrace()
        sys.settrace(self._called)
        threading.settrace(self._called)
        try:
            yield
        finally:
            sys.settrace(before[0])
            threading.settrace(before[1])  # type: ignore[arg-type] # None is what there was
            self._entries.pop()
            _forget_cached()  # for the entry around it

    def _called(self, frame: FrameType, event: str, argument: object) -> None:  # noqa: ARG002
        """The trace function: it is called with each Python function that begins or goes on."""
        code = frame.f_code
        file = code.co_filename
        if file in self._others or not self._entries:
            return
        if file.startswith(FOLDERS):
            kind = "module" if code.co_name == "<module>" else "function"
            self._add(frame, kind, code.co_qualname, file.removeprefix(f"{ROOT}/"), code.co_firstlineno)
        elif file == statements.__file__:
            if code in LOADERS:
                self._add(frame, "sql", str(frame.f_locals["name"]))
        elif file == "<string>":
            if "self" in frame.f_locals and str(frame.f_globals.get("__name__", "")).startswith(FOLLOWED):
                of = type(frame.f_locals["self"])
                self._add(frame, "class", of.__qualname__, of.__module__)
        else:
            self._others.add(file)

    def _add(self, frame: FrameType, kind: str, name: str, file: str = "", line: int = 0) -> None:
        asked, statement, below, at = "", None, frame, frame.f_back
        while at is not None and at.f_code.co_filename != HERE and statement is None:
            caller = at.f_code.co_filename
            if caller.startswith(KERNEL) and below.f_code.co_filename.startswith(FOLDERS):
                asked = below.f_code.co_name
            if caller.startswith(FOLDERS) and at.f_code.co_name == "<module>":
                statement = caller.removeprefix(f"{ROOT}/"), at.f_lineno
            below, at = at, at.f_back
        found = Executed(kind, name, file, line, statement, asked)
        for entry in self._entries[-1]:
            self.executed[entry].add(found)

    def recorded(self, work: object, entry: str | None = None) -> object:
        """A work function that records itself; with ``entry``, a function that counts for the one around it, too."""

        def working(*arguments: object, **named: object) -> object:
            with self.recording(entry or type(arguments[0]).entry(), within=entry is not None):  # type: ignore[attr-defined]
                return work(*arguments, **named)  # type: ignore[operator]

        return working


HERE = Recorder.recorded.__code__.co_filename


def _forget_cached() -> None:
    """A function that answers from its cache would not be seen."""
    for name, module in [*sys.modules.items()]:
        if name.startswith((*FOLLOWED, statements.__name__)):
            for each in [*vars(module).values()]:
                if hasattr(each, "cache_clear") and each.__module__ == name:  # not the settings, which it imports
                    each.cache_clear()


# Parts ------------------------------------------------------------------------------------------------------------


def parts_of(executed: Executed) -> set[str]:
    """The parts of which a version must have one for this to be covered; empty where there is nothing to cover."""
    match executed.kind:
        case "sql":
            return {f"sql/{executed.name}.sql"}
        case "class":
            return {f"{executed.file}.{executed.name.partition('.')[0]}"}
        case "module":
            return {f"{module_of(executed.file)}.<module>"} if _acts(executed.file) else set()
    return _parts_at(executed.file, executed.line)


def module_of(file: str) -> str:
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def is_required(executed: Executed, parts: Iterable[str]) -> bool:
    """Whether a version must cover it; what an import runs, only if the statement that runs it is a part."""
    return executed.statement is None or not _parts_at(*executed.statement).isdisjoint(parts)


@lru_cache
def _body(file: str) -> list[ast.stmt]:
    return ast.parse((ROOT / Path(file)).read_bytes()).body


def _parts_at(file: str, line: int) -> set[str]:
    """The parts that the code at a line belongs to."""
    module = module_of(file)
    statement = _at(_body(file), line)
    if isinstance(statement, ast.ClassDef):
        inner = _at(statement.body, line)
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
            return {f"{module}.{statement.name}.{inner.name}"}
        names = {f"{module}.{statement.name}.{name}" for name in _bound(inner)}
        return {f"{module}.{statement.name}", *names}
    return {f"{module}.{name}" for name in _bound(statement) or ("<module>",)}


def _at(body: list[ast.stmt], line: int) -> ast.stmt | None:
    """The statement that covers a line, its decorators included."""
    for each in body:
        start = min([each.lineno, *(other.lineno for other in getattr(each, "decorator_list", ()))])
        if start <= line <= (each.end_lineno or each.lineno):
            return each
    return None


def _bound(statement: ast.stmt | None) -> set[str]:
    """The names that a statement binds, and those that definitions within it have."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        return {statement.name}
    names = set()
    for each in ast.walk(statement) if statement else ():
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(each.name)
        elif isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
            names.add(each.id)
    return names


def _acts(file: str) -> bool:
    """Whether a module does something at import: a call that is a statement of its own."""
    return any(isinstance(each, ast.Expr) and isinstance(each.value, ast.Call) for each in _body(file))
