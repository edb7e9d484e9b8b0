"""SQL lives in files: ``sql/<folder>/<name>.sql``, read once, named from ``sql/`` without the suffix."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg import sql

ROOT = Path(__file__).resolve().parents[2]
SQL_DIR = ROOT / "sql"
# Comments and white space first: they are skipped. A quote left open is a token of one character.
TOKEN = re.compile(
    r"""(?P<skipped>\s+|--[^\n]*)
    |(?P<comment>/\*)
    |(?P<quoted>\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$
        | [eE]'(?:[^'\\]|\\.|'')*' | (?:[uU]&|[bBxXnN])?'(?:[^']|'')*'
        | "(?:[^"]|"")*" | %\(\w+\)[sbt] | \{\w*\})
    |(?P<word>[^\W\d][\w$]*)
    |(?P<other>\$\w+ | \d[\w.]* | (?:(?!--|/\*)[-+*/<>=~!@\#^&|`?])+ | .)""",
    re.VERBOSE | re.DOTALL,
)
COMMENT_ENDS = re.compile(r"/\*|\*/")
# Words whose case never matters. Others may name a column of the result, and engines keep the case of those.
KEYWORDS = frozenset(re.findall(r"\w+", """
    all analyze and any as asc between by case conflict copy create cross cube delete desc distinct do drop else end
    except exists false for from full group having if ilike in inner insert intersect into is join lateral left like
    limit lock not nothing null offset on or order outer over partition replace returning right select set similar
    stdin stdout table then to true truncate union unique update using vacuum values view when where window with
"""))  # fmt: skip


@lru_cache
def text(name: str) -> str:
    """The text of ``sql/<name>.sql``, for engines that take text: DuckDB, Spark."""
    return (SQL_DIR / f"{name}.sql").read_text(encoding="utf-8")


@lru_cache
def query(name: str) -> sql.SQL:
    """``sql/<name>.sql`` for psycopg; values are always bound, never formatted in."""
    from psycopg import sql

    return sql.SQL(text(name))


def tokens(text: str) -> list[str]:
    """The tokens of SQL without comments and white space, keywords in lower case; equal for texts that do the same."""
    found: list[str] = []
    for kind, token in _tokens(text):
        is_name = found and found[-1] in ("as", ".")
        found.append(token.lower() if kind == "word" and not is_name and token.lower() in KEYWORDS else token)
    return found


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while match := TOKEN.match(text, at):
        at, kind = match.end(), str(match.lastgroup)
        if kind == "comment":  # they nest
            depth = 1
            while depth and (end := COMMENT_ENDS.search(text, at)):
                at, depth = end.end(), depth + (1 if end[0] == "/*" else -1)
            at = len(text) if depth else at
        elif kind != "skipped":
            yield kind, match[kind]
