"""What the documentation says can be typed, can be typed: every block is run or checked."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import msgspec
import pytest
import typer.core
import typer.main

from foretide.cli import app
from foretide.config import Config
from foretide.config.describe import SECTIONS

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(page for page in (ROOT / "docs").rglob("*.md") if "_build" not in page.parts),
]
BLOCK = re.compile(r"^```(?P<kind>[a-z]+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(msgspec.Struct, frozen=True):
    """One fenced block of a page."""

    page: str
    kind: str
    text: str


def _blocks(page: Path) -> list[Block]:
    found = BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [Block(str(page.relative_to(ROOT)), match["kind"], match["text"]) for match in found]


def _commands(block: Block) -> list[list[str]]:
    lines = block.text.replace("\\\n", " ").splitlines()
    return [shlex.split(line[2:]) for line in lines if line.startswith("$ ")]


def _runs(page: Path) -> bool:
    return page.read_text(encoding="utf-8").startswith("---\nruns: true\n---\n")


ALL = [block for page in PAGES for block in _blocks(page)]
CONSOLE = [
    (block.page, words) for block in ALL if block.kind == "console" for words in _commands(block)
]


def _complaint(words: list[str]) -> str | None:
    program, *rest = words
    if program == "make":
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        goals = [word for word in rest if "=" not in word]
        unknown = [goal for goal in goals if not re.search(rf"^{goal}:", makefile, re.MULTILINE)]
        return f"make has no goal {unknown}" if unknown else None
    if Path(program).name != "foretide":
        return f"{program} is not ours to promise"
    command = typer.main.get_command(app)
    while isinstance(command, typer.core.TyperGroup) and rest and rest[0] in command.commands:
        command, rest = command.commands[rest[0]], rest[1:]
    flags = {"--help", *(flag for option in command.params for flag in option.opts)}
    unknown = sorted({word.split("=")[0] for word in rest if word.startswith("-")} - flags)
    if unknown:
        return f"{command.name} has no flag {', '.join(unknown)}"
    if isinstance(command, typer.core.TyperGroup) and rest != ["--help"]:
        return f"no such command: {' '.join(words)}"
    return None


@pytest.mark.parametrize(("page", "words"), CONSOLE)
def test_every_command_shown_exists_with_its_flags(page: str, words: list[str]) -> None:
    assert _complaint(words) is None, page


@pytest.mark.parametrize("words", [["make", "coffee"], ["foretide", "brew"], ["rm", "-rf", "x"]])
def test_a_command_that_does_not_exist_is_noticed(words: list[str]) -> None:
    assert _complaint(words) is not None


@pytest.mark.parametrize(
    "block", [block for block in ALL if block.kind == "toml"], ids=lambda block: block.page
)
def test_every_toml_block_is_toml(block: Block) -> None:
    assert tomllib.loads(block.text)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if not _runs(page)], ids=lambda page: page.name
)
def test_every_python_block_runs(page: Path, tmp_path: Path) -> None:
    texts = [block.text for block in _blocks(page) if block.kind == "python"]
    if texts:
        _run([sys.executable, "-c", "\n".join(texts)], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in PAGES if _runs(page)], ids=lambda page: page.name
)
def test_a_page_to_follow_can_be_followed(page: Path, tmp_path: Path) -> None:
    for block in _blocks(page):
        if block.kind == "python":
            _run([sys.executable, "-c", block.text], tmp_path)
        elif block.kind == "toml":
            name = "foretide.toml" if "[service." in block.text else "scenario.toml"
            (tmp_path / name).write_text(block.text, encoding="utf-8")
        for words in _commands(block) if block.kind == "console" else []:
            _run([sys.executable, "-m", "foretide", *words[1:]], tmp_path)


def _run(command: list[str], folder: Path) -> None:
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, f"{command}\n{run.stderr}"


def test_every_setting_is_on_the_reference_page() -> None:
    command = [sys.executable, "-m", "foretide", "reference", "config"]
    page = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    settings = [name for table in SECTIONS.values() for name in table.__struct_encode_fields__]
    assert [name for name in settings if f"`{name}`" not in page] == []
    assert [name for name in Config.__struct_encode_fields__ if f"[{name}" not in page] == []


def test_links_between_pages_lead_somewhere() -> None:
    link = re.compile(r"\]\((?!https?://|#)(?P<target>[^)#\s]+)")
    broken = [
        f"{page.relative_to(ROOT)}: {match['target']}"
        for page in PAGES
        for match in link.finditer(page.read_text(encoding="utf-8"))
        if not (page.parent / match["target"]).exists()
    ]
    assert broken == []
