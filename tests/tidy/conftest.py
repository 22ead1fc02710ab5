"""Where the repository is, and which of its files are its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_MADE_AGAIN = frozenset({
    ".foretide", ".git", ".hypothesis", ".import_linter_cache", ".pytest_cache", ".ruff_cache",
    ".venv", "__pycache__", "_build", "dist", "node_modules",
})  # fmt: skip


def _own_files() -> list[Path]:
    files: list[Path] = []
    for folder, subfolders, names in os.walk(_ROOT):
        subfolders[:] = sorted(
            name
            for name in subfolders
            if name not in _MADE_AGAIN
            and not name.endswith(".egg-info")
            # what a command left in the checkout when somebody tried it there
            and not (Path(folder) == _ROOT and name.startswith("foretide-"))
        )
        files += [Path(folder) / name for name in sorted(names)]
    return files


@pytest.fixture(scope="session")
def repository_root() -> Path:
    """Return the folder of the checkout."""
    return _ROOT


@pytest.fixture(scope="session")
def text_files() -> dict[Path, str]:
    """Return every text file of the repository, by its path in the checkout."""
    texts: dict[Path, str] = {}
    for path in _own_files():
        try:
            texts[path.relative_to(_ROOT)] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:  # a picture
            continue
    return texts


@pytest.fixture(scope="session")
def python_files(text_files: dict[Path, str]) -> dict[Path, str]:
    """Return the Python files among them."""
    return {path: text for path, text in text_files.items() if path.suffix == ".py"}


@pytest.fixture(scope="session")
def package_files(python_files: dict[Path, str]) -> dict[Path, str]:
    """Return the Python files of the package, by their path inside it."""
    package = Path("src/foretide")
    return {
        path.relative_to(package): text
        for path, text in python_files.items()
        if path.is_relative_to(package)
    }
