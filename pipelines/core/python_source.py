"""Reads Python sources: which names a module binds, and per definition its normalized form and the names it uses.

The normalized form is the syntax tree without docstrings, annotations, positions, type-only code and the texts of
errors and log lines. Nothing is imported or run.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

Function = ast.FunctionDef | ast.AsyncFunctionDef  # a definition, not a lambda
Chain = tuple[str, ...]  # the dotted name features.frame as ("features", "frame"); "*" means any attribute

LOGGERS = frozenset({"log", "logger", "logging"})
LOG_METHODS = frozenset({"debug", "info", "warning", "warn", "error", "exception", "critical", "fatal", "log"})
# Attributes of Path(__file__) that lead to another file: the text of the module itself is not read.
PLACES = frozenset({"parent", "parents", "with_name", "with_stem", "joinpath", "name", "stem"})
RUNS_TEXT = frozenset({"eval", "exec"})
OWN_NAMESPACE = frozenset({"globals", "vars", "locals"})
LEFT_OUT = frozenset({"type_comment", "ctx", "type_ignores", "type_params", "kind", "annotation", "returns", "simple"})
FIELDS: Mapping[type[ast.AST], tuple[str, ...]] = {
    node: tuple(name for name in node._fields if name not in LEFT_OUT)
    for node in vars(ast).values()
    if isinstance(node, type) and issubclass(node, ast.AST)
}
TAGS: Mapping[type[ast.AST], str] = {node: f"<{node.__name__}>" for node in FIELDS}
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


class Origin(NamedTuple):
    """Where an imported name comes from; ``name`` is None for the module itself."""

    module: str
    name: str | None


class Use(NamedTuple):
    """A dotted name that a definition uses; ``call`` if it is called, ``origin`` if the function itself imports it."""

    chain: Chain
    line: int
    call: ast.Call | None
    scope: Scope
    origin: Origin | None = None
    is_optional: bool = False  # in a class body: a name of the body, or of the module


class Scope:
    """The names bound in a function, class or comprehension while it is read; ``kind`` is module for statements."""

    __slots__ = ("bound", "declared", "first", "imports", "kind", "node", "parent", "uses")

    def __init__(self, kind: str, node: ast.AST | None, parent: Scope | None, first: str | None = None) -> None:
        self.kind, self.node, self.parent, self.first = kind, node, parent, first
        self.bound: set[str] = set()
        self.declared: dict[str, bool] = {}  # names declared global (True) or nonlocal
        self.imports: dict[str, list[Origin]] = {}
        self.uses: list[Use] = []


@dataclass(eq=False)
class Scan:
    """What reading a definition tells."""

    form: str = ""
    uses: list[Use] = field(default_factory=list)  # names of the module, or imported within
    own: list[Use] = field(default_factory=list)  # attributes of self or cls; the chain starts after it
    supers: set[str] = field(default_factory=set)
    members: list[Use] = field(default_factory=list)  # names of the class body that the definition stands in
    attributes: set[str] = field(default_factory=set)  # of objects whose class is not known
    attribute_calls: list[Use] = field(default_factory=list)
    strings: dict[str, int] = field(default_factory=dict)  # with the line of one of them
    file_names: list[ast.expr] = field(default_factory=list)  # composed names that end in .sql or .py
    imported: list[Origin] = field(default_factory=list)
    module_calls: list[ast.Call] = field(default_factory=list)  # importlib.import_module(…)
    needs_whole_module: bool = False
    runs_text: list[tuple[str, int]] = field(default_factory=list)


@dataclass(eq=False)
class Class:
    """A class of the project: its functions by name, and the other statements of its body."""

    module: Module
    name: str
    node: ast.ClassDef
    functions: dict[str, list[ast.stmt]] = field(default_factory=dict)
    attributes: dict[str, list[ast.stmt]] = field(default_factory=dict)
    statements: list[ast.stmt] = field(default_factory=list)

    @property
    def qualified(self) -> str:
        return f"{self.module.name}.{self.name}"

    def has(self, name: str) -> bool:
        return name in self.functions or name in self.attributes


class Module:
    """The names that a module binds at import, by the statements that bind them.

    Attributes:
        effects: statements that act at import without binding a name.
    """

    def __init__(self, name: str, file: str, source: bytes) -> None:
        self.name, self.file = name, file
        self.is_package = file.endswith("/__init__.py")
        self.source = source
        self.names_own_file = b"__file__" in source
        self.imports: dict[str, list[Origin]] = {}
        self.imported: list[Origin] = []  # every module that is imported, whatever is used of it
        self.stars: list[str] = []
        self.bindings: dict[str, list[ast.stmt]] = {}
        self.classes: dict[str, Class] = {}
        self.effects: list[ast.stmt] = []
        self._read(ast.parse(source).body)

    def origin(self, node: ast.ImportFrom) -> str:
        """The module that a ``from … import`` names."""
        if not node.level:
            return node.module or ""
        up = self.name.split(".")
        up = up[: len(up) - node.level + self.is_package]
        return ".".join([*up, node.module] if node.module else up)

    def _read(self, statements: Iterable[ast.stmt]) -> None:
        for statement in statements:
            match statement:
                case ast.Import() | ast.ImportFrom():
                    self._read_import(statement)
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    if not is_overload(statement):
                        self.bindings.setdefault(statement.name, []).append(statement)
                case ast.ClassDef():
                    self.classes[statement.name] = read_class(self, statement)
                case ast.If() if is_type_checking(statement.test):
                    self._read(statement.orelse)
                case ast.If() if is_main(statement.test):
                    pass  # does not run at import
                case _:
                    self._read_statement(statement)

    def _read_import(self, statement: ast.Import | ast.ImportFrom) -> None:
        for name, origin in imported_names(self, statement):
            if name == "*":
                self.stars.append(origin.module)
                self.imported.append(Origin(origin.module, None))
            else:
                self.imports.setdefault(name, []).append(origin)
                self.imported.append(origin)
        if isinstance(statement, ast.Import):
            self.imported += [Origin(alias.name, None) for alias in statement.names]

    def _read_statement(self, statement: ast.stmt) -> None:
        names: set[str] = set()
        acts = False
        for leaf in leaves(statement):
            match leaf:
                case ast.Import() | ast.ImportFrom():
                    self._read_import(leaf)
                    names.update(name for name, _ in imported_names(self, leaf))
                case ast.ClassDef():
                    self.classes[leaf.name] = read_class(self, leaf)
                    names.add(leaf.name)
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    names.add(leaf.name)
                case ast.Expr(value=value):
                    acts |= not isinstance(value, ast.Constant)
                case ast.Delete() | ast.Raise() | ast.Assert() | ast.While():
                    acts = True
                case ast.Pass():
                    pass
                case _:
                    stored, others = targets(leaf)
                    names |= stored
                    acts |= others
        for name in names:
            self.bindings.setdefault(name, []).append(statement)
        if acts:
            self.effects.append(statement)


def leaves(statement: ast.stmt) -> Iterator[ast.stmt]:
    """The simple statements and definitions within a compound statement, and the statement itself."""
    yield statement
    if isinstance(statement, SCOPES):
        return
    for name in ("body", "orelse", "finalbody"):
        for inner in getattr(statement, name, ()):
            yield from leaves(inner)
    for block in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
        for inner in block.body:
            yield from leaves(inner)


def targets(statement: ast.stmt) -> tuple[set[str], bool]:
    """The names that a statement binds itself, and whether it assigns to something else: an item, an attribute."""
    stored: set[str] = set()
    others = False
    found: list[ast.expr] = []
    match statement:
        case ast.Assign():
            found = list(statement.targets)
        case ast.AnnAssign() | ast.AugAssign() | ast.For() | ast.AsyncFor():
            found = [statement.target]
        case ast.With() | ast.AsyncWith():
            found = [item.optional_vars for item in statement.items if item.optional_vars]
            others = True  # entering it may do anything
        case _ if statement.__class__.__name__ == "TypeAlias":
            found = [statement.name]  # type: ignore[attr-defined] # Python 3.12
    for target in found:
        for node in ast.walk(target):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                stored.add(node.id)
            elif isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store):
                others = True
    return stored, others


def imported_names(module: Module, statement: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, Origin]]:
    """The names that an import binds, and where each comes from."""
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            root = alias.name.split(".")[0]
            yield (alias.asname, Origin(alias.name, None)) if alias.asname else (root, Origin(root, None))
        return
    origin = module.origin(statement)
    if origin != "__future__":
        for alias in statement.names:
            yield alias.asname or alias.name, Origin(origin, alias.name)


def read_class(module: Module, node: ast.ClassDef) -> Class:
    found = Class(module, node.name, node)
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            if not is_overload(statement):
                found.functions.setdefault(statement.name, []).append(statement)
            continue
        if isinstance(statement, ast.If) and is_type_checking(statement.test):
            continue
        found.statements.append(statement)
        for leaf in leaves(statement):
            if isinstance(leaf, ast.AnnAssign) and leaf.value is None:
                continue  # a field: it is part of the class, there is nothing to follow
            names = {leaf.name} if isinstance(leaf, SCOPES) and hasattr(leaf, "name") else targets(leaf)[0]
            for name in names:
                found.attributes.setdefault(name, []).append(statement)
    return found


def chain_of(node: ast.expr) -> Chain | None:
    """The dotted name that an expression is."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return (node.id, *reversed(names))


