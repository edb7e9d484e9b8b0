"""What a code version covers: each kind of reference is followed, and nothing else counts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from pipelines.core.code_version import Code, CodeVersion
from pipelines.core.statements import ROOT, tokens
from tests.kernel.project import Project

Make = Callable[..., Project]
STAGE = "from pkg.core import Stage, query\n"
HELPERS = """
    LIMIT = 3
    OTHER = 4
    def used(x=LIMIT):
        return x + 1
    def unused():
        return used()
"""

# References ---------------------------------------------------------------------------------------------------------

REFERENCES = {
    "from import": ("from pkg.flow.helpers import used", "used()"),
    "from import as": ("from pkg.flow.helpers import used as u", "u()"),
    "import of a module": ("from pkg.flow import helpers", "helpers.used()"),
    "module as": ("from pkg.flow import helpers as h", "h.used()"),
    "dotted import": ("import pkg.flow.helpers", "pkg.flow.helpers.used()"),
    "dotted import as": ("import pkg.flow.helpers as h", "h.used()"),
    "relative import": ("from .helpers import used", "used()"),
    "relative module": ("from . import helpers", "helpers.used()"),
    "relative from above": ("from ..flow.helpers import used", "used()"),
    "from a package": ("from pkg import flow\nimport pkg.flow.helpers as _", "flow.helpers.used()"),
    "decorator of a nested function": ("from pkg.flow.helpers import used", "@used\n        def inner(): return 1"),
    "base of a nested class": ("from pkg.flow.helpers import used", "class Inner(used()): pass"),
    "walrus": ("from pkg.flow.helpers import used", "(f := used) and f()"),
    "starred": ("from pkg.flow.helpers import used", "print(*used(), **used())"),
    "slice": ("from pkg.flow.helpers import used", "tx[used():]"),
    "match": ("from pkg.flow import helpers", "match tx:\n            case 1 if helpers.used(): pass"),
    "context manager": ("from pkg.flow.helpers import used", "with used() as x: pass"),
    "generator": ("from pkg.flow.helpers import used", "yield from used()"),
    "condition of a comprehension": ("from pkg.flow.helpers import used", "{x: 1 for x in tx if used()}"),
    "shadowed elsewhere": ("from pkg.flow.helpers import used", "def inner(used): return used\n        used()"),
    "constant of a constant": ("from pkg.flow.helpers import used\nONE = [used]\nTWO = (ONE,)", "TWO[0]()"),
    "added to a constant": ("from pkg.flow.helpers import used\nALL = []\nALL += [used]", "ALL[0]()"),
    "appended to a constant": ("from pkg.flow.helpers import used\nALL = []\nALL.append(used)", "ALL[0]()"),
    "within try": ("try:\n    from pkg.flow.helpers import used\nexcept ImportError:\n    used = None", "used()"),
    "value": ("from pkg.flow.helpers import used", "map(used, [1])"),
    "alias": ("from pkg.flow import helpers", "f = helpers.used; f()"),
    "lambda": ("from pkg.flow.helpers import used", "(lambda: used())()"),
    "getattr": ("from pkg.flow import helpers", "getattr(helpers, 'used')()"),
    "comprehension": ("from pkg.flow.helpers import used", "[used(x) for x in ()]"),
    "f-string": ("from pkg.flow.helpers import used", "f'{used()}'"),
    "f-string of an error": ("from pkg.flow.helpers import used", "raise ValueError(f'it is {used()}')"),
    "f-string of a log": ("import logging\nfrom pkg.flow.helpers import used", "logging.info(f'it is {used()}')"),
    "format of an error": ("from pkg.flow.helpers import used", "raise ValueError('it is {}'.format(used()))"),
    "assert": ("from pkg.flow.helpers import used", "assert tx, f'{used()}'"),
    "default": ("from pkg.flow.helpers import used", "def inner(x=used()): return x\n        inner()"),
    "nested": ("from pkg.flow.helpers import used", "def inner():\n            return used()\n        inner()"),
    "within the function": ("", "from pkg.flow.helpers import used\n        used()"),
    "within the function, relative": ("", "from . import helpers as h\n        h.used()"),
    "partial": ("import functools\nfrom pkg.flow.helpers import used", "functools.partial(used)()"),
    "constant": ("from pkg.flow.helpers import used\nBY_NAME = {'a': used}", "BY_NAME['a']()"),
    "condition": ("from pkg.flow.helpers import used\nif True:\n    run = used\nelse:\n    run = None", "run()"),
}


@pytest.mark.parametrize(("imports", "use"), REFERENCES.values(), ids=REFERENCES)
def test_a_function_is_found_however_it_is_referred_to(project: Make, imports: str, use: str) -> None:
    made = project(f"{STAGE}{imports}\nclass A(Stage):\n    def work(self, tx):\n        {use}\n", helpers=HELPERS)
    before = made.version()
    assert "pkg.flow.helpers.used" in before.parts
    assert "pkg.flow.helpers.LIMIT" in before.parts, "its default refers to it"
    assert made.problems() == []
    made.edit("pkg/flow/helpers.py", "return x + 1", "return x + 2")
    after = made.version()
    assert Code.changes(before.parts, after.parts) == ((), (), ("pkg.flow.helpers.used",))
    made.edit("pkg/flow/helpers.py", "LIMIT = 3", "LIMIT = 5")
    assert made.version().digest != after.digest


@pytest.mark.parametrize(("imports", "use"), REFERENCES.values(), ids=REFERENCES)
def test_what_is_not_referred_to_does_not_count(project: Make, imports: str, use: str) -> None:
    made = project(f"{STAGE}{imports}\nclass A(Stage):\n    def work(self, tx):\n        {use}\n", helpers=HELPERS)
    before = made.version()
    made.edit("pkg/flow/helpers.py", "return used()", "return used() * 2")
    made.edit("pkg/flow/helpers.py", "OTHER = 4", "OTHER = 5")
    assert made.version() == before


WHOLE = {
    "its file": ("from pkg.flow import helpers", "open(helpers.__file__)"),
    "getattr": ("from pkg.flow import helpers", "getattr(helpers, tx)()"),
    "star": ("from pkg.flow.helpers import *", "used()"),
    "value": ("from pkg.flow import helpers", "print(helpers)"),
    "sibling file": ("from pathlib import Path", "Path(__file__).with_name('helpers.py')"),
    "sibling file, resolved": (
        "from pathlib import Path",
        "(Path(__file__).resolve().parent / 'helpers.py').read_text()",
    ),
    "import by name": ("import importlib", "importlib.import_module('pkg.flow.helpers').used()"),
    "import by relative name": ("import importlib", "importlib.import_module('.helpers', __package__)"),
    "loaded modules": ("import sys", "sys.modules['pkg.flow.helpers']"),
    "namespace": ("from pkg.flow import helpers", "vars(helpers)"),
}


@pytest.mark.parametrize(("imports", "use"), WHOLE.values(), ids=WHOLE)
def test_a_module_that_is_used_as_a_whole_counts_as_a_whole(project: Make, imports: str, use: str) -> None:
    made = project(f"{STAGE}{imports}\nclass A(Stage):\n    def work(self, tx):\n        {use}\n", helpers=HELPERS)
    assert {"helpers.used", "helpers.unused", "helpers.LIMIT", "helpers.OTHER"} <= made.parts()
    assert made.problems() == []


def test_the_folder_of_a_module_is_not_its_text(project: Make) -> None:
    made = project(f"""{STAGE}
