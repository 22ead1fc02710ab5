"""An HPA beside a warm pool that is sized once."""

from __future__ import annotations

import math

import numpy as np
import pytest

from foretide.simulate.rivals.hpa import hpa_counts
from foretide.simulate.rivals.warm_pool import pool_size, warm_pool_counts
from foretide.simulate.scenario import Scenario


def test_the_pool_is_a_tenth_of_the_usual_peak_and_full_when_scoring_begins() -> None:
    demand = np.full(40, 20.0)
    counts = warm_pool_counts(
        demand, capacity_rps=1.0, scenario=Scenario(boot_s=300), first_scored=20, target=0.5
    )
    assert counts.warm.tolist() == [0] * 20 + [2] * 20
    assert counts.booting.tolist() == [0] * 15 + [2] * 5 + [0] * 20
    alone = hpa_counts(demand, capacity_rps=1.0, scenario=Scenario(), target=0.5)
    np.testing.assert_array_equal(counts.serving, alone.serving)


@pytest.mark.parametrize(
    ("used", "size"), [([], 1), ([math.nan, 5.0], 1), ([20.0] * 5 + [math.nan], 2), ([21.0], 3)]
)
def test_pool_size(used: list[float], size: int) -> None:
    assert pool_size(np.array(used)) == size
