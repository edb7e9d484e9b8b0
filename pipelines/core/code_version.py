"""Computes code versions: which functions, classes, constants and SQL files a stage executes, as one hash.

From an entry, ``pipelines.crypto.tasks.MergeToProd.work``, the project's own definitions are followed in the syntax
trees of their modules: nothing is imported or run. Where a name may mean several definitions, all of them are taken
in: a version may change too often, never too seldom.
"""

from __future__ import annotations

import ast
import builtins
import fnmatch
import hashlib
import json
import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

from pipelines.core.python_source import (
    Chain,
    Class,
    Function,
    Module,
    Origin,
    Reader,
    Scan,
    Scope,
    Use,
    chain_of,
    parameters,
    targets,
)  # fmt: skip
from pipelines.core.statements import tokens

FOLLOWED = ("pipelines",)
EXCLUDED = ("pipelines.core", "pipelines.services")
PEOPLE = tuple(f"pipelines.services.console.{name}" for name in ("note", "result", "error", "table", "grid"))
# Functions that load SQL by name: the position and the name of that argument.
LOADERS: Mapping[str, tuple[int, str]] = {
    "pipelines.core.statements.query": (0, "name"),
    "pipelines.core.statements.text": (0, "name"),
    "pipelines.services.warehouse.one": (1, "name"),
}
PLACEHOLDER = r"%\(\w+\)s|%\w|\{[^{}]*\}"  # what a text to be formatted leaves open
BUILTINS = frozenset(dir(builtins))
MODULE_NAMES = frozenset({
    "__annotations__", "__builtins__", "__class__", "__doc__", "__file__", "__loader__", "__name__", "__package__",
    "__path__", "__spec__",
})  # fmt: skip
# Bases whose code calls no method of a subclass by a name of the subclass's own.
PASSIVE_BASES = frozenset({"ABC", "Protocol", "Generic", "NamedTuple", "TypedDict", "Enum", "IntEnum", "StrEnum"})
CACHE_FORMAT = 1
MOST_RECORDS = 32


class Unresolved(NamedTuple):
    """A name that cannot be followed."""

    file: str
    line: int
    name: str
    why: str

    def __str__(self) -> str:
        return f"{self.file} line {self.line}: {self.name}: {self.why}"


@dataclass(frozen=True)
class CodeVersion:
    """The parts that a stage executes, each with its hash, and the hash of all.

    Attributes:
        parts: by name: ``pipelines.crypto.merge.merge``, ``sql/crypto/upsert.sql`` (16 hex digits), or
            ``pipelines.services.expectations.VERSION`` (its value).
    """

    parts: Mapping[str, str]
    digest: str

    @classmethod
    def of(cls, parts: Mapping[str, str]) -> CodeVersion:
        ordered = dict(sorted(parts.items()))
        return cls(ordered, short_hash(json.dumps(ordered)))