from pathlib import Path
ROOT = Path(__file__).resolve().parents[2]
def other(): return 1
class A(Stage):
    def work(self, tx): return ROOT
""")
    assert "tasks.other" not in made.parts()
    made.edit("pkg/flow/tasks.py", "return ROOT", "return Path(__file__).read_text()")
    assert "tasks.other" in made.parts()


def test_a_name_that_another_module_imports_is_followed_to_where_it_is_defined(project: Make) -> None:
    made = project(
        f"{STAGE}from pkg.flow import front\nclass A(Stage):\n    def work(self, tx): return front.p()\n",
        front="from pkg.flow.back import one as p, two as q\ndef other(): return q()",
        back="def one(): return 1\ndef two(): return 2\n",
    )
    before = made.version()
    assert "pkg.flow.back.one" in before.parts
    assert "pkg.flow.back.two" not in before.parts
    made.edit("pkg/flow/front.py", "one as p, two as q", "two as p, one as q")
    assert made.version().digest != before.digest


def test_swapping_two_imported_names_is_a_change(project: Make) -> None:
    made = project(
        f"{STAGE}from pkg.flow.back import one as p, two as q\n"
        "class A(Stage):\n    def work(self, tx): return p() - q()\n",
        back="def one(): return 1\ndef two(): return 2\n",
    )
    before = made.version()
    made.edit("pkg/flow/tasks.py", "one as p, two as q", "two as p, one as q")
    assert made.version().digest != before.digest


def test_which_library_a_name_comes_from_counts(project: Make) -> None:
    made = project(f"{STAGE}from math import floor as f\nclass A(Stage):\n    def work(self, tx): return f(tx)\n")
    before = made.version()
    made.edit("pkg/flow/tasks.py", "floor as f", "ceil as f")
    assert made.version().digest != before.digest


def test_a_local_name_is_not_the_function_of_that_name(project: Make) -> None:
    made = project(f"""{STAGE}
def frame(): return 1
def read(): return 2
class A(Stage):
    def work(self, frame):
        read = frame
        return [read for read in read]
