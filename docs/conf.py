"""This file knows how the documentation is built: reference pages come from the product itself."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

import foretide

HERE = Path(__file__).parent
GENERATED = HERE / "_build" / "generated"
ROOMS = ("model", "forecast", "plan")  # read by people who write a forecaster or question a plan

project = "Foretide"
author = "The Foretide developers"
project_copyright = "The Foretide developers, Apache-2.0"
version = release = foretide.__version__

extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings tell types with their units and ranges

smartquotes = False  # what can be typed stays as it is typed

html_theme = "furo"
html_title = f"Foretide {version}"
html_static_path = ["_static"]
html_css_files = ["house.css"]
html_show_sphinx = False
html_copy_source = False


def _write_if_changed(path: Path, text: str) -> None:
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def _spoken_by_the_product(page: str) -> str:
    command = [sys.executable, "-m", "foretide", "reference", page]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603
    # the page that includes it has a title of its own
    return re.sub(r"\A# .*\n", "", said)


def _python_pages() -> str:
    package = HERE.parent / "src" / "foretide"
    lines: list[str] = []
    for room in ROOMS:
        lines += [f"## `foretide.{room}`", ""]
        for path in sorted((package / room).rglob("*.py")):
            parts = path.relative_to(package.parent).with_suffix("").parts
            module = ".".join(part for part in parts if part != "__init__")
            if path.name != "__init__.py":
                lines += [f"### `{module}`", ""]
            lines += ["```{eval-rst}", f".. automodule:: {module}", "   :members:", "```", ""]
    return "\n".join(lines)


def _sections_to_rubrics(_app: object, what: str, *rest: Any) -> None:
    # numpydoc leaves the sections of module docstrings alone; on one page they would all be called
    # "References" and clash
    lines: list[str] = rest[-1]
    for number in range(len(lines) - 1) if what == "module" else ():
        if (
            lines[number].strip()
            and len(lines[number + 1]) >= 3
            and set(lines[number + 1]) == {"-"}
        ):
            lines[number] = f".. rubric:: {lines[number]}"
            lines[number + 1] = ""


def setup(app: Sphinx) -> None:
    """Tell Sphinx what to do with docstrings, before numpydoc reads them."""
    app.connect("autodoc-process-docstring", _sections_to_rubrics, priority=100)


GENERATED.mkdir(parents=True, exist_ok=True)
for name in ("commands", "config"):
    _write_if_changed(GENERATED / f"{name}.md", _spoken_by_the_product(name))
_write_if_changed(GENERATED / "python.md", _python_pages())