class Changes(NamedTuple):
    """The names of parts that differ between two versions."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]


class Target(NamedTuple):
    """What a dotted name means; ``rest`` are the attributes after it.

    ``kind`` is unit (a function or constant), class, member (of a class), module, excluded, external or missing.
    """

    kind: str
    what: Any  # a Module, a Class, or the dotted name of something outside
    name: str = ""
    rest: Chain = ()


class Unit(NamedTuple):
    """A definition that was read: its hash, and the meaning of each name that it uses."""

    digest: str
    scan: Scan
    resolved: tuple[tuple[Use, tuple[Target, ...]], ...]


class Passed(NamedTuple):
    """A function that passes a parameter on to a loader of SQL: whom callers call, and where it is."""

    callees: tuple[tuple[str, str], ...]
    module: Module
    line: int
    name: str


def short_hash(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


class Code:
    """The sources of a project, read as far as versions need them. What was read is not read again.

    Args:
        root: the folder of the packages and of the SQL folder.
        followed: packages whose definitions are followed.
        excluded: packages within those that are not; of a module among them that defines ``VERSION`` its value counts.
        sql: the folder of the SQL files.
        people: prefixes of functions that talk to people: the texts of their arguments do not count.
        loaders: functions that load SQL by name, with position and name of that argument.
    """

    def __init__(
        self, root: Path, followed: Sequence[str] = FOLLOWED, excluded: Sequence[str] = EXCLUDED, sql: str = "sql",
        people: Sequence[str] = PEOPLE, loaders: Mapping[str, tuple[int, str]] = LOADERS,
    ) -> None:  # fmt: skip
        self.root, self.followed, self.excluded, self.sql = root, tuple(followed), tuple(excluded), sql
        self.people, self.loaders = tuple(people), dict(loaders)
        self.contents: dict[str, str] = {}  # hash of each file that was read, by its path from the root
        self._contents: dict[str, bytes] = {}
        self._modules: dict[str, Module | None] = {}
        self._found: dict[tuple[str, Chain], tuple[Target, ...]] = {}
        self._pending: set[tuple[str, Chain]] = set()
        self._in_circle = False
        self._units: dict[tuple[Any, ...], Unit] = {}
        self._mro: dict[Class, tuple[Class | str, ...]] = {}
        self._closures: dict[str, _Closure] = {}
        self._sql_hashes: dict[str, str] = {}
        self._constants: dict[str, str | None] = {}

    def version_of(self, entry: str) -> CodeVersion:
        """The version of a function or method: ``pipelines.crypto.tasks.MergeToProd.work``; it may be inherited.

        Raises:
            LookupError: there is no such module or class.
        """
        return CodeVersion.of(self._closure(entry).parts())

    def problems(self, entries: Iterable[str]) -> list[Unresolved]:
        """What cannot be followed from these entries; each makes their versions cover more than they need."""
        return sorted({problem for entry in entries for problem in self._closure(entry).problems})

    @staticmethod
    def changes(old: Mapping[str, str], new: Mapping[str, str]) -> Changes:
        """The names of the parts that were added, removed and changed."""
        return Changes(
            tuple(sorted(new.keys() - old.keys())), tuple(sorted(old.keys() - new.keys())),
            tuple(sorted(name for name in old.keys() & new.keys() if old[name] != new[name])),
        )  # fmt: skip

    def _closure(self, entry: str) -> _Closure:
        if entry not in self._closures:
            self._closures[entry] = _Closure(self, entry)
        return self._closures[entry]

    # Files ---------------------------------------------------------------------------------------------------------

    @cached_property
    def files(self) -> dict[str, str]:
        """The Python files of the followed packages by module name."""
        found = {}
        for package in self.followed:
            at = package.replace(".", "/")
            if (self.root / f"{at}.py").is_file():
                found[package] = f"{at}.py"
            for path in self._tree(at, ".py"):
                found[path[:-3].removesuffix("/__init__").replace("/", ".")] = path
        return found

    @cached_property
    def sql_files(self) -> dict[str, str]:
        """The SQL files by the name that they are loaded by."""
        return {path[len(self.sql) + 1 : -4]: path for path in self._tree(self.sql, ".sql")}

    @cached_property
    def sql_basenames(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for name in self.sql_files:
            found[name.rpartition("/")[2]].append(name)
        return found

    @cached_property
    def listing(self) -> str:
        """Hash of the names of all files that a version may depend on."""
        return short_hash(json.dumps([sorted(self.files.values()), sorted(self.sql_files)]))

    def _tree(self, folder: str, suffix: str) -> Iterator[str]:
        try:
            entries = sorted(os.scandir(self.root / folder), key=lambda entry: entry.name)
        except OSError:
            return
        for entry in entries:
            if entry.name.endswith(suffix):
                yield f"{folder}/{entry.name}"
            elif "." not in entry.name and entry.name != "__pycache__" and entry.is_dir():
                yield from self._tree(f"{folder}/{entry.name}", suffix)

    def read(self, file: str) -> bytes:
        if file not in self._contents:
            self._contents[file] = content = (self.root / file).read_bytes()
            self.contents[file] = content_hash(content)
        return self._contents[file]

    def sql_hash(self, name: str) -> str:
        if name not in self._sql_hashes:
            text = self.read(self.sql_files[name]).decode("utf-8", "replace")
            self._sql_hashes[name] = short_hash("\0".join(tokens(text)))
        return self._sql_hashes[name]

    def module(self, name: str) -> Module | None:
        """A module or package; None if there is none. A folder without ``__init__.py`` is an empty package."""
        if name not in self._modules:
            file = self.files.get(name)
            is_folder = file is None and any(each.startswith(f"{name}.") for each in self.files)
            empty = Module(name, f"{name.replace('.', '/')}/__init__.py", b"") if is_folder else None
            self._modules[name] = Module(name, file, self.read(file)) if file else empty
        return self._modules[name]

    def is_followed(self, dotted: str) -> bool:
        return _within(dotted, self.followed) and not _within(dotted, self.excluded)

    def version_constant(self, name: str) -> str | None:
        """The value of ``VERSION`` in a module that is not followed; None where it has none."""
        if name not in self._constants:
            self._constants[name] = None
            file = self.files.get(name)
            if file and re.search(rb"^VERSION\b", self.read(file), re.MULTILINE):
                module = self.module(name)
                assert module is not None
                values = [getattr(each, "value", None) for each in module.bindings.get("VERSION", ())]
                self._constants[name] = ", ".join(_literal(value) for value in values if value is not None)
        return self._constants[name]

    # Names ---------------------------------------------------------------------------------------------------------

    def lookup(self, module: Module, chain: Chain) -> tuple[Target, ...]:
        """What a dotted name means in a module."""
        key = (module.name, chain)
        if key in self._found:
            return self._found[key]
        if key in self._pending:  # modules that import each other
            self._in_circle = True
            return ()
        self._pending.add(key)
        found = tuple(self._follow(self._bound(module, chain[0]), chain[1:]))
        self._pending.remove(key)
        if not self._pending or not self._in_circle:  # what was found halfway round a circle may lack something
            self._found[key] = found
        self._in_circle &= bool(self._pending)
        return found

    def imported(self, origin: Origin, rest: Chain) -> tuple[Target, ...]:
        """What an imported name means, with the attributes after it."""
        return tuple(self._follow(self._origin(origin), rest))

    def _bound(self, module: Module, name: str) -> list[Target]:
        found = []
        if name in module.classes:
            found.append(Target("class", module.classes[name]))
        if name in module.bindings:
            found.append(Target("unit", module, name))
        for origin in module.imports.get(name, ()):
            found += self._origin(origin)
        if found:
            return found
        if name in MODULE_NAMES:
            return [Target("external", name)]
        for star in module.stars:
            if not self.is_followed(star):
                if _within(star, self.followed):
                    found.append(Target("excluded", f"{star}.{name}"))
                elif name not in BUILTINS:
                    found.append(Target("external", f"{star}.{name}"))
            elif (other := self.module(star)) is not None:
                found += self.lookup(other, (name,))
        found = [each for each in found if each.kind != "missing"]
        if found:
            return found
        if f"{module.name}.{name}" in self.files and module.is_package:
            return self._origin(Origin(f"{module.name}.{name}", None))
        if "__getattr__" in module.bindings:
            return [Target("unit", module, "__getattr__")]
        if name in BUILTINS:
            return [Target("external", f"builtins.{name}")]
        if re.search(rf"\bglobal\b[^\n]*\b{re.escape(name)}\b", module.source.decode("utf-8", "replace")):
            return [Target("external", f"{module.name}.{name}")]
        return [Target("missing", f"{module.name}.{name}")]

    def _origin(self, origin: Origin) -> list[Target]:
        dotted = f"{origin.module}.{origin.name}" if origin.name else origin.module
        if not _within(origin.module, self.followed):
            return [Target("external", dotted)]
        if _within(dotted, self.excluded):
            return [Target("excluded", dotted)]
        module = self.module(origin.module)
        if module is None:
            return [Target("missing", origin.module)]
        if origin.name is None:
            return [Target("module", module)]
        return self._attribute(module, origin.name)

    def _attribute(self, module: Module, name: str) -> list[Target]:
        """What an attribute of a module is: a name that it binds, or a module in the package."""
        if name.startswith("__") and name != "__getattr__" and name not in module.bindings:
            return [Target("external", name)] if name in ("__name__", "__doc__") else [Target("module", module, "*")]
        dotted = f"{module.name}.{name}"
        inner = [Target("excluded", dotted)] if _within(dotted, self.excluded) else []
        if not inner and name != "*" and self.module(dotted) is not None:
            inner = self._origin(Origin(dotted, None))
        if name in module.classes or name in module.bindings or name in module.imports:
            return [*self.lookup(module, (name,)), *inner]
        found = inner or list(self.lookup(module, (name,)))
        return [Target("missing", dotted) if each.what == f"builtins.{name}" else each for each in found]

    def _follow(self, found: Iterable[Target], rest: Chain) -> Iterator[Target]:
        for target in found:
            rest_of = (*target.rest, *rest)
            if not rest_of:
                yield target
            elif target.kind == "module":
                if rest_of[0] == "*" or target.name == "*":
                    yield Target("module", target.what, "*")
                else:
                    yield from self._follow(self._attribute(target.what, rest_of[0]), rest_of[1:])
            elif target.kind == "class":
                yield from self._of_class(target.what, rest_of)
            elif target.kind in ("excluded", "external", "missing"):
                yield target._replace(what=".".join((target.what, *rest_of)), rest=())
            else:
                yield target._replace(rest=rest_of)

    def _of_class(self, of: Class, rest: Chain) -> Iterator[Target]:
        if rest[0] == "*":
            yield Target("class", of, "*")
            return
        for each in self.mro(of):
            if isinstance(each, Class) and each.has(rest[0]):
                yield Target("class", of)
                yield Target("member", each, rest[0], rest[1:])
                return
        yield Target("class", of, "", rest)

    # Classes -------------------------------------------------------------------------------------------------------

    def is_ours(self, of: Class) -> bool:
        return self.is_followed(of.module.name)

    def bases(self, of: Class) -> list[Class | str]:
        """The bases of a class; a name for those that come from outside."""
        found: list[Class | str] = []
        for base in of.node.bases:
            while isinstance(base, ast.Subscript):
                base = base.value
            chain = chain_of(base)
            if chain is None:
                found.append("?")
                continue
            for target in self.lookup(of.module, chain):
                if target.kind == "class":
                    found.append(target.what)
                elif target.kind == "excluded":
                    found.append(self._outside(target.what))
                elif target.kind == "external":
                    found.append(target.what)
                else:
                    found.append("?")
        return found

    def _outside(self, dotted: str) -> Class | str:
        """A class of an excluded module: its bases decide what kind of class a subclass is."""
        name, _, attribute = dotted.rpartition(".")
        module = self.module(name) if name in self.files else None
        if module is None:
            return dotted
        if attribute in module.classes:
            return module.classes[attribute]
        for origin in module.imports.get(attribute, ()):
            target = f"{origin.module}.{origin.name}"
            return self._outside(target) if _within(target, self.followed) and target != dotted else target
        return dotted

    def mro(self, of: Class) -> tuple[Class | str, ...]:
        """The classes in which an attribute is looked for, in order."""
        if of not in self._mro:
            self._mro[of] = (of,)  # of classes that inherit in a circle
            bases = self.bases(of)
            lines: list[list[Class | str]] = [
                list(self.mro(base)) if isinstance(base, Class) else [base] for base in bases
            ]
            self._mro[of] = (of, *_merge([*lines, list(bases)]))
        return self._mro[of]

    def is_exception(self, of: Class) -> bool:
        return any(isinstance(each, str) and _is_exception(each) for each in self.mro(of))

    def _is_error(self, module: Module, chain: Chain, origin: Origin | None) -> bool:
        found = self.lookup(module, chain) if origin is None else self.imported(origin, chain[1:])
        for target in found:
            of: Any = target.what
            if target.kind == "excluded":
                of = self._outside(of) if self._has_bases(of) else None
            if isinstance(of, Class) and target.kind != "member" and not target.rest and self.is_exception(of):
                return True
            if target.kind == "external" and _is_exception(of):
                return True
        return False

    def _has_bases(self, dotted: str) -> bool:
        """Whether something outside is a class with bases, by the text of its module: most are not worth a parse."""
        module, _, name = dotted.rpartition(".")
        text = self.read(self.files[module]) if module in self.files else b""
        return re.search(rb"^class %s\(" % re.escape(name.encode()), text, re.MULTILINE) is not None

    def is_called_from_outside(self, of: Class) -> bool:
        """Whether a base that is not followed may call methods of the class by name."""
        return any(
            not self.is_ours(each) if isinstance(each, Class)
            else not each.startswith("builtins.") and each.rpartition(".")[2] not in PASSIVE_BASES
            for each in self.mro(of)
        )  # fmt: skip

    # Definitions ---------------------------------------------------------------------------------------------------

    def unit(self, key: tuple[Any, ...]) -> Unit:
        """Read a definition. ``key`` is (kind, module, name) or (kind, class, name); see ``_nodes``."""
        if key not in self._units:
            kind, of, name = key
            module, owner = (of.module, of) if isinstance(of, Class) else (of, None)
            reader = Reader(module, self.people, partial(self._is_error, module), None if kind == "header" else owner)
            if kind == "header":
                scan = reader.read_header(of.node)
            elif kind == "class":
                scan = reader.read_class(of.node, of.statements)
            elif kind == "function":
                scan = reader.read(of.functions[name], is_method=True)
            elif kind == "attribute":
                scan = reader.read(of.attributes[name])
            elif kind == "effects":
                scan = reader.read(module.effects)
            else:
                scan = reader.read(module.bindings[name])
            self._units[key] = self._resolved(module, scan)
        return self._units[key]

    def _resolved(self, module: Module, scan: Scan) -> Unit:
        resolved = []
        meanings = set()
        for use in scan.uses:
            inner = use.origin
            found = self.lookup(module, use.chain) if inner is None else self.imported(inner, use.chain[1:])
            resolved.append((use, found))
            if use.origin is not None or use.chain[0] in module.imports or use.chain[0] not in module.bindings:
                meanings.add(f"{'.'.join(use.chain)}={','.join(map(_meaning, found))}")
        return Unit(short_hash("\0".join((scan.form, *sorted(meanings)))), scan, tuple(resolved))


def _is_exception(dotted: str) -> bool:
    known = getattr(builtins, dotted.removeprefix("builtins."), None)
    return isinstance(known, type) and issubclass(known, BaseException)


def _meaning(target: Target) -> str:
    if isinstance(target.what, Class):
        return f"{target.what.qualified}.{target.name}"
    return f"{target.what.name}.{target.name}" if isinstance(target.what, Module) else str(target.what)


def _within(dotted: str, packages: Iterable[str]) -> bool:
    return any(dotted == package or dotted.startswith(f"{package}.") for package in packages)


def _literal(value: ast.expr) -> str:
    try:
        return str(ast.literal_eval(value))
    except ValueError:
        return ast.unparse(value)


def _merge(lines: list[list[Class | str]]) -> list[Class | str]:
    """C3 linearization; where there is none, the classes in the order in which they are named."""
    merged: list[Class | str] = []
    lines = [line for line in lines if line]
    while lines:
        heads = [line[0] for line in lines]
        good = next((head for head in heads if not any(head in line[1:] for line in lines)), heads[0])
        merged.append(good)
        lines = [rest for line in lines if (rest := [each for each in line if each != good])]
    return merged


class _Closure:
    """All that an entry executes. Grows until nothing new is found."""

    def __init__(self, code: Code, entry: str) -> None:
        self.code = code
        self.constants: dict[str, str] = {}  # values of VERSION
        self.sql: set[str] = set()
        self.problems: set[Unresolved] = set()
        self.concrete: Class | None = None  # the stage's class
        self.kin: set[Class | str] = set()  # its bases that are not followed
        self.flow = ""
        self.queue: list[tuple[tuple[Any, ...], Class | None]] = []
        self.seen: set[tuple[tuple[Any, ...], Class | None]] = set()
        self.modules: set[Module] = set()
        self.importers: set[Module] = set()  # of those, the modules whose imports were followed
        self.whole: set[Module] = set()
        self.reachable: set[Class] = set()
        self.touched: set[Class] = set()
        self.full: set[Class] = set()  # of those, the classes whose attributes are all taken in
        self.attributes: set[str] = set()  # asked of objects whose class is not known
        self.virtual: dict[str, set[Class]] = defaultdict(set)  # asked of self where the class may be a subclass
        self.supers: set[tuple[Class, str]] = set()  # asked of super() there
        self.subclassed: set[Class] = set()  # asked for their subclasses
        self.calls: dict[tuple[str, str], list[tuple[Module, Class | None, Use, int]]] = defaultdict(list)
        self.loaders: dict[tuple[str, str], tuple[int, str]] = {}
        self.passed: list[Passed] = []
        self._begin(entry)
        while self.queue:
            self._process(*self.queue.pop())
        for passed in self.passed:
            if not any(self.calls[callee] for callee in passed.callees):
                self._unbounded(passed.module, passed.line, passed.name, "may name any SQL file: no caller is seen")

    def _begin(self, entry: str) -> None:
        code = self.code
        owner, _, name = entry.rpartition(".")
        module_name, _, class_name = owner.rpartition(".")
        if owner in code.files and (module := code.module(owner)) is not None and name in module.bindings:
            self.flow = owner
            self._take(module, name)
            return
        module = code.module(module_name)
        found = code.lookup(module, (class_name,)) if module is not None else ()
        concrete = next((each.what for each in found if each.kind == "class"), None)
        if concrete is None:
            raise LookupError(f"{entry}: there is no such function, and no class {class_name} in {module_name}.")
        module = concrete.module
        self.flow = module_name
        self.concrete = concrete
        mro = code.mro(concrete)
        self.kin = {each for each in mro if isinstance(each, Class) and not code.is_ours(each)}
        for each in mro:
            if isinstance(each, Class) and code.is_ours(each):
                self._touch(each)
                self._take_dunders(each, concrete)
        if not self._take_own(concrete, name):
            self._problem(module, concrete.node.lineno, name, f"{class_name} has no such method in a followed package")
            for each in mro:
                if isinstance(each, Class) and code.is_ours(each):
                    self._take_all(each, concrete)

    def parts(self) -> dict[str, str]:
        """The hash of each part; the same in whatever order the parts were found."""
        digests: dict[str, set[str]] = defaultdict(set)
        for kind, of, name in {key for key, _ in self.seen}:
            if kind not in ("header", "attribute") or of not in self.full:
                digests[_part(of, name)].add(self.code.unit((kind, of, name)).digest)
        found = {part: each.pop() if len(each) == 1 else short_hash(" ".join(sorted(each)))
                 for part, each in digests.items()}  # fmt: skip
        return found | self.constants | {self.code.sql_files[name]: self.code.sql_hash(name) for name in self.sql}

    # What is taken in ----------------------------------------------------------------------------------------------

    def _add(self, key: tuple[Any, ...], concrete: Class | None = None) -> None:
        if (key, concrete) not in self.seen:
            self.seen.add((key, concrete))
            self.queue.append((key, concrete))

    def _take(self, module: Module, name: str) -> None:
        self._reach(module)
        self._add(("unit", module, name))

    def _reach(self, module: Module, with_imports: bool = True) -> None:
        """A module of which something is used: what it does at import is done, too, and in the packages around it."""
        if module in self.modules and (not with_imports or module in self.importers):
            return
        self.modules.add(module)
        if with_imports:
            self.importers.add(module)
        code = self.code
        for each in module.classes.values():
            if not self.subclassed.isdisjoint(code.mro(each)):
                self._touch(each)
            if not self._is_stage(each):  # an object of another stage is only made where its class is named
                self._make_reachable(each)
        if module.effects:
            self._add(("effects", module, ""))
        for name, nodes in module.bindings.items():
            if any(self._registers(module, each) for node in nodes for each in getattr(node, "decorator_list", ())):
                self._take(module, name)
        for each in module.classes.values():
            if any(self._registers(module, decorator) for decorator in each.node.decorator_list):
                self._touch(each)
                self._take_all(each)
        for origin in module.imported if with_imports else ():
            self._import(origin)
        for star in module.stars:
            if code.is_followed(star) and (every := code.module(star)) is not None:
                self._take_whole(every)
        package = module.name.rpartition(".")[0]
        if code.is_followed(package) and (around := code.module(package)) is not None:
            self._reach(around, with_imports=False)  # it may import all of the project: a catalogue

    def _registers(self, module: Module, decorator: ast.expr) -> bool:
        """Whether a decorator of ours may keep what it decorates: it is an attribute, or uses what may change."""
        chain = chain_of(decorator.func if isinstance(decorator, ast.Call) else decorator)
        for target in self.code.lookup(module, chain) if chain else ():
            if target.kind == "class" or (target.kind in ("unit", "member") and target.rest):
                return True
            if target.kind == "unit":
                nodes = target.what.bindings[target.name]
                if not all(isinstance(node, Function) for node in nodes):
                    return True
                for _, found in self.code.unit(("unit", target.what, target.name)).resolved:
                    if any(each.kind == "unit" and _may_change(each) for each in found):
                        return True
        return False

    def _import(self, origin: Origin) -> None:
        """A module that is imported for what its import does."""
        dotted = f"{origin.module}.{origin.name}" if origin.name else origin.module
        for name in (dotted, origin.module):
            if name in self.code.files and self.code.is_followed(name):
                module = self.code.module(name)
                if module is not None:
                    self._reach(module)
                return

    def _touch(self, of: Class) -> None:
        """A class that is named: objects of it may be around."""
        if of in self.touched or not self.code.is_ours(of):
            return
        self.touched.add(of)
        self._reach(of.module)
        self._make_reachable(of)
        for each in self.code.mro(of)[1:]:
            if isinstance(each, Class):
                self._touch(each)
        stage = self._is_stage(of)
        if stage or self.code.is_exception(of):
            self._add(("header", of, ""))  # its attributes count where they are asked for
            if not stage:
                self._take_dunders(of)
            return
        self._take_full(of)
        if self.code.is_called_from_outside(of):
            self._take_all(of)
        self._take_dunders(of)

    def _is_stage(self, of: Class) -> bool:
        """Whether a class is the stage's own, or a stage as well."""
        mro = self.code.mro
        return self.concrete is not None and (of in mro(self.concrete) or not self.kin.isdisjoint(mro(of)))

    def _make_reachable(self, of: Class) -> None:
        if of in self.reachable:
            return
        self.reachable.add(of)
        names = {*of.functions, *of.attributes}
        for name in names & self.attributes:
            self._member(of, name)
        if "*" in self.attributes:
            self._take_all(of)
        mro = self.code.mro(of)
        for name in names & self.virtual.keys():
            if any(base in mro for base in self.virtual[name]):
                self._member(of, name)
        for base, name in [*self.supers]:
            if base in mro:
                self._take_own(of, name, after=base)

    def _take_dunders(self, of: Class, concrete: Class | None = None) -> None:
        """Methods that no call names: ``__init__``, ``__enter__``, ``__eq__``."""
        for name in of.functions:
            if name.startswith("__") and name.endswith("__"):
                self._member(of, name, concrete)

    def _take_all(self, of: Class, concrete: Class | None = None) -> None:
        for name in (*of.functions, *of.attributes):
            self._member(of, name, concrete)

    def _take_whole(self, module: Module) -> None:
        if module in self.whole:
            return
        self.whole.add(module)
        self._reach(module)
        for name in module.bindings:
            self._take(module, name)
        for each in module.classes.values():
            self._touch(each)
            self._take_full(each)
            self._take_all(each)
        if module.is_package:
            for name in self.code.files:
                if name.startswith(f"{module.name}.") and self.code.is_followed(name):
                    inner = self.code.module(name)
                    if inner is not None:
                        self._take_whole(inner)

    def _member(self, of: Class, name: str, concrete: Class | None = None) -> None:
        self._touch(of)
        if name in of.functions:
            self._add(("function", of, name), concrete)
        if name in of.attributes and of not in self.full:
            self._add(("attribute", of, name), concrete)

    def _take_full(self, of: Class) -> None:
        self.full.add(of)
        self._add(("class", of, ""))

    def _take_own(self, concrete: Class, name: str, after: Class | None = None) -> bool:
        """Take in what ``self.name`` is for an object of a class; False where that is outside, or nowhere."""
        mro = self.code.mro(concrete)
        if after in mro:
            mro = mro[mro.index(after) + 1 :]
        for each in mro:
            if isinstance(each, Class) and each.has(name):
                if self.code.is_ours(each):
                    self._member(each, name, concrete if concrete is self.concrete else None)
                    return True
                return False
        return False

    # What a definition uses ----------------------------------------------------------------------------------------

    def _process(self, key: tuple[Any, ...], concrete: Class | None) -> None:
        _, of, name = key
        unit = self.code.unit(key)
        owner = of if isinstance(of, Class) else None
        module: Module = of.module if isinstance(of, Class) else of
        self._reach(module)
        scan = unit.scan
        for use, found in unit.resolved:
            for target in found:
                self._use(module, owner, use, target)
        for use in scan.own:
            self._use_own(module, owner, concrete, use)
        for use in scan.members:
            if owner is not None:
                self._member(owner, use.chain[0], concrete)
                self._ask(use.chain[1:])
        for name in scan.supers:
            self._super(owner, concrete, name)
        self._ask(scan.attributes)
        for use in scan.attribute_calls:
            self._call(("", use.chain[-1]), module, owner, use, 1)
        for origin in scan.imported:
            self._import(origin)
            if (
                origin.name == "*"
                and (other := self.code.module(origin.module))
                and self.code.is_followed(origin.module)
            ):
                self._take_whole(other)
        if scan.needs_whole_module:
            self._take_whole(module)
        for function, line in scan.runs_text:
            self._problem(module, line, function, "runs a text: what it executes cannot be followed")
        for call in scan.module_calls:
            self._import_by_name(module, call)
        for text, line in scan.strings.items():
            self._string(module, text, line)
        for expression in scan.file_names:
            if not self._files(module, _pattern(expression)):
                self._unbounded(module, expression.lineno, ast.unparse(expression)[:80], "may name any SQL file")

    def _use(self, module: Module, owner: Class | None, use: Use, target: Target) -> None:
        match target.kind:
            case "unit":
                self._take(target.what, target.name)
                self._ask(target.rest)
                self._call((target.what.name, target.name), module, owner, use, 0)
            case "class":
                self._touch(target.what)
                if target.name == "*":
                    self._take_all(target.what)
                self._ask(target.rest)
                if "__subclasses__" in target.rest:
                    self._take_subclasses(target.what)
            case "member":
                self._member(target.what, target.name)
                self._ask(target.rest)
                self._call((target.what.qualified, target.name), module, owner, use, _shift(target.what, target.name))
            case "module":
                self._take_whole(target.what)
            case "excluded":
                self._outside(target.what)
                if target.what in self.code.loaders:
                    self._load(module, owner, use, self.code.loaders[target.what])
            case "missing" if not use.is_optional:
                self._problem(module, use.line, ".".join(use.chain), "is not defined")

    def _use_own(self, module: Module, owner: Class | None, concrete: Class | None, use: Use) -> None:
        if owner is None or not use.chain:
            return
        name, rest = use.chain[0], use.chain[1:]
        self._ask(rest)
        if "__subclasses__" in use.chain:
            self._take_subclasses(owner)
        start = concrete or owner
        if name == "*":
            for each in self.code.mro(start):
                if isinstance(each, Class) and self.code.is_ours(each):
                    self._take_all(each, concrete)
            return
        self._take_own(start, name)
        if concrete is None:
            self._ask_virtual(owner, name)
        for each in self.code.mro(start):
            if isinstance(each, Class) and name in each.functions and not rest:
                self._call((each.qualified, name), module, owner, use, _shift(each, name))
                break

    def _super(self, owner: Class | None, concrete: Class | None, name: str) -> None:
        if owner is None:
            self._ask((name,))
            return
        self._take_own(concrete or owner, name, after=owner)
        if concrete is None and (owner, name) not in self.supers:
            self.supers.add((owner, name))
            for each in [*self.reachable]:
                if owner in self.code.mro(each):
                    self._take_own(each, name, after=owner)

    def _ask(self, names: Iterable[str]) -> None:
        """An attribute of an object whose class is not known: of every class that has it."""
        for name in names:
            if name not in self.attributes:
                self.attributes.add(name)
                for each in [*self.reachable]:
                    if name == "*":
                        self._take_all(each)
                    elif each.has(name):
                        self._member(each, name)

    def _ask_virtual(self, owner: Class, name: str) -> None:
        if owner not in self.virtual[name]:
            self.virtual[name].add(owner)
            for each in [*self.reachable]:
                if each.has(name) and owner in self.code.mro(each):
                    self._member(each, name)

    def _take_subclasses(self, of: Class) -> None:
        self.subclassed.add(of)
        for module in [*self.modules]:
            for each in module.classes.values():
                if of in self.code.mro(each):
                    self._touch(each)

    def _outside(self, dotted: str) -> None:
        """Something that is not followed: the versions that its module and the packages around it declare."""
        while dotted and _within(dotted, self.code.excluded):
            if dotted in self.code.files and (value := self.code.version_constant(dotted)) is not None:
                self.constants[f"{dotted}.VERSION"] = value
            dotted = dotted.rpartition(".")[0]

    def _import_by_name(self, module: Module, call: ast.Call) -> None:
        value = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else None
        if not isinstance(value, str):
            self._problem(
                module, call.lineno, ast.unparse(call)[:80], "imports a module whose name is not written here"
            )
            return
        if value.startswith("."):
            value = f"{module.name if module.is_package else module.name.rpartition('.')[0]}.{value.lstrip('.')}"
        value = value.replace(":", ".").removesuffix(".py").replace("/", ".")
        if self.code.is_followed(value):
            found = self.code.module(value)
            if found is None:
                self._problem(module, call.lineno, value, "is not defined")
            else:
                self._take_whole(found)
        else:
            self._outside(value)

    # SQL and files -------------------------------------------------------------------------------------------------

    def _string(self, module: Module, text: str, line: int) -> None:
        """A text that names a SQL file, or a module of ours."""
        if text in self.code.sql_files:
            self.sql.add(text)
        if "." in text and text in self.code.files and self.code.is_followed(text):
            named = self.code.module(text)
            if named is not None:
                self._take_whole(named)
        if text.endswith((".sql", ".py")) and text not in (".sql", ".py"):
            pattern = re.sub(PLACEHOLDER, "*", text)
            if not self._files(module, pattern, is_glob="*" in text):
                self._unbounded(module, line, text, "may name any SQL file")

    def _files(self, module: Module, pattern: str, is_glob: bool = False) -> bool:
        """Take in the files that a pattern may name; False if it may name any SQL file."""
        if pattern.endswith(".sql"):
            if not is_glob and not pattern.removesuffix(".sql").strip("*/"):
                return False
            pattern = pattern[:-4].removeprefix(f"{self.code.sql}/")
            self.sql.update(self._matching(pattern))
            return True
        folder = module.file.rpartition("/")[0]
        for name, file in self.code.files.items():
            if self.code.is_followed(name) and (
                fnmatch.fnmatchcase(file, f"{folder}/{pattern}") or fnmatch.fnmatchcase(file, pattern)
            ):
                found = self.code.module(name)
                if found is not None:
                    self._take_whole(found)
        return True

    def _matching(self, pattern: str) -> Iterator[str]:
        """SQL names that a name or the end of a path may mean."""
        if "*" not in pattern:
            for name in self.code.sql_basenames.get(pattern.rpartition("/")[2], ()):
                if name == pattern or f"/{name}".endswith(f"/{pattern.lstrip('/')}"):
                    yield name
            return
        for name in self.code.sql_files:
            if fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(f"/{name}", f"*/{pattern}"):
                yield name

    def _unbounded(self, module: Module, line: int, name: str, why: str) -> None:
        self._problem(module, line, name, why)
        folder = next((part for part in reversed(self.flow.split(".")) if any(
            each.startswith(f"{part}/") for each in self.code.sql_files)), None)  # fmt: skip
        for name in self.code.sql_files:
            if folder is None or "/" not in name or name.startswith(f"{folder}/"):
                self.sql.add(name)

    def _call(self, callee: tuple[str, str], module: Module, owner: Class | None, use: Use, shift: int) -> None:
        """Remember who calls a function: it may pass an argument on to a loader."""
        self.calls[callee].append((module, owner, use, shift))
        if callee in self.loaders:
            self._load(module, owner, use, self.loaders[callee], shift)

    def _load(self, module: Module, owner: Class | None, use: Use, argument: tuple[int, str], shift: int = 0) -> None:
        """Take in the SQL that a call of a loader names."""
        position, name = argument[0] - shift, argument[1]
        if use.call is None:
            self._unbounded(module, use.line, ".".join(use.chain), "loads SQL by name, and is passed on as a value")
            return
        given: ast.expr | None = use.call.args[position] if 0 <= position < len(use.call.args) else None
        is_spread = any(isinstance(each, ast.Starred) for each in use.call.args[: position + 1])
        given = next((each.value for each in use.call.keywords if each.arg == name), None if is_spread else given)
        if given is None:
            if is_spread or any(each.arg is None for each in use.call.keywords):
                self._unbounded(module, use.line, ".".join(use.chain), "the name of the SQL file is not written here")
            return  # a default: it is part of the function
        found = _Names(self, module, owner, use.scope).of(given)
        if found is None:
            self._unbounded(module, given.lineno, ast.unparse(given)[:80], "may name any SQL file")
            return
        for each in found:
            matching = [each] if each in self.code.sql_files else [*self._matching(each)] if "*" in each else []
            self.sql.update(matching)
            if not matching:
                self._problem(module, given.lineno, each, f"there is no such file in {self.code.sql}/")

    def pass_on(self, module: Module, owner: Class | None, scope: Scope, name: str) -> bool:
        """A function passes a parameter on to a loader: its callers say which file. False where they are not seen."""
        node = scope.node
        outer = scope.parent is not None and scope.parent.kind in ("module", "class")
        if not isinstance(node, Function) or not outer:
            return False
        callee = (owner.qualified if owner else module.name, node.name)
        position = parameters(node.args).index(name)
        callees = (callee, ("", node.name)) if owner else (callee,)
        self.passed.append(Passed(callees, module, node.lineno, name))
        for each in callees:
            if each not in self.loaders:
                self.loaders[each] = (position, name)
                for where, caller, use, shift in [*self.calls[each]]:
                    self._load(where, caller, use, (position, name), shift)
        return True

    def _problem(self, module: Module, line: int, name: str, why: str) -> None:
        self.problems.add(Unresolved(module.file, line, name, why))