""")
    assert made.parts() == {"tasks.A", "tasks.A.work"}


def test_what_a_decorator_does_counts(project: Make) -> None:
    made = project(
        f"{STAGE}from pkg.flow.helpers import run\nclass A(Stage):\n    def work(self, tx): return run()\n",
        helpers="def twice(f): return lambda: f() * 2\n@twice\ndef run(): return 1\n",
    )
    assert {"helpers.run", "helpers.twice"} <= made.parts()


def test_what_registers_itself_at_import_counts(project: Make) -> None:
    made = project(
        f"{STAGE}from pkg.flow.helpers import run\nclass A(Stage):\n    def work(self, tx): return run(tx)\n",
        helpers="""
        ALL = {}
        def register(f):
            ALL[f.__name__] = f
            return f
        @register
        def one(): return 1
        def run(name): return ALL[name]()
        """,
    )
    assert {"helpers.run", "helpers.ALL", "helpers.one"} <= made.parts()


def test_what_a_module_does_at_import_counts(project: Make) -> None:
    made = project(
        f"{STAGE}from pkg.flow import plugins\nfrom pkg.flow.helpers import run\n"
        "class A(Stage):\n    def work(self, tx): return run(tx)\n",
        helpers="ALL = {}\ndef mark(): return 1\nALL['a'] = mark\ndef run(name): return ALL[name]()",
        plugins="from pkg.flow import helpers\ndef two(): return 2\nhelpers.ALL.update(b=two)",
    )
    assert {"helpers.mark", "helpers.<module>", "plugins.two", "plugins.<module>"} <= made.parts()


def test_what_only_a_command_does_at_import_does_not_count(project: Make) -> None:
    made = project(
        f"{STAGE}from pkg.flow.helpers import run\nclass A(Stage):\n    def work(self, tx): return run(tx)\n",
        helpers="def run(x): return x\ndef main(): return 1\nif __name__ == '__main__':\n    main()",
    )
    assert "helpers.main" not in made.parts()


# Classes ------------------------------------------------------------------------------------------------------------


def test_a_helper_is_that_of_the_stages_own_class(project: Make) -> None:
    made = project(f"""{STAGE}
class Base(Stage):
    part = 1
    def work(self, tx): return self.helper(self.part)
    def helper(self, x): return x
    def other(self): return 1
class A(Base):
    part = 2
    def helper(self, x): return super().helper(x) + 1
class B(Base):
    def helper(self, x): return x * 2
""")
    own = {"tasks.Base", "tasks.Base.work"}
    assert made.parts("A") == own | {"tasks.A", "tasks.A.helper", "tasks.Base.helper", "tasks.A.part"}
    assert made.parts("B") == own | {"tasks.B", "tasks.B.helper", "tasks.Base.part"}


def test_super_follows_the_order_of_the_stages_own_class(project: Make) -> None:
    made = project(f"""{STAGE}
class Base(Stage):
    def work(self, tx): return 1
class Left(Base):
    def work(self, tx): return super().work(tx)
class Right(Base):
    def work(self, tx): return super().work(tx)
class A(Left, Right):
    pass
class B(Left):
    pass
""")
    assert "tasks.Right.work" in made.parts("A")
    assert "tasks.Right.work" not in made.parts("B")


def test_an_attribute_of_a_stage_counts_only_where_it_is_used(project: Make) -> None:
    made = project(f"""{STAGE}
class Before(Stage):
    after = ()
    def work(self, tx): return 1
class A(Stage):
    after = (Before,)
    def work(self, tx): return self.sibling(Before).record()
""")
    assert made.parts() == {"tasks.A", "tasks.A.work", "tasks.Before"}


def test_a_method_of_an_object_of_unknown_class_is_that_of_every_class_that_has_it(project: Make) -> None:
    made = project(
        f"{STAGE}from pkg.flow.shapes import make\n"
        "class A(Stage):\n    def work(self, tx): return make().area() + tx.side\n",
        shapes="""
        def make(): return None
        class Square:
            def area(self): return self.scale()
            def scale(self): return 1
            def paint(self): return 1
        class Circle:
            def area(self): return 3
            @property
            def side(self): return 1
        """,
    )
    assert {"shapes.Square.area", "shapes.Circle.area", "shapes.Circle.side", "shapes.Square.scale"} <= made.parts()
    assert "shapes.Square.paint" not in made.parts()


def test_an_object_that_comes_from_elsewhere_may_be_of_an_imported_class(project: Make) -> None:
    made = project(
        f"{STAGE}from pkg.flow.shapes import Square\n"
        "class A(Stage):\n    def work(self, tx): return self.shape.area()\n",
        shapes="class Square:\n    def area(self): return 1\n",
    )
    assert "shapes.Square.area" in made.parts()


def test_self_of_another_class_may_be_a_subclass(project: Make) -> None:
    made = project(f"""{STAGE}
class Rule:
    def check(self): return self.limit()
    def limit(self): return 1
class Strict(Rule):
    def limit(self): return 2
class A(Stage):
    def work(self, tx): return Rule.check(Strict())
