"""Find module-level mutable state: what one run leaves in a module, the next run of the process would read.

``python -m scripts.lint_state [FILE|FOLDER …]`` reads the syntax of `pipelines`, `airflow_dags` and `app`, and prints
each finding with its file, line and name, why it is state, and what to do. The exit code is 1 where there is one.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("pipelines", "airflow_dags", "app")

# What may stay, as file:name, each with its reason. An entry that matches nothing is a finding.
FILES = "a pure function of files that do not change while a process runs"
CLIENT = "the process's one client of an outside system, made of settings that are read once"
VARIABLE = "the library reads this from the environment only"
BY_STREAMLIT = "Streamlit's own cache of a function; a result that is missing is not kept"
ALLOWED: Mapping[str, str] = MappingProxyType(
    {
        "app/reading.py:answers_of._answers_of": BY_STREAMLIT,
        "app/reading.py:artifact._artifact": BY_STREAMLIT,
        "app/showing.py:_importing": "guards Python's own table of imports, which a process has one of",
        "pipelines/churn/drift.py:compare.os.environ": VARIABLE,
        "pipelines/core/results.py:_adapter": "a pure function of a class",
        "pipelines/core/statements.py:query": FILES,
        "pipelines/core/statements.py:text": FILES,
        "pipelines/services/artifacts.py:s3": CLIENT,
        "pipelines/services/console.py:_log": "the process's one log handler",
        "pipelines/services/console.py:terminal": "the process's one terminal",
        "pipelines/services/expectations/patches.py:_found_by.sys.meta_path": "taken back when the import has ended",
        "pipelines/services/embedded.py:start": "the process's one embedded server",
        "pipelines/services/luigi_command.py:adopt.sys": "under the command luigi only, whose process is ours",
        "pipelines/services/migrations/__init__.py:known": FILES,
        "pipelines/services/settings.py:settings": "the process's environment, read once; tests clear it",
        "pipelines/services/spark.py:session.os.environ": VARIABLE,
        "pipelines/services/tracking.py:_own_store": CLIENT,
        "pipelines/services/tracking.py:_quieten": CLIENT,
        "pipelines/services/tracking.py:_quieten.os.environ": VARIABLE,
        "pipelines/services/tracking.py:client": CLIENT,
    }
)

CONSTRUCTORS = frozenset(
    {"list", "dict", "set", "bytearray", "defaultdict", "deque", "Counter", "OrderedDict", "ChainMap", "ContextVar"}
    | {"WeakKeyDictionary", "WeakValueDictionary", "WeakSet", "Lock", "RLock", "Event", "Condition", "Semaphore"}
    | {"BoundedSemaphore", "Barrier", "Thread", "Queue", "LifoQueue", "PriorityQueue", "SimpleQueue"}
)
STATEFUL_MODULES = frozenset({"threading", "queue", "weakref", "multiprocessing", "contextvars"})
FROZEN = frozenset({"tuple", "frozenset", "MappingProxyType"})
READ_ONLY = frozenset({"Mapping", "Sequence", "Collection", "AbstractSet", "Set", "Iterable", "Container"})
WRITABLE = frozenset(
    {"list", "dict", "set", "bytearray", "List", "Dict", "DefaultDict", "defaultdict", "deque", "Counter"}
    | {"MutableMapping", "MutableSequence", "MutableSet", "Any", "object"}
)
MUTATORS = frozenset(
    {"append", "appendleft", "extend", "insert", "add", "update", "setdefault", "pop", "popitem", "popleft", "clear"}
    | {"remove", "discard", "sort", "reverse", "difference_update", "intersection_update"}
)
PER_VISITOR = frozenset({"session_state"})  # of Streamlit: each visitor has one
CACHES = frozenset({"lru_cache", "cache"})
NOT_DATA = frozenset({"__all__", "__slots__", "__match_args__", "model_config"})
IMMUTABLE_BASES = frozenset({"NamedTuple", "Enum", "IntEnum", "StrEnum", "Flag", "IntFlag", "Protocol", "TypedDict"})

MAKING = frozenset({"__init__", "__new__", "__post_init__"})

FREEZE = "Make it a tuple, a frozenset or a MappingProxyType, or annotate it as a Mapping or Sequence of such values."
PASS = "Keep it in an object that the run makes and passes on."
NO_CACHE = (
    "Cache pure functions only: list it in ALLOWED of scripts/lint_state.py with the reason, or pass the value on."
)
CALLER = "Pass the value as an argument, or restore it in a context manager and list it in ALLOWED with the reason."


@dataclass(frozen=True, order=True)
class Finding:
    """One piece of state, and how to be rid of it."""

    file: str
    line: int
    name: str
    why: str
    fix: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.name} {self.why}. {self.fix}"


@dataclass
class Scope:
    """The names that a module or a function binds: local ones, imported modules and imported objects."""

    name: str
    is_function: bool
    bound: set[str] = field(default_factory=set)
    modules: set[str] = field(default_factory=set)
    objects: set[str] = field(default_factory=set)


def findings_of(source: str, file: str) -> list[Finding]:
    """The findings in one module's source, by line; ``file`` is its name in them."""
    tree = ast.parse(source, file)
    checker = Checker(file, tree)
    checker.visit(tree)
    return sorted(checker.found)


