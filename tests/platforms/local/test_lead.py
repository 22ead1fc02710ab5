"""Lead times are told by their quantiles and outlive a restart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from foretide.platforms.local.lead import Leads, quantile


def test_nothing_measured_is_none(tmp_path: Path) -> None:
    told = Leads(tmp_path / "leads.json").of("web")
    assert (told.boot_p50_s, told.wake_p90_s, told.full_count) == (None, None, 0)


def test_they_outlive_a_restart(tmp_path: Path) -> None:
    leads = Leads(tmp_path / "leads.json")
    for took_s in (1.0, 2.0, 3.0):
        leads.add("web", "boot", took_s)
    leads.add("web", "wake", 0.001)
    leads.save()
    told = Leads(tmp_path / "leads.json").of("web")
    assert (told.boot_p50_s, told.boot_count, told.wake_p50_s) == (2.0, 3, 0.001)
    assert Leads(tmp_path / "leads.json").of("other").boot_count == 0


def test_a_damaged_file_is_measured_anew(tmp_path: Path) -> None:
    (tmp_path / "leads.json").write_text("what")
    assert Leads(tmp_path / "leads.json").of("web").boot_count == 0


def test_only_the_latest_count(tmp_path: Path) -> None:
    leads = Leads(tmp_path / "leads.json")
    for took_s in [9.0] * 200 + [1.0] * 200:
        leads.add("web", "boot", took_s)
    assert leads.of("web").boot_p90_s == 1.0


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 1))
def test_quantiles_are_the_usual_ones(taken: list[float], level: float) -> None:
    assert np.isclose(quantile(sorted(taken), level), np.quantile(taken, level))