""")
    assert {"tasks.Rule.limit", "tasks.Strict.limit"} <= made.parts()


CLASS = """
    from dataclasses import dataclass, field
    def number(): return 1
    class Base:
        def inherited(self): return number()
    @dataclass(frozen=True)
    class Thing(Base):
        size: int
        name: str = "a"
        many: list = field(default_factory=lambda: [number()])
        def __post_init__(self): return 1
        @property
        def double(self): return self.size * 2
        @classmethod
        def make(cls): return cls(3)
        @staticmethod
        def plain(): return 2
        def __enter__(self): return self
        def __exit__(self, *args): return None
        def unused(self): return 9
"""


@pytest.mark.parametrize(("use", "part"), [
    ("Thing(1)", "Thing.__post_init__"), ("Thing(1)", "number"), ("Thing(1)", "Base"),
    ("Thing(1).double", "Thing.double"), ("Thing.make()", "Thing.make"), ("Thing.plain()", "Thing.plain"),
    ("Thing.make().inherited()", "Base.inherited"), ("with Thing(1): pass", "Thing.__enter__"),
    ("getattr(Thing(1), 'double')", "Thing.double"),
    ("__import__('operator').attrgetter('double')(Thing(1))", "Thing.double"),
])  # fmt: skip
def test_the_parts_of_a_class_are_found(project: Make, use: str, part: str) -> None:
    tasks = f"{STAGE}from pkg.flow.things import Thing\nclass A(Stage):\n    def work(self, tx):\n        {use}\n"
    made = project(tasks, things=CLASS)
    assert {f"things.{part}", "things.Thing"} <= made.parts()
    assert "things.Thing.unused" not in made.parts()


@pytest.mark.parametrize(("old", "new"), [
    ("size: int", "size2: int"), ('name: str = "a"', 'name: str = "b"'), ("frozen=True", "frozen=False"),
    ("class Thing(Base)", "class Thing"), ("size: int", "size: int = 1"),
    ("return 1\n    class", "return 2\n    class"),
])  # fmt: skip
def test_fields_bases_and_decorators_of_a_class_count(project: Make, old: str, new: str) -> None:
    made = project(
        f"{STAGE}from pkg.flow.things import Thing\nclass A(Stage):\n    def work(self, tx): return Thing(1)\n",
        things=CLASS,
    )
    before = made.version()
    made.write({"pkg/flow/things.py": CLASS.replace(old, new)})
    assert made.version().digest != before.digest


def test_methods_that_a_library_calls_count(project: Make) -> None:
    made = project(f"""{STAGE}
import logging
class Quiet(logging.Filter):
    def filter(self, record): return False
class A(Stage):
    def work(self, tx): return Quiet()
""")
    assert "tasks.Quiet.filter" in made.parts()


def test_attributes_of_an_exception_count_only_where_they_are_used(project: Make) -> None:
    made = project(f"""{STAGE}
from pkg.core.errors import Failure
class Bad(Failure):
    exit_code = 3
class A(Stage):
    def work(self, tx): raise Bad("no")
class B(Stage):
    def work(self, tx):
        try:
            return tx()
        except Bad as error:
            return error.exit_code
""")
    assert made.parts("A") == {"tasks.A", "tasks.A.work", "tasks.Bad"}
    assert "tasks.Bad.exit_code" in made.parts("B")


def test_subclasses_that_are_asked_for_count(project: Make) -> None:
    made = project(f"""{STAGE}
class Shape:
    def area(self): return 0
class Square(Shape):
    def area(self): return 1
class A(Stage):
    def work(self, tx): return [each().area() for each in Shape.__subclasses__()]
""")
    assert "tasks.Square.area" in made.parts()


def test_an_overridden_attribute_is_that_of_the_stages_own_class(project: Make) -> None:
    made = project(
        f"""{STAGE}
from pkg.flow.helpers import used, unused
class Base(Stage):
    run = staticmethod(used)
    def work(self, tx): return self.run()
class A(Base):
    run = staticmethod(unused)
class B(Base):
    pass
""",
        helpers="def used(): return 1\ndef unused(): return 2\n",
    )
    assert "helpers.unused" in made.parts("A")
    assert "helpers.used" not in made.parts("A")
    assert "helpers.used" in made.parts("B")


def test_a_nested_function_counts_with_the_function_around_it(project: Make) -> None:
    made = project(f"""{STAGE}
class A(Stage):
    def work(self, tx):
        def inner(x):
            return self.helper(x)
        return [lambda: inner(1)]
    def helper(self, x): return x
""")
    assert "tasks.A.helper" in made.parts()
    before = made.version()
    made.edit("pkg/flow/tasks.py", "inner(1)", "inner(2)")
    assert made.version() != before


def test_a_class_body_may_name_what_it_has_and_what_its_module_has(project: Make) -> None:
    made = project(
        f"""{STAGE}
from pkg.flow.helpers import size
class Thing:
    size = size
    double = size * 2