class Checker(ast.NodeVisitor):
    """Walks one module; what is inside a function is checked for what it does to names outside of it."""

    def __init__(self, file: str, tree: ast.Module) -> None:
        self.file = file
        self.found: set[Finding] = set()
        self.path: list[str] = []  # of classes and functions around the node
        self.scopes = [_scope("", tree.body, is_function=False)]
        self.writable_classes = {*_writable_classes(tree), *_imported_writable_classes(tree)}

    @property
    def in_function(self) -> bool:
        return self.scopes[-1].is_function

    def report(self, node: ast.stmt | ast.expr, name: str, why: str, fix: str) -> None:
        qualified = ".".join([*self.path, name]) if name else ".".join(self.path)
        self.found.add(Finding(self.file, node.lineno, qualified, why, fix))

    # What a module or a class holds -------------------------------------------------------------------------------

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._check_value(target, node.value, None)
            self._check_target(node, target)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._check_value(node.target, node.value, node.annotation)
            self._check_target(node, node.target)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._check_target(node, node.target)
        self.generic_visit(node)

    def visit_Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            self._check_target(node, target)
        self.generic_visit(node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self._check_value(node.target, node.value, None)
        self.generic_visit(node)

    def _check_value(self, target: ast.expr, value: ast.expr, annotation: ast.expr | None) -> None:
        if self.in_function:
            return
        if isinstance(target, ast.Tuple | ast.List) and isinstance(value, ast.Tuple | ast.List):
            for each, its_value in zip(target.elts, value.elts, strict=False):
                self._check_value(each, its_value, None)
            return
        if not isinstance(target, ast.Name) or target.id in NOT_DATA:
            return
        if annotation is not None and _is_read_only(annotation) and not _holds_state(value):
            return
        if why := _why_mutable(value):
            self.report(target, target.id, why, PASS if _holds_state(value) else FREEZE)
        elif isinstance(value, ast.Call) and _last(value.func) in self.writable_classes:
            self.report(target, target.id, f"is an instance of {_last(value.func)}, which can be changed", PASS)

    # What a function does -----------------------------------------------------------------------------------------

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for decorator in node.decorator_list:
            self.visit(decorator)
            called = decorator.func if isinstance(decorator, ast.Call) else decorator
            if _last(called) in CACHES:
                self.report(node, node.name, "keeps its results for the life of the process", NO_CACHE)
        self._check_defaults(node, node.name)
        self._inside(node, node.body)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._check_defaults(node, "lambda")
        self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.path.append(node.name)
        self.generic_visit(node)
        self.path.pop()

    def visit_Global(self, node: ast.Global) -> None:
        for name in node.names:
            self.report(node, name, "is a global that this function assigns", PASS)

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func
        if isinstance(function, ast.Attribute) and function.attr in MUTATORS:
            self._check_change(node, function.value, f"is changed by .{function.attr}()", by_method=True)
        elif isinstance(function, ast.Name) and function.id in ("setattr", "delattr") and node.args:
            self._check_change(node, node.args[0], f"is changed by {function.id}()")
        self.generic_visit(node)

    def _check_defaults(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, name: str) -> None:
        for default in (*node.args.defaults, *filter(None, node.args.kw_defaults)):
            if why := _why_mutable(default):
                self.report(default, name, f"has a default that {why}", "Make the default None or a tuple.")

    def _inside(self, node: ast.FunctionDef | ast.AsyncFunctionDef, body: Sequence[ast.stmt]) -> None:
        scope = _scope(node.name, body, is_function=True)
        given = node.args
        names = (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg)
        scope.bound |= {each.arg for each in names if each}
        self.path.append(node.name)
        self.scopes.append(scope)
        for statement in body:
            self.visit(statement)
        self.scopes.pop()
        self.path.pop()

    def _check_target(self, statement: ast.stmt, target: ast.expr) -> None:
        if isinstance(target, ast.Tuple | ast.List):
            for each in target.elts:
                self._check_target(statement, each)
        elif isinstance(target, ast.Attribute):
            self._check_change(statement, target.value, f"gets a new value of .{target.attr}")
        elif isinstance(target, ast.Subscript):
            self._check_change(statement, target.value, "gets a new item")
        elif isinstance(target, ast.Name) and isinstance(statement, ast.AugAssign) and not self.in_function:
            self.report(statement, target.id, "is assigned twice while the module is imported", FREEZE)

    def _check_change(self, node: ast.stmt | ast.expr, changed: ast.expr, how: str, *, by_method: bool = False) -> None:
        """Report a change of something that outlives the function; of what a class shares, too."""
        root, depth = _root(changed)
        text = ast.unparse(changed)
        if _last(changed) in PER_VISITOR:
            return
        if root is None:
            if _is_own_class(changed):
                self.report(node, text, f"{how}: all instances share it", PASS)
            return
        if root == "cls" and self.in_function and self.path[-1] not in ("__init_subclass__", "__new__"):
            self.report(node, text, f"{how}: all instances share it", PASS)
            return
        for scope in reversed(self.scopes):
            if root in scope.modules:
                if not by_method or depth:  # a module's own function may be called `add`
                    self.report(node, text, f"{how}: the whole process shares the module", CALLER)
                return
            if root in scope.objects:
                self.report(node, text, f"{how}: whoever imports it shares it", CALLER)
                return
            if root in scope.bound:
                if not scope.is_function and self.in_function:
                    self.report(node, text, f"{how} inside a function", PASS)
                elif not scope.is_function and not by_method and depth == 0 and isinstance(changed, ast.Name):
                    self.report(node, text, f"{how} while the module is imported", FREEZE)
                return


# Syntax -----------------------------------------------------------------------------------------------------------


def _scope(name: str, body: Iterable[ast.stmt], *, is_function: bool) -> Scope:
    """What these statements bind, without the functions and classes inside."""
    scope = Scope(name, is_function)
    for node in _same_scope(body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            scope.bound.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            scope.bound.add(node.id)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            scope.bound.add(node.name)
        elif isinstance(node, ast.Import):
            scope.modules |= {each.asname or each.name.split(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            for each in node.names:
                is_module = _is_module(node.module, each.name)
                (scope.modules if is_module else scope.objects).add(each.asname or each.name)
    return scope


def _same_scope(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    for node in nodes:
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            yield from _same_scope(ast.iter_child_nodes(node))


def _is_module(package: str | None, name: str) -> bool:
    """Whether ``from package import name`` gives a module; of other people's packages a name in lower case does."""
    folder = ROOT.joinpath(*(package or "").split("."))
    if folder.exists() or folder.with_suffix(".py").exists():
        return (folder / name).is_dir() or (folder / f"{name}.py").exists()
    return name.islower()


def _last(node: ast.expr) -> str:
    """The last name of ``a.b.c``, without subscripts and calls."""
    if isinstance(node, ast.Call):
        return _last(node.func)
    if isinstance(node, ast.Subscript):
        return _last(node.value)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _root(node: ast.expr) -> tuple[str | None, int]:
    """The first name of ``a.b[c].d`` and how many steps follow; None where it begins with something else."""
    depth = 0
    while isinstance(node, ast.Attribute | ast.Subscript):
        if _is_own_class(node):
            return None, depth
        node, depth = node.value, depth + 1
    return (node.id, depth) if isinstance(node, ast.Name) else (None, depth)


def _is_own_class(node: ast.expr) -> bool:
    """Whether it is ``type(self)`` or ``self.__class__``, or something of it."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        if isinstance(node, ast.Attribute) and node.attr == "__class__":
            return True
        node = node.value
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "type"


def _why_mutable(value: ast.expr) -> str:
    """Why a value can be changed; empty where it cannot, or where only its class could tell."""
    match value:
        case ast.List() | ast.ListComp():
            return "is a list"
        case ast.Dict() | ast.DictComp():
            return "is a dict"
        case ast.Set() | ast.SetComp():
            return "is a set"
        case ast.GeneratorExp():
            return "is a generator, empty after its first use"
        case ast.Tuple(elts=values):
            return next((f"holds something that {why}" for each in values if (why := _why_mutable(each))), "")
        case ast.Starred(value=inner) | ast.NamedExpr(value=inner):
            return _why_mutable(inner)
        case ast.BinOp(left=left, right=right):
            return _why_mutable(left) or _why_mutable(right)
        case ast.IfExp(body=left, orelse=right):
            return _why_mutable(left) or _why_mutable(right)
        case ast.BoolOp(values=values):
            return next(filter(None, map(_why_mutable, values)), "")
        case ast.Call(func=function, args=arguments):
            return _why_call_mutable(function, arguments)
    return ""


def _why_call_mutable(function: ast.expr, arguments: Sequence[ast.expr]) -> str:
    name = _last(function)
    if name in FROZEN:
        return next(filter(None, (_why_mutable_inside(each) for each in arguments)), "")
    if name in CACHES:
        return "keeps its results for the life of the process"
    root, depth = _root(function)
    if name in CONSTRUCTORS or (root in STATEFUL_MODULES and depth):
        return f"is a {name}"
    if name in ("fromkeys", "copy") and root in ("dict", "copy"):
        return "is a dict"
    return ""


def _why_mutable_inside(value: ast.expr) -> str:
    """Like ``_why_mutable`` of the values that a frozen copy of it would hold."""
    match value:
        case ast.List(elts=values) | ast.Set(elts=values) | ast.Tuple(elts=values) | ast.Dict(values=values):
            why = next(filter(None, map(_why_mutable, values)), "")
        case ast.ListComp(elt=inner) | ast.SetComp(elt=inner) | ast.GeneratorExp(elt=inner) | ast.DictComp(value=inner):
            why = _why_mutable(inner)
        case ast.BinOp(left=left, right=right):
            return _why_mutable_inside(left) or _why_mutable_inside(right)
        case _:
            return ""
    return f"holds something that {why}" if why else ""


def _holds_state(value: ast.expr) -> bool:
    """Whether it is a lock, a queue, a cache or the like, which no annotation makes harmless."""
    if not isinstance(value, ast.Call):
        return False
    name, (root, depth) = _last(value), _root(value.func)
    return name in CACHES or (root in STATEFUL_MODULES and depth > 0) or name in CONSTRUCTORS - {"list", "dict", "set"}


def _is_read_only(annotation: ast.expr) -> bool:
    """Whether mypy refuses each change of a value of this type: it names read-only collections, and no other."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        annotation = ast.parse(annotation.value, mode="eval").body
    names = {_last(each) for each in ast.walk(annotation) if isinstance(each, ast.Name | ast.Attribute)}
    return bool(names & READ_ONLY) and not names & WRITABLE


def _writable_classes(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not _is_immutable(node):
            yield node.name


def _imported_writable_classes(tree: ast.Module) -> Iterator[str]:
    """Those of the classes that it imports from our own modules, by the names that they have in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            place = ROOT.joinpath(*node.module.split("."))
            files = [each for each in (place.with_suffix(".py"), place / "__init__.py") if each.exists()]
            for file in files:
                writable = {*_writable_classes(ast.parse(file.read_text(encoding="utf-8")))}
                yield from (each.asname or each.name for each in node.names if each.name in writable)


def _is_immutable(node: ast.ClassDef) -> bool:
    """Whether it is a frozen dataclass, a tuple, an enumeration, or a class whose methods do not change an instance."""
    if {_last(base) for base in node.bases} & IMMUTABLE_BASES:
        return True
    for decorator in node.decorator_list:
        if _last(decorator) == "dataclass":
            options = decorator.keywords if isinstance(decorator, ast.Call) else []
            return any(
                each.arg == "frozen" and isinstance(each.value, ast.Constant) and each.value.value is True
                for each in options
            )
    methods = [each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    return not any(map(_changes_self, (each for each in methods if each.name not in MAKING)))


def _changes_self(method: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether it sets ``self.name`` or an item of it, or calls a method like ``self.names.append``."""
    for node in ast.walk(method):
        if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            changed = node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
            changed = node.func.value
        else:
            continue
        if _root(changed)[0] == "self":
            return True
    return False


# Command ----------------------------------------------------------------------------------------------------------


def without_allowed(found: Iterable[Finding], allowed: Mapping[str, str]) -> Iterator[Finding]:
    """The findings that are not allowed, and the entries of ``allowed`` that match none."""
    left = dict.fromkeys(allowed)
    for finding in found:
        key = f"{finding.file}:{finding.name}"
        if key in allowed:
            left.pop(key, None)
        else:
            yield finding
    for key in left:
        file, _, name = key.partition(":")
        yield Finding(file, 1, name, "is allowed, but there is no such finding", "Remove it from ALLOWED.")


def main(arguments: Sequence[str]) -> int:
    """Print the findings in these files and folders; in all of ours where none is named."""
    places = [Path(each) for each in arguments] or [ROOT / each for each in FOLDERS]
    files = [file for place in places for file in (sorted(place.rglob("*.py")) if place.is_dir() else [place])]
    named = {file: file.resolve().relative_to(ROOT).as_posix() for file in files}
    found = [each for file in files for each in findings_of(file.read_text(encoding="utf-8"), named[file])]
    allowed = {key: why for key, why in ALLOWED.items() if key.partition(":")[0] in named.values() or not arguments}
    left = sorted(without_allowed(found, allowed))
    for finding in left:
        sys.stdout.write(f"{finding}\n")
    if left:
        sys.stdout.write(f"{len(left)} pieces of module-level state.\n")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