def is_type_checking(test: ast.expr) -> bool:
    return (chain_of(test) or ("",))[-1] == "TYPE_CHECKING"


def is_main(test: ast.expr) -> bool:
    match test:
        case ast.Compare(left=ast.Name(id="__name__"), ops=[ast.Eq()], comparators=[ast.Constant(value="__main__")]):
            return True
    return False


def is_overload(node: Function) -> bool:
    return any((chain_of(decorator) or ("",))[-1] == "overload" for decorator in node.decorator_list)


def is_text(node: ast.expr) -> bool:
    """Whether an expression composes a text: a literal, an f-string, a concatenation or a format of one."""
    match node:
        case ast.Constant(value=str()) | ast.JoinedStr():
            return True
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return is_text(left) or is_text(right)
        case ast.BinOp(left=left, op=ast.Mod()):
            return is_text(left)
        case ast.Call(func=ast.Attribute(value=value)):
            return is_text(value)
    return False


def parameters(arguments: ast.arguments) -> list[str]:
    """The names of a function's parameters, in their order."""
    found = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    found += [each for each in (arguments.vararg, arguments.kwarg) if each]
    return [each.arg for each in found]


class Reader:
    """Reads one definition of a module.

    Args:
        module: the definition's.
        people: prefixes of functions whose arguments are texts for people.
        is_error: whether a name, as a chain with the origin if a function imports it, is an exception class.
        owner: the class that the definition is a member of.
    """

    def __init__(
        self, module: Module, people: Sequence[str], is_error: Callable[[Chain, Origin | None], bool],
        owner: Class | None = None,
    ) -> None:  # fmt: skip
        self.module, self.people, self.is_error, self.owner = module, tuple(people), is_error, owner
        self.scan = Scan()
        self.out: list[str] = []
        self.in_text = False
        self.places: set[ast.Name] = set()
        self.top = Scope("module", None, None)
        self.scope = Scope("class", owner.node, self.top) if owner else self.top
        self.handlers: dict[type[ast.AST], Callable[..., None]] = {
            ast.Name: self.name, ast.Attribute: self.attribute, ast.Call: self.call, ast.Constant: self.constant,
            ast.JoinedStr: self.joined, ast.BinOp: self.operation, ast.FunctionDef: self.function,
            ast.AsyncFunctionDef: self.function, ast.Lambda: self.function, ast.ClassDef: self.class_,
            ast.ListComp: self.comprehension, ast.SetComp: self.comprehension, ast.DictComp: self.comprehension,
            ast.GeneratorExp: self.comprehension, ast.Import: self.import_, ast.ImportFrom: self.import_,
            ast.Global: self.declaration, ast.Nonlocal: self.declaration, ast.Raise: self.raise_,
            ast.Assert: self.assertion, ast.AnnAssign: self.annotated, ast.If: self.if_, ast.Expr: self.expression,
            ast.Pass: self.nothing, ast.ExceptHandler: self.bound_name, ast.MatchAs: self.bound_name,
            ast.MatchStar: self.bound_name, ast.MatchMapping: self.bound_name, ast.MatchClass: self.class_pattern,
            ast.NamedExpr: self.walrus,
        }  # fmt: skip

    def read(self, nodes: Iterable[ast.AST], is_method: bool = False) -> Scan:
        """
        Args:
            nodes: the statements that make the definition, in their order.
            is_method: their first parameter is ``self`` or ``cls``.
        """
        for node in nodes:
            if is_method and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                static = any(chain_of(each) == ("staticmethod",) for each in node.decorator_list)
                self.function(node, is_method=not static)
            else:
                self.visit(node)
        return self.done()

    def read_header(self, node: ast.ClassDef) -> Scan:
        """Of a class only what decides its kind: decorators, bases, keywords."""
        self.scope = self.top
        self.header(node)
        return self.done()

    def read_class(self, node: ast.ClassDef, statements: Iterable[ast.stmt]) -> Scan:
        """Of a class what decides its kind, and the statements of its body that are not functions."""
        around, self.scope = self.scope, self.top
        self.header(node)
        self.scope = around
        self.each(statements)
        return self.done()

    def done(self) -> Scan:
        if self.scope.kind == "class":
            self.leave()
        for use in self.top.uses:
            self.scan.uses.append(use)
        self.scan.form = "\0".join(self.out)
        return self.scan

    # The walk ------------------------------------------------------------------------------------------------------

    def visit(self, node: ast.AST) -> None:
        kind = node.__class__
        handler = self.handlers.get(kind)
        if handler is None:
            self.fields(node, FIELDS[kind])
        else:
            handler(node)

    def fields(self, node: ast.AST, names: Sequence[str]) -> None:
        out = self.out
        out.append(TAGS[node.__class__])
        for name in names:
            value = getattr(node, name)
            if value.__class__ is list:
                out.append("[")
                for each in value:
                    if isinstance(each, ast.AST):
                        self.visit(each)
                    else:
                        out.append(repr(each))
                out.append("]")
            elif isinstance(value, ast.AST):
                self.visit(value)
            else:
                out.append(repr(value))

    def each(self, nodes: Iterable[ast.AST | None]) -> None:
        self.out.append("[")
        for node in nodes:
            if node is None:
                self.out.append("None")
            else:
                self.visit(node)
        self.out.append("]")

    def unhashed(self, node: ast.AST) -> None:
        """Follow what an expression uses without its form."""
        out, self.out = self.out, []
        self.visit(node)
        self.out = out

    def texts(self, nodes: Iterable[ast.AST]) -> None:
        """Visit the arguments of an error or a log line: their texts do not count."""
        before, self.in_text = self.in_text, True
        self.each(nodes)
        self.in_text = before

    # Names ---------------------------------------------------------------------------------------------------------

    def use(self, chain: Chain, node: ast.AST, call: ast.Call | None = None) -> None:
        self.scope.uses.append(Use(chain, node.lineno, call, self.scope))  # type: ignore[attr-defined]

    def bind(self, name: str) -> None:
        scope = self.scope
        if scope.kind != "module" and name not in scope.declared:
            scope.bound.add(name)

    def enter(self, kind: str, node: ast.AST, first: str | None = None) -> None:
        self.scope = Scope(kind, node, self.scope, first)

    def leave(self) -> None:
        """Tell for each name used in the scope whether it is local, or pass it on to the scope around."""
        scope, scan = self.scope, self.scan
        parent = scope.parent
        assert parent is not None
        around = parent
        while around.kind == "class" and scope.kind != "class" and around.parent:
            around = around.parent  # the names of a class body are not seen within its functions
        owner = self.owner if scope.kind == "class" and self.owner and scope.node is self.owner.node else None
        for use in scope.uses:
            root = use.chain[0]
            if owner and owner.has(root):
                scan.members.append(use)
                around.uses.append(use._replace(is_optional=True))
                continue
            if root in scope.imports:
                scan.uses.extend(use._replace(origin=origin) for origin in scope.imports[root])
            if root in scope.bound:
                if root == scope.first:
                    scan.own.append(use._replace(chain=use.chain[1:]))
                else:
                    self.unknown(use)
            elif root not in scope.imports:
                (self.top if scope.declared.get(root) else around).uses.append(use)
        self.scope = parent

    def unknown(self, use: Use) -> None:
        self.scan.attributes.update(use.chain[1:])
        if use.call is not None and len(use.chain) > 1:
            self.scan.attribute_calls.append(use)

    def origins(self, root: str) -> list[Origin] | None:
        """Where a name is imported from within functions; None if it is one of the module's."""
        scope: Scope | None = self.scope
        while scope is not None:
            if root in scope.imports:
                return scope.imports[root]
            if root in scope.bound:
                return []
            scope = scope.parent
        return None

    def speaks(self, chain: Chain | None, function: ast.expr) -> bool:
        """Whether the arguments of a call are texts: it logs, warns, speaks to people or makes an exception."""
        if chain is None:
            return (isinstance(function, ast.Attribute) and function.attr in LOG_METHODS
                    and isinstance(function.value, ast.Call)
                    and (chain_of(function.value.func) or ("",))[-1] == "getLogger")  # fmt: skip
        if len(chain) > 1 and chain[-1] in LOG_METHODS and chain[-2].strip("_").lower() in LOGGERS:
            return True
        inner = self.origins(chain[0])
        if any(self.is_error(chain, origin) for origin in ([None] if inner is None else inner)):
            return True
        for origin in self.module.imports.get(chain[0], ()) if inner is None else inner:
            named = ".".join((origin.module, *((origin.name,) if origin.name else ()), *chain[1:]))
            if named == "warnings.warn" or named.startswith(self.people):
                return True
        return False

    # Handlers ------------------------------------------------------------------------------------------------------

    def name(self, node: ast.Name) -> None:
        self.out.append(node.id)
        if isinstance(node.ctx, ast.Load):
            if node.id == "__file__" and node not in self.places:
                self.scan.needs_whole_module = True
            self.use((node.id,), node)
        else:
            self.bind(node.id)

    def attribute(self, node: ast.Attribute) -> None:
        chain = chain_of(node)
        if chain is not None:
            self.out.append(".".join(chain))
            self.use(chain, node)
            return
        names, base = [], node
        value: ast.expr = node
        while isinstance(value, ast.Attribute):
            names.append(value.attr)
            base, value = value, value.value
        self.out.append("." + ".".join(names))
        self.placed(node)
        if isinstance(value, ast.Call) and chain_of(value.func) == ("super",):
            self.scan.supers.add(base.attr)
            names.remove(base.attr)
        self.scan.attributes.update(names)
        self.visit(value)

    def placed(self, node: ast.expr) -> None:
        """Note that ``__file__`` is used for the folder that it lies in: ``Path(__file__).parent``."""
        if not self.module.names_own_file:
            return
        leads_away = False
        while not isinstance(node, ast.Name):
            if isinstance(node, ast.Attribute):
                leads_away |= node.attr in PLACES
                node = node.value
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and not node.args:
                node = node.func
            elif isinstance(node, ast.Call) and node.args:
                leads_away |= (chain_of(node.func) or ("",))[-1] == "dirname"
                node = node.args[0]
            else:
                return
        if leads_away and node.id == "__file__":
            self.places.add(node)

    def call(self, node: ast.Call) -> None:
        chain = chain_of(node.func)
        self.placed(node)
        self.out.append("<Call>")
        arguments: list[ast.expr] = node.args
        if chain is None:
            self.visit(node.func)
            if isinstance(node.func, ast.Attribute):
                arguments = self.called_by_name(node.func.attr, node) or arguments
                self.scan.attribute_calls.append(Use(("", node.func.attr), node.lineno, node, self.scope))
        else:
            self.out.append(".".join(chain))
            self.use(chain, node, node)
            arguments = self.called_by_name(chain[-1], node) or arguments
        if self.speaks(chain, node.func):
            self.texts([*arguments, *node.keywords])
        elif self.in_text and not is_text(node):  # a call within a message may do more than compose a text
            self.in_text = False
            self.each([*arguments, *node.keywords])
            self.in_text = True
        else:
            self.each([*arguments, *node.keywords])

    def called_by_name(self, function: str, node: ast.Call) -> list[ast.expr] | None:
        """Note the attributes and modules that a call names by strings; returns the arguments left to visit."""
        literal = [each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
        match function:
            case "getattr" | "hasattr" | "setattr" if len(node.args) > 1:
                known = isinstance(node.args[1], ast.Constant) and isinstance(node.args[1].value, str)
                attribute = str(node.args[1].value) if known else "*"  # type: ignore[attr-defined]
                chain = chain_of(node.args[0])
                if chain is None:
                    self.scan.attributes.add(attribute)
                    return None
                self.out.append(".".join(chain))
                self.use((*chain, attribute), node)
                return node.args[1:]
            case "attrgetter" | "methodcaller":
                for value in literal:
                    self.scan.attributes.update(value.split("."))
                if not literal or (function == "attrgetter" and len(literal) < len(node.args)):
                    self.scan.attributes.add("*")
            case "import_module" | "__import__" | "resolve_name" | "run_module" | "run_path":
                self.scan.module_calls.append(node)
            case _ if function in OWN_NAMESPACE and not node.args:
                self.scan.needs_whole_module = True
            case _ if function in RUNS_TEXT and len(chain_of(node.func) or ()) == 1:
                self.scan.runs_text.append((function, node.lineno))
                self.scan.needs_whole_module = True
        return None

    def constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, str):
            self.scan.strings[value] = node.lineno
            if self.in_text:
                return
        self.out.append(repr(value))

    def joined(self, node: ast.JoinedStr) -> None:
        last = node.values[-1] if node.values else None
        if self.in_text:
            for each in node.values:
                if isinstance(each, ast.FormattedValue):
                    self.visit(each.value)
            return
        if isinstance(last, ast.Constant) and str(last.value).endswith((".sql", ".py")):
            self.scan.file_names.append(node)
        self.fields(node, ("values",))

    def operation(self, node: ast.BinOp) -> None:
        if self.in_text and is_text(node):
            self.visit(node.left)
            self.visit(node.right)
            return
        if (
            isinstance(node.op, ast.Add)
            and isinstance(node.right, ast.Constant)
            and node.right.value in (".sql", ".py")
        ):
            self.scan.file_names.append(node)
        self.fields(node, ("left", "op", "right"))

    def function(self, node: Function | ast.Lambda, is_method: bool = False) -> None:
        if isinstance(node, ast.Lambda):
            self.out.append("<Lambda>")
        else:
            if is_overload(node):
                return
            self.bind(node.name)
            self.out += (TAGS[node.__class__], node.name)
            self.each(node.decorator_list)
        arguments = node.args
        self.each([*arguments.defaults, *arguments.kw_defaults])
        names = parameters(arguments)
        self.out.append(f"{len(arguments.posonlyargs)} {len(arguments.args)} {len(arguments.kwonlyargs)}")
        self.out.append(f"{arguments.vararg is not None} {arguments.kwarg is not None}")
        self.out += names
        self.enter("function", node, names[0] if is_method and names else None)
        self.scope.bound.update(names)
        self.each([node.body] if isinstance(node, ast.Lambda) else node.body)
        self.leave()

    def header(self, node: ast.ClassDef) -> None:
        self.out += ("<ClassDef>", node.name)
        self.each(node.decorator_list)
        self.each([*node.bases, *node.keywords])

    def class_(self, node: ast.ClassDef) -> None:
        self.bind(node.name)
        self.header(node)
        self.enter("class", node)
        self.each(node.body)
        self.leave()

    def comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        self.out.append(TAGS[node.__class__])
        self.visit(node.generators[0].iter)
        self.enter("comprehension", node)
        for number, generator in enumerate(node.generators):
            self.out.append(f"<for {generator.is_async}>")
            if number:
                self.visit(generator.iter)
            self.visit(generator.target)
            self.each(generator.ifs)
        if isinstance(node, ast.DictComp):
            self.visit(node.key)
            self.visit(node.value)
        else:
            self.visit(node.elt)
        self.leave()

    def walrus(self, node: ast.NamedExpr) -> None:
        self.out += ("<NamedExpr>", node.target.id)
        self.visit(node.value)
        scope = self.scope
        while scope.kind == "comprehension" and scope.parent:
            scope = scope.parent
        if scope.kind != "module" and node.target.id not in scope.declared:
            scope.bound.add(node.target.id)

    def import_(self, node: ast.Import | ast.ImportFrom) -> None:
        for name, origin in imported_names(self.module, node):
            self.out.append(f"<import> {name} {origin.module} {origin.name}")
            self.scan.imported.append(origin)
            if self.scope.kind != "module" and name != "*":
                self.scope.imports.setdefault(name, []).append(origin)

        if isinstance(node, ast.Import):
            self.scan.imported += [Origin(alias.name, None) for alias in node.names]

    def declaration(self, node: ast.Global | ast.Nonlocal) -> None:
        self.out += (TAGS[node.__class__], *node.names)
        self.scope.declared.update(dict.fromkeys(node.names, isinstance(node, ast.Global)))
        self.scope.bound.difference_update(node.names)

    def raise_(self, node: ast.Raise) -> None:
        self.out.append("<Raise>")
        if isinstance(node.exc, ast.Call):
            self.visit(node.exc.func)
            self.texts([*node.exc.args, *node.exc.keywords])
        elif node.exc is not None:
            self.visit(node.exc)
        if node.cause is not None:
            self.out.append("<from>")
            self.visit(node.cause)

    def assertion(self, node: ast.Assert) -> None:
        self.out.append("<Assert>")
        self.visit(node.test)
        if node.msg is not None:
            before, self.in_text = self.in_text, True
            self.unhashed(node.msg)
            self.in_text = before

    def annotated(self, node: ast.AnnAssign) -> None:
        if self.scope.kind == "class":
            special = ast.dump(node.annotation)
            self.out.append(f"<Field {[each for each in ('ClassVar', 'InitVar', 'KW_ONLY') if each in special]}>")
        elif node.value is None:
            if isinstance(node.target, ast.Name):
                self.bind(node.target.id)
            return
        else:  # in the form of an assignment without a type
            self.visit(ast.copy_location(ast.Assign(targets=[node.target], value=node.value), node))
            return
        self.visit(node.target)
        if node.value is not None:
            self.visit(node.value)

    def if_(self, node: ast.If) -> None:
        if is_type_checking(node.test):
            for statement in node.orelse:
                self.visit(statement)
        else:
            self.fields(node, ("test", "body", "orelse"))

    def expression(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # a docstring, or ...
            self.fields(node, ("value",))

    def nothing(self, node: ast.Pass) -> None:
        """A statement without effect has no form."""

    def class_pattern(self, node: ast.MatchClass) -> None:
        self.scan.attributes.update(node.kwd_attrs)
        self.fields(node, FIELDS[ast.MatchClass])

    def bound_name(self, node: ast.ExceptHandler | ast.MatchAs | ast.MatchStar | ast.MatchMapping) -> None:
        name = node.rest if isinstance(node, ast.MatchMapping) else node.name
        if name:
            self.bind(name)
        self.fields(node, FIELDS[node.__class__])
