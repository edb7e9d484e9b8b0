"""The lint for state in modules: each kind that it finds, what it lets pass, and that it passes on this repository."""

from __future__ import annotations

from textwrap import dedent

import pytest

from scripts import lint_state


def found(source: str) -> list[tuple[int, str]]:
    """The lines and names of the findings in a module."""
    return [(each.line, each.name) for each in lint_state.findings_of(dedent(source), "some/module.py")]


@pytest.mark.parametrize(
    "value",
    [
        "[]", "{}", "{1}", "[each for each in X]", "{each: 1 for each in X}", "{each for each in X}",
        "(each for each in X)",
        "list(X)", "dict(a=1)", "set()", "dict.fromkeys(X)", "bytearray(2)", "defaultdict(list)", "collections.deque()",
        "Counter()", "OrderedDict()", "threading.Lock()", "threading.local()", "Lock()", "queue.Queue()",
        "ContextVar('run')", "weakref.WeakKeyDictionary()", "(1, [2])", "MappingProxyType({'a': [1]})",
        "frozenset(X) or {1}", "tuple([1] for each in X)", "[1] + X", "{} if X else ()",
        "lru_cache(len)", "functools.cache(len)",
    ],
)  # fmt: skip
def test_a_value_that_can_be_changed_is_found_in_a_module_and_in_a_class(value: str) -> None:
    assert found(f"NAME = {value}") == [(1, "NAME")]
    assert found(f"if True:\n    NAME, other = {value}, 1") == [(2, "NAME")]
    assert found(f"class Some:\n    name = {value}") == [(2, "Some.name")]
    assert found(f"class Some:\n    name: ClassVar = {value}") == [(2, "Some.name")]
    assert found(f"def work():\n    name = {value}\n    return name") == []


@pytest.mark.parametrize(
    "line",
    [
        "NAME = (1, 'two', None)", "NAME = frozenset({1, 2})", "NAME = tuple(each for each in X)",
        "NAME = tuple([1, 2])",
        "NAME = MappingProxyType({'a': (1, 2)})", "__all__ = ['a']", "NAME = TypeVar('NAME')", "NAME = re.compile('x')",
        "NAME: Mapping[str, int] = {'a': 1}", "NAME: Sequence[str] = ['a']", "NAME: Final[Mapping[str, str]] = {}",
        "NAME: 'Mapping[str, tuple[int, ...]]' = {}", "NAME: AbstractSet[int] = {1}", "NAME = dict[str, int]",
        "log = logging.getLogger(__name__)", "NAME = timedelta(days=1)",
        "class Some(BaseModel):\n    model_config = {'frozen': True}",
        "@dataclass\nclass Some:\n    names: list[str] = field(default_factory=list)",
        "class Some:\n    def __init__(self):\n        self.a = 1\nNAME = Some()",
        "class Some(NamedTuple):\n    a: int\nNAME = Some(1)",
        "@dataclass(frozen=True)\nclass Some:\n    a: int\nNAME = Some(1)",
    ],
)  # fmt: skip
def test_a_constant_is_no_finding(line: str) -> None:
    assert found(line) == []


