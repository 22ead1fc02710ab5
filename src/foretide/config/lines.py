"""This file knows on which line of a TOML text each key stands.

The standard parser says what a file means, not where. This scan reads only texts which that
parser has accepted, so it need not look for mistakes: it follows headers, dotted and quoted keys,
and skips strings, arrays and inline tables, noting the keys inside them.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping

import msgspec

Path = tuple[str | int, ...]

_TOKEN = re.compile(
    r'''
    (?P<string> """(?:\\.|[^\\])*?"""(?:"{0,2}) | \'\'\'.*?\'\'\'(?:'{0,2})
              | "(?:\\.|[^"\\\n])*" | '[^'\n]*' )
    | (?P<comment> \#[^\n]* )
    | (?P<newline> \n )
    | (?P<mark> [\[\]{}=,.] )
    | (?P<bare> [^\s\[\]{}=,."'\#]+ )
    ''',
    re.VERBOSE | re.DOTALL,
)


class _Token(msgspec.Struct, frozen=True):
    kind: str
    text: str
    line: int


def key_lines(text: str) -> dict[Path, int]:
    """Return the line, counted from 1, of every table and key of a valid TOML text.

    Parameters
    ----------
    text : str
        TOML that `tomllib` accepts.

    Returns
    -------
    dict of tuple to int
        Path of names (and, within arrays, of positions from 0) to line; a table defined in
        several places is where it is first named.
    """
    return _Scan(_tokens(text)).lines()


def line_of(lines: Mapping[Path, int], path: Path) -> int:
    """Return the line of `path`, or of the nearest table around it that stands in the text."""
    for end in range(len(path), 0, -1):
        if path[:end] in lines:
            return lines[path[:end]]
    return 1


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    line = 1
    for match in _TOKEN.finditer(text):
        kind = str(match.lastgroup)
        if kind != "comment":
            found.append(_Token(kind, match.group(), line))
        line += match.group().count("\n")
    return found


class _Scan:
    # Reads tokens from left to right; the only state is how far it has come.

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._lines: dict[Path, int] = {}
        self._tables_seen: dict[Path, int] = {}

    def lines(self) -> dict[Path, int]:
        table: Path = ()
        while self._next < len(self._tokens):
            if self._peek("\n"):
                self._next += 1
            elif self._peek("["):
                table = self._header()
            else:
                self._pair(table)
        return self._lines

    def _peek(self, *texts: str) -> bool:
        if self._next >= len(self._tokens):
            return False
        token = self._tokens[self._next]
        return token.kind in {"mark", "newline"} and token.text in texts

    def _header(self) -> Path:
        line = self._tokens[self._next].line
        self._next += 1
        is_array = self._peek("[")
        self._next += is_array
        names = self._names("]")
        self._next += is_array
        path: Path = ()
        for name in names[:-1]:
            path = self._inside((*path, name))
        path = (*path, names[-1])
        self._note((), path, line)
        if is_array:
            self._tables_seen[path] = self._tables_seen.get(path, 0) + 1
        path = self._inside(path)
        self._note((), path, line)
        return path

    def _inside(self, path: Path) -> Path:
        # A header below an array of tables speaks of the table added last.
        return (*path, self._tables_seen[path] - 1) if path in self._tables_seen else path

    def _names(self, end: str) -> list[str]:
        names: list[str] = []
        while not self._peek(end):
            token = self._tokens[self._next]
            if token.kind == "string":
                names.append(tomllib.loads(f"key = {token.text}")["key"])
            elif token.kind == "bare":
                names.append(token.text)
            self._next += 1
        self._next += 1
        return names

    def _pair(self, table: Path) -> None:
        line = self._tokens[self._next].line
        path = (*table, *self._names("="))
        self._note(table, path, line)
        self._value(path)

    def _note(self, table: Path, path: Path, line: int) -> None:
        for end in range(len(table) + 1, len(path) + 1):
            self._lines.setdefault(path[:end], line)

    def _value(self, path: Path) -> None:
        if self._peek("["):
            self._array(path)
        elif self._peek("{"):
            self._inline_table(path)
        else:
            while self._next < len(self._tokens) and not self._peek("\n", ",", "]", "}"):
                self._next += 1

    def _array(self, path: Path) -> None:
        self._next += 1
        position = 0
        while not self._peek("]"):
            if self._peek("\n"):
                self._next += 1
            elif self._peek(","):
                position += 1
                self._next += 1
            else:
                self._note(path, (*path, position), self._tokens[self._next].line)
                self._value((*path, position))
        self._next += 1

    def _inline_table(self, path: Path) -> None:
        self._next += 1
        while not self._peek("}"):
            if self._peek("\n", ","):
                self._next += 1
            else:
                self._pair(path)
        self._next += 1