def _may_change(target: Target) -> bool:
    """Whether a name of a module holds an object that may change: no function, number, text or tuple of those."""
    for node in target.what.bindings[target.name]:
        value = getattr(node, "value", None)
        if isinstance(value, ast.expr):
            try:
                hash(ast.literal_eval(value))
            except (ValueError, TypeError):
                return True
        elif not isinstance(node, Function):
            return True
    return False


def _shift(of: Class, name: str) -> int:
    """How many parameters a method takes before the arguments of a call."""
    return int(not any(
        chain_of(each) == ("staticmethod",)
        for node in of.functions.get(name, ()) for each in getattr(node, "decorator_list", ())
    ))  # fmt: skip


def _part(of: Module | Class, name: str) -> str:
    if isinstance(of, Class):
        return f"{of.qualified}.{name}" if name else of.qualified
    return f"{of.name}.{name or '<module>'}"


def _pattern(node: ast.expr) -> str:
    """A composed text with * where it varies."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=values):
            return "".join(map(_pattern, values))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _pattern(left) + _pattern(right)
        case ast.BinOp(left=ast.Constant(value=str() as text), op=ast.Mod()):
            return re.sub(PLACEHOLDER, "*", text)
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str() as text), attr="format")):
            return re.sub(PLACEHOLDER, "*", text)
    return "*"


class _Names:
    """The texts that an expression may have, as patterns; None where it may have any."""

    def __init__(self, closure: _Closure, module: Module, owner: Class | None, scope: Scope) -> None:
        self.closure, self.module, self.owner, self.scope = closure, module, owner, scope
        self.depth = 0

    def of(self, node: ast.expr) -> set[str] | None:
        match node:
            case ast.Constant(value=None):
                return set()
            case ast.Constant(value=str() as text):
                return {text}
            case ast.JoinedStr() | ast.BinOp() | ast.Call(func=ast.Attribute(value=ast.Constant(), attr="format")):
                pattern = _pattern(node)
                return {pattern} if pattern.strip("*/") else None
            case ast.IfExp(body=body, orelse=orelse):
                return self.all((body, orelse))
            case ast.BoolOp(values=values):
                return self.all(values)
            case ast.NamedExpr(value=value):
                return self.of(value)
            case ast.Subscript(value=value):
                return self.items(value, of_dict="values")
            case ast.Call(func=ast.Attribute(value=value, attr="get"), args=[_, *default]):
                found = self.items(value, of_dict="values")
                others = self.all(default)
                return None if found is None or others is None else found | others
            case ast.Name() | ast.Attribute():
                return self.named(node, self.of)
        return None

    def all(self, nodes: Iterable[ast.expr]) -> set[str] | None:
        found: set[str] = set()
        for node in nodes:
            each = self.of(node)
            if each is None:
                return None
            found |= each
        return found

    def items(self, node: ast.expr, of_dict: str = "keys") -> set[str] | None:
        """The texts among the items of a collection."""
        match node:
            case ast.Tuple(elts=elts) | ast.List(elts=elts) | ast.Set(elts=elts):
                return self.all(elts)
            case ast.Dict(keys=keys, values=values):
                return self.all([each for each in (keys if of_dict == "keys" else values) if each is not None])
            case ast.Call(func=ast.Attribute(value=value, attr="values" | "keys" as attribute), args=[]):
                return self.items(value, attribute)
            case ast.Call(func=ast.Name(id="sorted" | "tuple" | "list" | "set" | "frozenset"), args=[value]):
                return self.items(value, of_dict)
            case ast.Name() | ast.Attribute():  # a list, set or dict that has a name may be changed elsewhere
                return self.named(node, lambda value: None if is_mutable(value) else self.items(value, of_dict))
        return None

    def named(self, node: ast.Name | ast.Attribute, evaluate: Any) -> set[str] | None:
        """What a name was given: in its function, as a constant of a module or a class, or by callers."""
        chain = chain_of(node)
        self.depth += 1
        if chain is None or self.depth > 20:
            return None
        scope: Scope | None = self.scope
        while scope is not None and chain[0] not in scope.bound and chain[0] not in scope.imports:
            scope = scope.parent
        if scope is None or scope.kind == "module":
            return self.constant(self.closure.code.lookup(self.module, chain), evaluate)
        if chain[0] in scope.imports:
            found = [self.closure.code.imported(origin, chain[1:]) for origin in scope.imports[chain[0]]]
            return self.constant([target for each in found for target in each], evaluate)
        if len(chain) > 1:
            return None  # an attribute of an object may be given another value elsewhere
        return self.local(scope, chain[0], evaluate)

    def constant(self, found: Sequence[Target], evaluate: Any) -> set[str] | None:
        texts: set[str] = set()
        for target in found:
            if target.rest or target.kind not in ("unit", "member"):
                return None
            of = target.what
            nodes = of.bindings[target.name] if isinstance(of, Module) else of.attributes.get(target.name, ())
            for node in nodes or (None,):
                value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
                module = of if isinstance(of, Module) else of.module
                before = self.module, self.scope
                self.module, self.scope = module, Scope("module", None, None)
                each = evaluate(value) if value is not None else None
                self.module, self.scope = before
                if each is None:
                    return None
                texts |= each
        return texts if found else None

    def local(self, scope: Scope, name: str, evaluate: Any) -> set[str] | None:
        texts: set[str] = set()
        node = scope.node
        if isinstance(node, Function | ast.Lambda) and name in parameters(node.args):
            if evaluate != self.of or not self.closure.pass_on(self.module, self.owner, scope, name):
                return None
            default = _default(node.args, name)
            given = self.of(default) if default is not None else set()
            if given is None:
                return None
            texts |= given
        for value, is_item in _assignments(node, name):
            found = None if value is None else self.items(value) if is_item else evaluate(value)
            if found is None:
                return None
            texts |= found
        return texts


def is_mutable(value: ast.expr) -> bool:
    """Whether a value is a display whose items may be changed after it was given a name."""
    return isinstance(value, ast.List | ast.Set | ast.Dict | ast.ListComp | ast.SetComp | ast.DictComp)


def _default(arguments: ast.arguments, name: str) -> ast.expr | None:
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = dict(zip([each.arg for each in reversed(positional)], reversed(arguments.defaults), strict=False))
    keyword = dict(zip([each.arg for each in arguments.kwonlyargs], arguments.kw_defaults, strict=True))
    return defaults.get(name) or keyword.get(name)


def _assignments(node: ast.AST | None, name: str) -> Iterator[tuple[ast.expr | None, bool]]:
    """Each binding of a local name: its value and False, the collection of its values and True, None for others."""
    for each in ast.walk(node) if node else ():
        match each:
            case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
                yield value, False
            case ast.AnnAssign(target=ast.Name(id=target), value=value) if target == name:
                if value is not None:
                    yield value, False
            case ast.NamedExpr(target=ast.Name(id=target), value=value) if target == name:
                yield value, False
            case ast.For(target=ast.Name(id=target)) | ast.comprehension(target=ast.Name(id=target)) if target == name:
                yield each.iter, True
            case ast.stmt() if name in targets(each)[0]:
                yield None, False
            case ast.comprehension(target=target) if any(
                isinstance(inner, ast.Name) and inner.id == name for inner in ast.walk(target)
            ):
                yield None, False
            case ast.ExceptHandler(name=target) | ast.MatchAs(name=target) if target == name:
                yield None, False


# The cache --------------------------------------------------------------------------------------------------------


def content_hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def versions(
    root: Path, entries: Iterable[str], cache: Path | None = None, code: Code | None = None
) -> dict[str, CodeVersion]:
    """The versions of entries; from the cache if no file that they depend on has changed. Writes nothing.

    A file has changed if its content has: times of writing are too coarse to tell two edits apart, and reading what
    a flow depends on takes two milliseconds.

    Args:
        root: the folder of the project.
        entries: as for ``Code.version_of``.
        cache: the file that ``write_cache`` has left, if any.
        code: what reads the sources; by default with the packages of this project.
    """
    code, entries = code or Code(root), list(entries)
    if cache is not None and (cached := _cached(code, entries, cache)) is not None:
        return cached
    return {entry: code.version_of(entry) for entry in entries}


def write_cache(root: Path, entries: Iterable[str], cache: Path, code: Code | None = None) -> dict[str, CodeVersion]:
    """Leave the versions in the cache unless they are there; returns them. A folder that cannot be written is left."""
    code, entries = code or Code(root), list(entries)
    if (cached := _cached(code, entries, cache)) is not None:
        return cached
    found = {entry: code.version_of(entry) for entry in entries}
    record = {
        "listing": code.listing, "files": dict(sorted(code.contents.items())),
        "parts": {entry: dict(version.parts) for entry, version in found.items()},
    }  # fmt: skip
    records = {**_records(code, cache), _key(entries): {**record, "check": short_hash(json.dumps(record))}}
    kept = dict(list(records.items())[-MOST_RECORDS:])
    with suppress(OSError):
        cache.parent.mkdir(parents=True, exist_ok=True)
        new = cache.with_name(f"{cache.name}.{os.urandom(6).hex()}")
        try:
            new.write_text(json.dumps({"made_by": _made_by(code), "records": kept}), encoding="utf-8")
            new.replace(cache)
        finally:
            new.unlink(missing_ok=True)
    return found


def _cached(code: Code, entries: list[str], cache: Path) -> dict[str, CodeVersion] | None:
    record = _records(code, cache).get(_key(entries))
    try:
        if record is None or record["listing"] != code.listing:
            return None
        check = record.pop("check")
        if check != short_hash(json.dumps(record)):
            return None
        for file, content in record["files"].items():
            if content_hash((code.root / file).read_bytes()) != content:
                return None
        return {entry: CodeVersion.of(record["parts"][entry]) for entry in entries}
    except (OSError, KeyError, TypeError, AttributeError):
        return None  # damaged, or a file is gone: it is computed


def _records(code: Code, cache: Path) -> dict[str, Any]:
    try:
        content = json.loads(cache.read_bytes())
        records = content["records"] if content["made_by"] == _made_by(code) else {}
        return records if isinstance(records, dict) else {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}


def _key(entries: list[str]) -> str:
    return short_hash(json.dumps(sorted(set(entries))))


def _made_by(code: Code) -> list[Any]:
    """What else decides the values: Python's grammar, this algorithm, the packages that are followed."""
    own = [Path(__file__), Path(__file__).with_name("python_source.py"), Path(__file__).with_name("statements.py")]
    algorithm = content_hash(b"\0".join(path.read_bytes() for path in own))
    packages = [list(code.followed), list(code.excluded), code.sql, list(code.people), json.dumps(code.loaders)]
    return [CACHE_FORMAT, list(sys.version_info[:2]), algorithm, packages]
