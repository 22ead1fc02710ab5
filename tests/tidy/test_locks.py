"""What is installed is pinned by its hash, holds what is asked for, and names no address."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

import foretide

LOCKS = ("requirements-build.lock", "requirements.lock", "requirements-dev.lock")
PIN = re.compile(r"^(?P<name>[a-z0-9.-]+)(?:\[[a-z0-9,-]+\])?==(?P<version>[^\s;\\]+)")


def _entries(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    return "\n".join(lines).replace("\\\n", " ").splitlines()


def _pins(path: Path) -> dict[str, str]:
    matches = [PIN.match(entry) for entry in _entries(path.read_text(encoding="utf-8"))]
    return {match["name"]: match["version"] for match in matches if match}


def _names(requirements: list[str]) -> set[str]:
    found = (re.match(r"[A-Za-z0-9._-]+", requirement) for requirement in requirements)
    return {re.sub(r"[._-]+", "-", match[0]).lower() for match in found if match}


@pytest.fixture(scope="module")
def settings(repository_root: Path) -> dict[str, Any]:
    return tomllib.loads((repository_root / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("lock", LOCKS)
def test_every_entry_is_one_version_with_hashes(repository_root: Path, lock: str) -> None:
    entries = _entries((repository_root / lock).read_text(encoding="utf-8"))
    assert entries
    assert [
        entry for entry in entries if not PIN.match(entry) or "--hash=sha256:" not in entry
    ] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_no_address_is_in_a_lock(repository_root: Path, lock: str) -> None:
    text = (repository_root / lock).read_text(encoding="utf-8")
    assert not re.search(r"://|--(?:extra-)?index-url|--find-links|--trusted-host", text)


def test_the_runtime_lock_holds_what_the_product_needs(
    repository_root: Path, settings: dict[str, Any]
) -> None:
    needed = _names(settings["project"]["dependencies"])
    assert needed - _pins(repository_root / "requirements.lock").keys() == set()


def test_the_build_lock_holds_what_set_up_needs(
    repository_root: Path, settings: dict[str, Any]
) -> None:
    needed = _names(
        [*settings["dependency-groups"]["build"], *settings["build-system"]["requires"]]
    )
    assert needed - _pins(repository_root / "requirements-build.lock").keys() == set()


def test_the_development_lock_holds_all_of_it_in_the_same_versions(
    repository_root: Path, settings: dict[str, Any]
) -> None:
    everything = _pins(repository_root / "requirements-dev.lock")
    extras = settings["project"]["optional-dependencies"]
    assert _names([*extras["dev"], *extras["docs"]]) - everything.keys() == set()
    for lock in LOCKS[:2]:
        pins = _pins(repository_root / lock)
        assert {name: everything.get(name) for name in pins} == pins


def test_the_version_is_the_same_in_both_places(settings: dict[str, Any]) -> None:
    assert settings["project"]["version"] == foretide.__version__
