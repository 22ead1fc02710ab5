"""Files and functions stay small enough to read, and are named after what they hold."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

FILE_MAX_LINES = 400
FUNCTION_MAX_LINES = 70
LINE_MAX_CHARS = 100
SAYS_NOTHING = frozenset(
    {"common", "core", "helper", "helpers", "manager", "misc", "util", "utils"}
)
ROOMS = frozenset({
    "cli", "config", "control", "demand", "errors", "forecast", "forecasters", "market", "model",
    "plan", "platforms", "rollout", "serve", "simulate", "sources", "store", "telemetry",
})  # fmt: skip


def _function_lines(text: str) -> dict[str, int]:
    lengths: dict[str, int] = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            # units, ranges and shapes are told in the docstring: nobody is to save on them
            first = node.body[1:2] if ast.get_docstring(node) else node.body[:1]
            start = first[0].lineno if first else node.end_lineno
            lengths[f"{node.lineno} {node.name}"] = (node.end_lineno or 0) - (start or 0) + 1
    return lengths


def test_no_file_is_too_long(python_files: dict[Path, str]) -> None:
    lengths = {str(path): len(text.splitlines()) for path, text in python_files.items()}
    assert {path: length for path, length in lengths.items() if length > FILE_MAX_LINES} == {}


def test_no_function_is_too_long(python_files: dict[Path, str]) -> None:
    lengths = {
        f"{path}:{name}": length
        for path, text in python_files.items()
        for name, length in _function_lines(text).items()
    }
    assert {name: length for name, length in lengths.items() if length > FUNCTION_MAX_LINES} == {}


def test_no_line_is_too_long(text_files: dict[Path, str]) -> None:
    long_lines = [
        f"{path}:{number}"
        for path, text in text_files.items()
        if path.suffix in {".py", ".sh", ".toml", ".yaml"} or path.name in {"Makefile", "run"}
        for number, line in enumerate(text.splitlines(), 1)
        if len(line) > LINE_MAX_CHARS
    ]
    assert long_lines == []


def test_no_name_says_nothing(python_files: dict[Path, str]) -> None:
    named = {part for path in python_files for part in (*path.parts[:-1], path.stem)}
    assert named & SAYS_NOTHING == set()


def test_no_module_of_the_package_hides_a_standard_one(package_files: dict[Path, str]) -> None:
    # inside a room a name is always written in full, `foretide.simulate.world`: only a name that
    # would be imported on its own can be mistaken
    top = {path.parts[0].removesuffix(".py") for path in package_files}
    assert top & sys.stdlib_module_names == set()


def test_every_room_is_on_the_plan_of_the_house(package_files: dict[Path, str]) -> None:
    rooms = {path.parts[0].removesuffix(".py") for path in package_files}
    assert rooms - {"__init__", "__main__"} <= ROOMS


def test_every_module_says_what_it_knows(package_files: dict[Path, str]) -> None:
    silent = [
        str(path) for path, text in package_files.items() if not ast.get_docstring(ast.parse(text))
    ]
    assert silent == []


def test_every_public_function_and_class_says_what_it_is_for(
    package_files: dict[Path, str],
) -> None:
    silent = [
        f"{path}:{node.lineno} {node.name}"
        for path, text in package_files.items()
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        if not node.name.startswith("_") and not ast.get_docstring(node)
    ]
    assert silent == []
