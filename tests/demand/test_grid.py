from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from foretide.demand.grid import US_PER_S, Gridded, on_grids
from foretide.errors import InvalidValueError

Row = tuple[int, float, float]  # series, second, amount
rows_of_two = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.sampled_from([0, 60, 61, 120, 180, 240, 299.5, 300, 3600]),
        st.sampled_from([0.0, 1.0, 2.0, np.nan]),
    ),
    min_size=1,
    max_size=20,
)


def gridded(rows: list[Row]) -> Gridded:
    series, seconds, amounts = zip(*rows, strict=True)
    return on_grids(
        ["a", "b"][: max(series) + 1],
        np.array(series, dtype=np.int64),
        np.array([round(s * US_PER_S) for s in seconds], dtype=np.int64),
        np.array(amounts, dtype=np.float64),
    )


@given(rows=rows_of_two)
def test_every_bucket_holds_the_last_amount_observed_in_it(rows: list[Row]) -> None:
    assume({series for series, _, _ in rows} == set(range(max(row[0] for row in rows) + 1)))
    try:
        demands = gridded(rows).demands
    except InvalidValueError as refusal:
        assert "most rows share a bucket" in str(refusal)  # noqa: PT017
        return
    for code, demand in enumerate(demands):
        assert demand.start.timestamp() % demand.step_s == 0
        own = sorted((row for row in rows if row[0] == code), key=lambda row: row[1])
        expected: dict[int, float] = {}
        for _, second, amount in own:
            bucket = int(second // demand.step_s - demand.start.timestamp() // demand.step_s)
            expected.setdefault(bucket, np.nan)
            if not np.isnan(amount):
                expected[bucket] = amount
        assert {0, len(demand.values) - 1} <= set(expected)
        told = [expected.get(bucket, np.nan) for bucket in range(len(demand.values))]
        np.testing.assert_array_equal(demand.values, told)


def test_the_grid_begins_at_the_epoch_not_at_the_first_row() -> None:
    (demand,) = gridded([(0, 1800, 1), (0, 5400, 2), (0, 9000, 3)]).demands
    assert (demand.start, demand.step_s) == (datetime(1970, 1, 1, tzinfo=UTC), 3600)


def test_a_few_milliseconds_off_do_not_change_the_step() -> None:
    rows = [(0, 60 * i + 0.001 * (i % 7), float(i)) for i in range(20)]
    made = gridded(rows)
    assert made.demands[0].step_s == 60
    assert made.demands[0].values.tolist() == list(range(20))
    assert made.notes == ("rows that were off the grid and counted in their bucket: 17",)


def test_refuses_a_span_no_demand_has() -> None:
    minutes = 60.0 * 30_000_000
    with pytest.raises(InvalidValueError, match="series 'a' spans 30000001 buckets of 60 s"):
        gridded([(0, 0, 1), (0, 60, 1), (0, minutes, 1)])


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10_000))
def test_series_in_order_are_read_as_if_their_rows_were_shuffled(seed: int) -> None:
    rng = np.random.default_rng(seed)
    parts: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]] = []
    for _ in range(int(rng.integers(1, 5))):
        step_s = int(rng.choice([60, 3600, 86_400]))
        places = 1_000 + np.flatnonzero(rng.random(20) < rng.choice([0.8, 1.0]))
        at_us = places * step_s * 1_000_000 + int(rng.choice([0, 0, 7_000_000]))
        value = rng.poisson(3.0, len(places)).astype(np.float64)
        value[rng.random(len(places)) < rng.choice([0.0, 0.2])] = np.nan
        parts.append((at_us, value))
    names = [f"s{at}" for at in range(len(parts))]
    code = np.repeat(np.arange(len(parts)), [len(at_us) for at_us, _ in parts])
    at_us, value = (np.concatenate(column) for column in zip(*parts, strict=True))
    assume(len(np.unique(code)) == len(names))  # every name has a row
    order = rng.permutation(len(code))
    found = [
        on_grids(names, code[rows], at_us[rows], value[rows])
        for rows in (np.arange(len(code)), order)
    ]
    ordered, shuffled = (
        [(one.series_id, one.start, one.step_s, one.values.tobytes()) for one in each.demands]
        for each in found
    )
    assert ordered == shuffled
    assert {n for n in found[1].notes if "were sorted" not in n} == set(found[0].notes)