class A(Stage):
    def work(self, tx): return Thing.double
""",
        helpers="size = 3\n",
    )
    assert {"helpers.size", "tasks.Thing"} <= made.parts()


# What does not count ------------------------------------------------------------------------------------------------

SAME = {
    "docstring": ('"""Docs."""', '"""Other docs."""'),
    "comment": ("# a comment", "# another"),
    "blank line": ("value = 1", "value = 1\n\n"),
    "quotes": ("'a'", '"a"'),
    "parentheses": ("value + 1", "(value + 1)"),
    "annotation": ("value: int", "value: float"),
    "result": ("-> int", "-> float"),
    "variable annotation": ("total: int", "total: float"),
    "log": ("log.info('read", "log.info('have read"),
    "log f-string": ("log.debug(f'rows {value}'", "log.debug(f'there are rows {value}'"),
    "getLogger": (".warning('slow')", ".warning('very slow')"),
    "warning": ("warnings.warn('old", "warnings.warn('obsolete"),
    "people": ("console.note('done", "console.note('all done"),
    "error": ("raise ValueError('bad", "raise ValueError('wrong"),
    "concatenation": ("'bad ' + str(value)", "'wrong ' + str(value)"),
    "percent": ("'bad %s' % value", "'wrong %s' % value"),
    "error f-string": ("f'no {value}", "f'not {value}"),
    "error by name": ("Failure('none", "Failure('nothing"),
    "error that is returned": ("Failure(f'refused", "Failure(f'not taken"),
    "assertion": ("assert value, 'none'", "assert value, f'nothing {value}'"),
    "type-only code": ("import Never", "import Never, NoReturn"),
    "order": ("FIRST = 1\n    SECOND = 2", "SECOND = 2\n    FIRST = 1"),
    "attribute of the exception": ("code = 2", "code = 3"),
}
PLAIN = '''
    """Docs."""
    from __future__ import annotations
    import logging, warnings
    from typing import TYPE_CHECKING
    from pkg.core.errors import Failure
    from pkg.services import console
    if TYPE_CHECKING:
        from typing import Never
    FIRST = 1
    SECOND = 2
    log = logging.getLogger(__name__)
    class Mine(Exception):
        code = 2
    def used(value: int) -> int:
        # a comment
        total: int = FIRST + SECOND
        value = 1
        log.info('read %s', value)
        log.debug(f'rows {value}')
        logging.getLogger("x").warning('slow')
        warnings.warn('old')
        console.note('done')
        assert value, 'none'
        if value > 1:
            raise ValueError('bad')
        if value > 2:
            raise Mine('bad ' + str(value))
        if value > 3:
            raise Mine('bad %s' % value)
        if value > 4:
            raise Mine(f'no {value}')
        if value > 5:
            raise Failure('none')
        if value > 6:
            return Failure(f'refused {value}')
        return {'a': value + 1}
'''


@pytest.mark.parametrize(("old", "new"), SAME.values(), ids=SAME)
def test_what_does_not_decide_the_result_does_not_count(project: Make, old: str, new: str) -> None:
    tasks = f"{STAGE}from pkg.flow.plain import used\nclass A(Stage):\n    def work(self, tx): return used(1)\n"
    made = project(tasks, plain=PLAIN)
    before = made.version()
    assert PLAIN.count(old) >= 1
    made.write({"pkg/flow/plain.py": PLAIN.replace(old, new, 1)})
    assert made.version() == before
    made.write({"pkg/flow/plain.py": PLAIN.replace("value + 1", "value + 2")})
    assert made.version() != before


@pytest.mark.parametrize(
    ("old", "new"), [("value > 1", "value > 9"), ("Mine(f'no", "ValueError(f'no"), ("'a': ", "'b': ")]
)
def test_what_is_around_a_text_counts(project: Make, old: str, new: str) -> None:
    tasks = f"{STAGE}from pkg.flow.plain import used\nclass A(Stage):\n    def work(self, tx): return used(1)\n"
    made = project(tasks, plain=PLAIN)
    before = made.version()
    made.write({"pkg/flow/plain.py": PLAIN.replace(old, new, 1)})
    assert made.version() != before


@pytest.mark.parametrize(
    "message",
    ["log.info('x', g('{}'))", "raise ValueError(f'no {{g(\"{}\")}}')", "log.info(f'{{(y := g(\"{}\"))}}')"],
)
def test_a_call_within_a_message_counts(project: Make, message: str) -> None:
    helpers = "import logging\nlog = logging.getLogger()\ndef g(text): return text\ndef used(): {}\n"
    tasks = f"{STAGE}from pkg.flow.helpers import used\nclass A(Stage):\n    def work(self, tx): return used()\n"
    made = project(tasks, helpers=helpers.format(message.format("a")))
    before = made.version()
    made.write({"pkg/flow/helpers.py": helpers.format(message.format("b"))})
    assert made.version() != before


def test_reordering_functions_changes_nothing(project: Make) -> None:
    one, two = "def one():\n    return two()\n", "def two():\n    return 2\n"
    tasks = f"{STAGE}from pkg.flow.helpers import one\nclass A(Stage):\n    def work(self, tx): return one()\n"
    made = project(tasks, helpers=one + two)
    before = made.version()
    made.write({"pkg/flow/helpers.py": two + one})
    assert made.version() == before


# SQL ----------------------------------------------------------------------------------------------------------------

READS_BOTH = {"sql/flow/read_a.sql", "sql/flow/read_b.sql"}
SQL = {
    "literal": ("query('flow/upsert')", {"sql/flow/upsert.sql"}),
    "keyword": ("query(name='flow/upsert')", {"sql/flow/upsert.sql"}),
    "service": ("one(tx, 'flow/upsert')", {"sql/flow/upsert.sql"}),
    "in the root": ("query('clock')", {"sql/clock.sql"}),
    "text": ("print('flow/upsert')", {"sql/flow/upsert.sql"}),
    "either": ("query('flow/read_a' if tx else 'flow/read_b')", READS_BOTH),
    "f-string": ("query(f'flow/read_{tx}')", READS_BOTH),
    "concatenation": ("query('flow/read_' + tx)", READS_BOTH),
    "percent": ("query('flow/read_%s' % tx)", READS_BOTH),
    "format": ("query('flow/read_{}'.format(tx))", READS_BOTH),
    "variable": ("name = 'flow/read_a'\n        if tx: name = 'flow/read_b'\n        query(name)", READS_BOTH),
    "loop": ("for name in ('flow/read_a', 'flow/read_b'): query(name)", READS_BOTH),
    "comprehension": ("[query(name) for name in ('flow/read_a', 'flow/read_b')]", READS_BOTH),
    "constant": ("query(NAME)", {"sql/flow/upsert.sql"}),
    "constants": ("[query(name) for name in NAMES]", READS_BOTH),
    "by key": ("query({'a': 'flow/read_a', 'b': 'flow/read_b'}[tx])", READS_BOTH),
    "helper": ("helper(tx, 'flow/upsert')", {"sql/flow/upsert.sql"}),
    "helper, f-string": ("helper(tx, f'flow/read_{tx}')", READS_BOTH),
    "helper of a helper": ("outer('flow/upsert')", {"sql/flow/upsert.sql"}),
    "method": ("self.ask('flow/upsert')", {"sql/flow/upsert.sql"}),
    "default": ("by_default()", {"sql/flow/upsert.sql"}),
    "path": ("open('sql/flow/upsert.sql')", {"sql/flow/upsert.sql"}),
    "file": ("open(tx / 'upsert.sql')", {"sql/flow/upsert.sql"}),
    "composed file": ("open(tx / f'read_{tx}.sql')", READS_BOTH),
    "glob": ("tx.glob('read_*.sql')", READS_BOTH),
}
TASKS = (
    STAGE
    + """