@pytest.mark.parametrize(
    "line",
    [
        "NAME: Final = {'a': 1}", "NAME: dict[str, int] = {}", "NAME: Mapping[str, list[int]] = {'a': [1]}",
        "NAME: MutableMapping[str, int] = {}", "NAME: Mapping[str, int] = defaultdict(int)",
        "NAME: Mapping[str, Any] = {}",
    ],
)  # fmt: skip
def test_an_annotation_that_lets_it_be_changed_does_not_help(line: str) -> None:
    assert found(line) == [(1, "NAME")]


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("last = None\ndef work():\n    global last\n    last = 1", "work.last"),
        ("import os\ndef work():\n    os.environ['A'] = 'a'", "work.os.environ"),
        ("import os\nos.environ.setdefault('A', 'a')", "os.environ"),
        ("import sys\ndef work():\n    sys.excepthook = print", "work.sys"),
        ("import sys\ndef work():\n    del sys.modules['a']", "work.sys.modules"),
        ("def work():\n    import warnings\n    warnings.filters += [1]", "work.warnings"),
        ("from pipelines.services import warehouse\ndef work():\n    warehouse.limit = 1", "work.warehouse"),
        ("from pipelines.services import warehouse\ndef work():\n    setattr(warehouse, 'limit', 1)", "work.warehouse"),
        ("from pipelines.core.errors import UsageError\ndef work():\n    UsageError.exit_code = 1", "work.UsageError"),
        ("NAMES: Mapping[str, int] = {}\ndef work():\n    NAMES['a'] = 1", "work.NAMES"),
        ("NAMES: Sequence[str] = []\ndef work():\n    NAMES.append('a')", "work.NAMES"),
        ("def work():\n    work.last = 1", "work.work"),
        ("class Some:\n    def work(self):\n        Some.last = 1", "Some.work.Some"),
        ("class Some:\n    def work(self):\n        type(self).last = 1", "Some.work.type(self)"),
        ("class Some:\n    def work(self):\n        self.__class__.seen.append(1)", "Some.work.self.__class__.seen"),
        ("class Some:\n    @classmethod\n    def work(cls):\n        cls.last = 1", "Some.work.cls"),
        ("class Some:\n    @classmethod\n    def work(cls):\n        cls.seen.add(1)", "Some.work.cls.seen"),
        ("def work(names=[]): ...", "work"),
        ("def work(*, names={}): ...", "work"),
        ("work = lambda names=[]: names", "lambda"),
        ("class Some:\n    def work(self):\n        self.last = 1\nNAME = Some()", "NAME"),
        ("class Some:\n    def work(self):\n        self.seen[1] = 1\nNAME = Some()", "NAME"),
        ("class Some:\n    def work(self):\n        self.seen.add(1)\nclass Other:\n    some = Some()", "Other.some"),
        ("@dataclass\nclass Some:\n    a: int\nNAME = Some(1)", "NAME"),
        ("from scripts.lint_state import Scope\nNAME = Scope('', True)", "NAME"),
        ("@lru_cache\ndef work(): ...", "work"),
        ("@functools.lru_cache(maxsize=1)\ndef work(): ...", "work"),
        ("class Some:\n    @cache\n    def work(self): ...", "Some.work"),
    ],
)
def test_what_a_function_leaves_behind_is_found(source: str, name: str) -> None:
    assert [each for _, each in found(source)] == [name]


@pytest.mark.parametrize(
    "source",
    [
        "def work():\n    names = []\n    names.append(1)\n    names[0] = 2",
        "NAMES = ()\ndef work(NAMES):\n    NAMES.append(1)",
        "class Some:\n    def __init__(self):\n        self.names = []\n        self.names.append(1)",
        "class Some:\n    def __init_subclass__(cls):\n        cls.name = 1",
        "class Some:\n    @cached_property\n    def work(self): ...",
        "import numpy as np\ndef work():\n    return np.add(1, 2)",
        "from pipelines.crypto import history\ndef work():\n    history.insert(1)",
        "def work():\n    last = 1\n    def inside():\n        nonlocal last\n        last = 2",
        "import streamlit as st\ndef work():\n    st.session_state['a'] = 1",
    ],
)
def test_what_stays_in_a_function_or_an_object_is_no_finding(source: str) -> None:
    assert found(source) == []


def test_a_finding_names_the_place_the_reason_and_what_to_do() -> None:
    (finding,) = lint_state.findings_of("NAMES = []", "some/module.py")
    assert str(finding) == f"some/module.py:1: NAMES is a list. {lint_state.FREEZE}"


def test_what_is_allowed_is_no_finding_and_an_idle_entry_is_one() -> None:
    findings = lint_state.findings_of("A = []\nB = []", "some/module.py")
    allowed = {"some/module.py:A": "a reason", "some/module.py:C": "a reason"}
    left = [*lint_state.without_allowed(findings, allowed)]
    assert [(each.name, each.why) for each in left] == [
        ("B", "is a list"),
        ("C", "is allowed, but there is no such finding"),
    ]


def test_each_entry_has_a_reason() -> None:
    assert all(len(reason) > 10 for reason in lint_state.ALLOWED.values())
