from __future__ import annotations

import json
import tomllib
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.config import load_config
from foretide.config.lines import Path, key_lines, line_of
from foretide.errors import ConfigError


def test_follows_headers_dots_quotes_arrays_and_texts() -> None:
    text = (
        "# key = 1, [not.a.table]\n"
        'title = "a # b = [c" # x = 1\n'
        '"quoted.key".plain = \'y = "\'\n'
        'long = """\nz = 1\n[fake]\n\\""" still """ # t = 2\n'
        "raw = '''\nz = 1\n'''\n"
        "list = [\n  1, # one\n  { a = 1, b = [2,\n 3] },\n]\n"
        "[ table . 'inner' ]\n"
        "key.sub = 1.5\n"
        "[[many]]\n"
        "a = 1979-05-27 07:32:00\n"
        "[[many]]\n"
        "[many.child]\n"
        "b = {}\n"
    )
    tomllib.loads(text)
    assert key_lines(text) == {
        ("title",): 2,
        ("quoted.key",): 3,
        ("quoted.key", "plain"): 3,
        ("long",): 4,
        ("raw",): 8,
        ("list",): 11,
        ("list", 0): 12,
        ("list", 1): 13,
        ("list", 1, "a"): 13,
        ("list", 1, "b"): 13,
        ("list", 1, "b", 0): 13,
        ("list", 1, "b", 1): 14,
        ("table",): 16,
        ("table", "inner"): 16,
        ("table", "inner", "key"): 17,
        ("table", "inner", "key", "sub"): 17,
        ("many",): 18,
        ("many", 0): 18,
        ("many", 0, "a"): 19,
        ("many", 1): 20,
        ("many", 1, "child"): 21,
        ("many", 1, "child", "b"): 22,
    }


@pytest.mark.parametrize(
    ("path", "line"),
    [(("a", "b"), 2), (("a", "absent"), 1), (("a", "b", 3, "c"), 2), (("absent",), 1)],
)
def test_what_is_absent_is_where_its_table_is(path: Path, line: int) -> None:
    assert line_of(key_lines("[a]\nb = 1\n"), path) == line


def paths_in(tree: object, path: Path = ()) -> set[Path]:
    found: set[Path] = {path} if path else set()
    if isinstance(tree, dict):
        for key, value in cast("dict[str, object]", tree).items():
            found |= paths_in(value, (*path, key))
    if isinstance(tree, list):
        for i, value in enumerate(cast("list[object]", tree)):
            found |= paths_in(value, (*path, i))
    return found


# Every way of writing a value, over one line or several, each full of what looks like TOML.
values = st.sampled_from(
    [
        "1",
        "-1.5e3",
        "true",
        "2026-07-01T08:00:00+02:00",
        '"a # b"',
        r'"\"x = 1\\"',
        "'c:\\'",
        '"""\n[x]\ny = 1\n"""',
        '""""quoted""""',
        "'''\n# ]\n'''",
        "[]",
        "[\n 1, # [\n 2,\n]",
        '[[1], ["]"]]',
        "{}",
        "{ p.q = 1, r = [ { s = '}' } ] }",
    ]
)
bare_keys = st.from_regex(r"[A-Za-z0-9_-]{1,4}", fullmatch=True)
quoted_keys = st.text('ab.]=# "\\\u00e9', min_size=1, max_size=4)


@st.composite
def toml_texts(draw: st.DrawFn) -> tuple[str, dict[Path, int]]:
    # Tables under distinct names; beside the text, the line on which each key was written.
    lines: list[str] = []
    written: dict[Path, int] = {}
    names = draw(st.lists(bare_keys | quoted_keys, unique=True, min_size=1, max_size=4))
    for name in names:
        spelled = draw(spellings(name))
        copies = draw(st.integers(0, 2))  # 0: a plain table, else so many tables of an array
        for copy in range(max(copies, 1)):
            lines.extend(draw(st.lists(st.sampled_from(["", "# [a]", "\t# b = 1"]), max_size=2)))
            lines.append(f"[[ {spelled} ]]  # c" if copies else f"[{spelled}]")
            table: Path = (name, copy) if copies else (name,)
            for key in draw(st.lists(bare_keys | quoted_keys, unique=True, max_size=3)):
                written[*table, key] = "\n".join(lines).count("\n") + 2
                lines.append(f"{draw(spellings(key))} = {draw(values)} # d = 2")
    return "\n".join(lines), written


@st.composite
def spellings(draw: st.DrawFn, key: str) -> str:
    quoted = json.dumps(key)
    is_bare = key.isascii() and all(c.isalnum() or c in "_-" for c in key)
    return draw(st.sampled_from([key, quoted, f"'{key}'"])) if is_bare else quoted


@given(made=toml_texts())
def test_finds_every_key_where_it_was_written(made: tuple[str, dict[Path, int]]) -> None:
    text, written = made
    found = key_lines(text)
    assert set(found) == paths_in(tomllib.loads(text))
    assert {path: found[path] for path in written} == written


GOOD = {
    "app": '"shop"',
    "max_instances": "50",
    "instance_rps": "40",
    "price_usd_per_hour": "0.1",
    "objective_fraction": "0.001",
    "min_instances": "2",
    "boot_s": "300",
    "scale_down": '"soft"',
    "features": '[\n  "cart", # = [\n]',
}
BROKEN = {**dict.fromkeys(GOOD, "{}"), "boot_minutes": "5", "'un known'": '"""\na\n"""'}
STYLES = ("table", "dotted", "inline")


@st.composite
def configs_with_one_broken_key(draw: st.DrawFn) -> tuple[str, int]:
    lines: list[str] = []
    count = draw(st.integers(1, 3))
    broken_in = draw(st.integers(0, count - 1))
    broken_key = draw(st.sampled_from(sorted(BROKEN)))
    broken_line = 0
    # Dotted keys must stand before the first header.
    styles = sorted(draw(st.lists(st.sampled_from(STYLES), min_size=count, max_size=count)))
    styles.sort(key=lambda style: style == "table")
    for i, style in enumerate(styles):
        chosen = dict(draw(st.permutations(sorted(GOOD.items()))))
        if i == broken_in:
            chosen[broken_key] = BROKEN[broken_key]
        if style == "table":
            lines += ["", f"[service.s{i}] # {i}"]
        start = "\n".join(lines).count("\n") + 2 if lines else 1
        pairs = [f"{key} = {value}" for key, value in chosen.items()]
        if style == "inline":
            # An inline table is one line but for the lists and texts in it.
            body = ", ".join(pairs)
            before = body[: body.index(f"{broken_key} = ")] if i == broken_in else ""
            offset = before.count("\n")
            pairs = [f"service.s{i} = {{ {body} }}"]
        else:
            prefix = f"service.s{i}." if style == "dotted" else ""
            pairs = [f"{prefix}{pair}" for pair in pairs]
            before = "\n".join(pairs)
            offset = before[: before.find(f"{prefix}{broken_key} = ")].count("\n")
        if i == broken_in:
            broken_line = start + offset
        lines += pairs
    return "\n".join([*lines, "[app.shop]"]), broken_line


@given(made=configs_with_one_broken_key())
def test_a_refusal_names_the_line_of_the_broken_key(made: tuple[str, int]) -> None:
    text, line = made
    with pytest.raises(ConfigError) as refusal:
        load_config(text, origin="foretide.toml")
    assert str(refusal.value).startswith(f"foretide.toml:{line}: service.s")