from pkg.services import one
NAME: str = 'flow/upsert'
NAMES = ('flow/read_a', 'flow/read_b')
LISTED = ['flow/read_a']
BY_KEY = {{1: 'flow/read_a', 2: 'flow/read_b'}}
def helper(tx, name): return query(name)
def outer(what): return helper(1, name=what)
def by_default(name='flow/upsert'): return query(name)
class A(Stage):
    statement = 'flow/upsert'
    def ask(self, name): return query(name)
    def work(self, tx):
        {use}
"""
)


@pytest.mark.parametrize(("use", "files"), SQL.values(), ids=SQL)
def test_the_sql_that_is_loaded_by_name_is_found(project: Make, use: str, files: set[str]) -> None:
    made = project(TASKS.format(use=use))
    assert {part for part in made.parts() if part.startswith("sql/")} == files
    assert made.problems() == []


UNBOUNDED = {
    "query(tx)": "tx",
    "query(f'{tx}')": "f'{tx}'",
    "query(tx.name)": "tx.name",
    "query(self.statement)": "self.statement",
    "query(BY_KEY[tx])": "BY_KEY[tx]",
    "[query(name) for name in LISTED]": "name",
    "names = ['flow/read_a']; names.append(tx)\n        for name in names: query(name)": "name",
    "helper(tx, tx.name)": "tx.name",
    "outer(tx.name)": "tx.name",
    "map(query, NAMES)": "query",
    "map(helper, NAMES)": "helper",
    "query(*tx)": "query",
    "query(**tx)": "query",
    "open(tx / f'{tx}.sql')": "f'{tx}.sql'",
    "open(tx + '.sql')": "tx + '.sql'",
    "def ask(name): query(name)\n        yield ask": "name",
    "(lambda name: query(name))(tx)": "name",
}


@pytest.mark.parametrize("use", UNBOUNDED)
def test_sql_that_cannot_be_bounded_is_a_problem_and_takes_in_all_of_the_flow(project: Make, use: str) -> None:
    made = project(TASKS.format(use=use))
    files = {part for part in made.parts() if part.startswith("sql/")}
    assert files >= {"sql/clock.sql", "sql/flow/upsert.sql", *READS_BOTH}
    (problem,) = made.problems()
    assert (problem.file, problem.name) == ("pkg/flow/tasks.py", UNBOUNDED[use])
    assert (made.root / problem.file).read_text().splitlines()[problem.line - 1].strip()
    assert "SQL" in problem.why
    assert str(problem.line) in str(problem)


@pytest.mark.parametrize(("use", "name"), [
    ("undefined()", "undefined"), ("query('flow/absent')", "flow/absent"),
    ("query(f'flow/absent_{tx}')", "flow/absent_*"),
    ("from pkg.flow import absent\n        absent.run()", "absent.run"),
    ("import pkg.flow.tasks\n        pkg.flow.tasks.absent()", "pkg.flow.tasks.absent"),
    ("eval(tx)", "eval"), ("__import__(tx)", "__import__(tx)"),
])  # fmt: skip
def test_what_cannot_be_resolved_is_a_problem_with_file_and_line(project: Make, use: str, name: str) -> None:
    made = project(TASKS.format(use=use))
    problem = next(each for each in made.problems() if each.name == name)
    assert problem.file == "pkg/flow/tasks.py"
    assert use.splitlines()[-1].strip() in (made.root / problem.file).read_text().splitlines()[problem.line - 1]


def test_no_problem_in_libraries_builtins_and_locals(project: Make) -> None:
    made = project(f"""{STAGE}
