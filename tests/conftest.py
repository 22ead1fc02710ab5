"""Shared fixtures: where the real traces are, when they are there."""

from __future__ import annotations

from pathlib import Path

import pytest

_SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real traces, or skip: a fresh clone does not have it."""
    if not _SHARED_DATA.is_dir():
        pytest.skip("the real traces (../shared/data) are not on this machine")
    return _SHARED_DATA