import os.path, numpy as np
from somewhere import *
class A(Stage):
    def work(self, tx):
        global later
        later = 1
        import json
        with open(os.path.join("a")) as file, tx() as (one, *others):
            json.load(file), np.array(others), from_somewhere(one)
        try:
            later()
        except OSError as error:
            return error, __name__, [len(x) for x in others if (y := x) and y]
        match tx:
            case {{"a": first, **rest}} | [first, *rest]:
                return first, rest
""")
    assert made.problems() == []


def test_an_entry_that_is_not_there_is_refused(project: Make) -> None:
    made = project(f"{STAGE}class A(Stage):\n    def work(self, tx): return 1\n")
    with pytest.raises(LookupError, match=r"pkg.flow.tasks.Absent.work"):
        made.version("Absent")
    assert [problem.name for problem in made.code().problems(["pkg.flow.tasks.A.absent"])] == ["absent"]


@pytest.mark.parametrize(("text", "same"), [
    ("select  1 -- one\n from t", True), ("SELECT 1 /* a /* b */ c */ FROM t", True), ("SELECT 1\nFROM t;", False),
    ("SELECT 1 FROM T", False), ('SELECT 1 FROM "t"', False), ("SELECT 1 FROM t t", False), ("SELECT 2 FROM t", False),
])  # fmt: skip
def test_comments_spaces_and_the_case_of_keywords_do_not_count_in_sql(text: str, same: bool) -> None:
    assert (tokens(text) == tokens("SELECT 1 FROM t")) is same


@pytest.mark.parametrize("quoted", [
    "'a -- b'", "'it''s /* '", "E'a\\' -- '", "$$ -- a $$", "$x$ /* $$ */ $x$", '"a -- ""b"', "'SELECT  x'",
])  # fmt: skip
def test_what_is_quoted_is_kept(quoted: str) -> None:
    assert tokens(f"SELECT {quoted} FROM t") == ["select", quoted, "from", "t"]


def test_the_name_of_a_column_keeps_its_case() -> None:
    assert tokens("SELECT a AS Values, t.From") == ["select", "a", "as", "Values", ",", "t", ".", "From"]


@pytest.mark.parametrize("placeholder", ["%(run_date)s", "$cutoff", "{reasons}", "%s", "::text[]", "<=", "!~"])
def test_placeholders_and_operators_are_tokens(placeholder: str) -> None:
    assert "".join(tokens(f"x {placeholder} y")) == f"x{placeholder}y"


# What is not followed -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("use", [
    "from pkg.services import suites\n        suites.judge()", "from pkg.services.suites import judge\n        judge()",
    "import pkg.services.suites\n        pkg.services.suites.judge()",
])  # fmt: skip
def test_a_service_counts_by_the_version_that_it_declares(project: Make, use: str) -> None:
    made = project(f"{STAGE}class A(Stage):\n    def work(self, tx):\n        {use}\n")
    before = made.version()
    assert before.parts["pkg.services.suites.VERSION"] == "3"
    made.edit("pkg/services/suites.py", "def judge(): ...", "def judge(): return 1")
    assert made.version() == before
    made.edit("pkg/services/suites.py", "VERSION = 3", "VERSION = 4")
    assert Code.changes(before.parts, made.version().parts).changed == ("pkg.services.suites.VERSION",)


def test_a_service_that_declares_no_version_does_not_count(project: Make) -> None:
    made = project(f"{STAGE}from pkg.services import plain\nclass A(Stage):\n    def work(self, tx): plain.judge()\n")
    assert made.parts() == {"tasks.A", "tasks.A.work"}


def test_changes_are_named() -> None:
    old, new = {"a": "1", "b": "1", "c": "1"}, {"b": "2", "c": "1", "d": "1"}
    assert Code.changes(old, new) == (("d",), ("a",), ("b",))
    assert CodeVersion.of(old).digest == CodeVersion.of(dict(reversed(old.items()))).digest
    assert CodeVersion.of(old).digest != CodeVersion.of(new).digest


def test_a_version_depends_on_no_order() -> None:
    """Neither on that of sets, which differs from process to process, nor on that of the entries."""
    program = (
        "import sys, json; from pathlib import Path; from tests.kernel.stages import entries\n"
        "from pipelines.core.code_version import Code; from pipelines.core.statements import ROOT\n"
        "code = Code(ROOT); names = sorted(entries(), reverse=sys.argv[1] == 'reverse')\n"
        "print(json.dumps({name: dict(code.version_of(name).parts) for name in names}, sort_keys=True))\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program, order], env={**os.environ, "PYTHONHASHSEED": seed}, cwd=ROOT, check=True,
            capture_output=True,
        ).stdout
        for seed, order in (("1", "reverse"), ("2", ""), ("3", ""))
    }  # fmt: skip
    assert len(outputs) == 1


def test_modules_that_import_each_other(project: Make) -> None:
    made = project(
        f"{STAGE}from pkg.flow import one, two\n"
        "class A(Stage):\n    def work(self, tx): return one.x()\n"
        "class B(Stage):\n    def work(self, tx): return two.x()\n",
        one="from pkg.flow.two import *\nfrom pkg.flow.three import *\n",
        two="from pkg.flow.one import *\n",
        three="def x(): return 1\n",
    )
    code = made.code()
    for stage in "AB":
        assert "pkg.flow.three.x" in code.version_of(f"pkg.flow.tasks.{stage}.work").parts
    assert made.problems("AB") == []


def test_a_stage_is_found_where_its_package_imports_it_from(project: Make) -> None:
    made = project(
        "from pkg.flow.inner import A\n",
        inner=f"{STAGE}class A(Stage):\n    def work(self, tx): return query('flow/upsert')\n",
    )
    assert made.parts() == {"inner.A", "inner.A.work", "sql/flow/upsert.sql"}


@pytest.mark.parametrize(("body", "part"), [
    ("work = staticmethod(helpers.used)", "helpers.used"),
    ("@helpers.used\n    def work(self, tx): return 1", "helpers.used"),
    ("@property\n    def size(self): return helpers.used()\n    def work(self, tx): return self.size", "helpers.used"),
    ("@classmethod\n    def make(cls): return helpers.used()\n    def work(self, tx): return type(self).make()",
     "tasks.A.make"),
    ("@classmethod\n    def make(cls): return cls.last()\n    @classmethod\n    def last(cls): return 1\n"
     "    def work(self, tx): return self.make()", "tasks.A.last"),
    ("def prepare(self): self.engine = helpers.used\n    def work(self, tx): me = self; me.prepare()", "helpers.used"),
    ("def work(self, tx): return [self.one(x) for x in tx]\n    def one(self, x): return helpers.used(x)",
     "helpers.used"),
    ("def work(self, tx): return map(self.one, tx)\n    def one(self, x): return helpers.used(x)", "helpers.used"),
    ("def work(self, tx): return getattr(self, tx)()\n    def one(self): return helpers.used()", "helpers.used"),
    ("def work(self, tx): return getattr(self, 'one')()\n    def one(self): return helpers.used()", "helpers.used"),
    ("def __init__(self): self.x = helpers.used()\n    def work(self, tx): return self.x", "helpers.used"),
    ("def work(self, tx): console.note(f'{helpers.used()}')", "helpers.used"),
    ("def work(self, tx): log.info('%s', helpers.used())", "helpers.used"),
    ("def work(self, tx): raise ValueError('a' + helpers.used())", "helpers.used"),
    ("def work(self, tx, x=helpers.used()): return x", "helpers.used"),
    ("def work(self, tx): return shown(tx)", "tasks._text"),
])  # fmt: skip
def test_what_a_stage_reaches_is_found(project: Make, body: str, part: str) -> None:
    made = project(
        f"""{STAGE}
import functools, logging
from pkg.flow import helpers
from pkg.services import console
log = logging.getLogger(__name__)
@functools.singledispatch
def shown(x): return x
@shown.register
def _text(x: str): return x.upper()
class A(Stage):
    {body}
""",
        helpers=HELPERS,
    )
    assert part in made.parts()
    assert made.problems() == []
