"""Laws that every forecaster keeps whose learning can be kept."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from cases.forecasters import (
    HOUR_S,
    POOLED,
    TRAINABLE,
    broken,
    chosen,
    issued,
    made,
    reissued,
    same,
    spoilt,
    train,
)
from foretide.errors import InvalidValueError
from foretide.forecast.base import Forecaster
from foretide.forecast.score import wql
from foretide.model.demand import Demand

LEVELS = (0.1, 0.5, 0.9)
SERIES = [spoilt(made(f"s{at}", 20, seed=at, level=9.0 + 90 * at), at / 10, at) for at in range(2)]
AT = SERIES[0].end


@pytest.fixture(scope="module", params=TRAINABLE)
def model(request: pytest.FixtureRequest) -> Forecaster:
    """Return every forecaster of ours that can be trained."""
    return chosen(request.param)


@pytest.fixture(scope="module")
def trained(model: Forecaster) -> bytes:
    """Return what a model learned of two plain series."""
    return train(model, SERIES, AT)


def test_forecasting_is_training_and_asking(model: Forecaster, trained: bytes) -> None:
    assert train(model, SERIES, AT) == trained
    at_once = issued(model, SERIES, AT)
    for one, other in zip(at_once, reissued(model, trained, SERIES, AT), strict=True):
        assert same(one, other)


ASK_AGAIN = """
import sys
from pathlib import Path
from cases.forecasters import chosen, reissued
from contracts.test_trainable_forecasters import AT, SERIES
found = reissued(chosen(sys.argv[1]), Path(sys.argv[2]).read_bytes(), SERIES, AT)
Path(sys.argv[3]).write_bytes(b"".join(one.values.tobytes() for one in found))
"""


def test_another_process_says_the_same(model: Forecaster, trained: bytes, tmp_path: Path) -> None:
    kept, said = tmp_path / "trained", tmp_path / "said"
    kept.write_bytes(trained)
    subprocess.run(
        [sys.executable, "-c", ASK_AGAIN, model.name, kept, said],
        check=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
    )
    here = reissued(model, trained, SERIES, AT)
    assert said.read_bytes() == b"".join(one.values.tobytes() for one in here)


def test_what_was_trained_serves_later_and_new_series_too(
    model: Forecaster, trained: bytes
) -> None:
    longer = made("s0", 24, seed=0, level=9.0)
    new = made("new", 24, seed=9, level=700.0)
    later = AT + timedelta(days=3, hours=5)
    for demand, found in zip(
        [longer, new], reissued(model, trained, [longer, new], later, levels=LEVELS), strict=True
    ):
        begin = (found.start - demand.start) // timedelta(seconds=HOUR_S)
        actual = demand.values[begin : begin + 19]
        assert found.start == later
        assert wql(found.values[:19], LEVELS, actual) < 0.25, demand.series_id


def test_what_it_did_not_make_is_refused(model: Forecaster, trained: bytes) -> None:
    wrong = [b"", b"\x80\x04junk.", trained[:-1], trained[:20]]
    wrong.append(trained.replace(model.name.encode(), b"other", 1))
    flipped = bytearray(trained)
    flipped[-1] ^= 1
    wrong.append(bytes(flipped))
    for foreign in wrong:
        with pytest.raises(InvalidValueError, match=f"trained must .*{model.name}") as refused:
            reissued(model, foreign, SERIES, AT)
        assert "\n" not in str(refused.value)


def test_with_the_same_training_chunk_mates_change_nothing(
    model: Forecaster, trained: bytes
) -> None:
    together = reissued(model, trained, [*SERIES, *broken(24 * 20)], AT)
    backwards = reissued(model, trained, SERIES[::-1], AT)[::-1]
    for demand, one, other in zip(SERIES, together[:2], backwards, strict=True):
        (alone,) = reissued(model, trained, [demand], AT)
        assert same(alone, one)
        assert same(alone, other)


@pytest.mark.parametrize("name", POOLED)
def test_broken_neighbours_teach_nothing_wrong(name: str) -> None:
    model = chosen(name)
    longer = [made(f"s{at}", 27, seed=at, level=9.0 + 90 * at) for at in range(3)]
    alone = loss(model, longer, [])
    assert loss(model, longer, broken(24 * 20)) <= 1.1 * alone


def loss(model: Forecaster, longer: list[Demand], mates: list[Demand]) -> float:
    known = [one.until(AT) for one in longer]
    found = issued(model, [*known, *mates], AT, hours=168, levels=LEVELS)
    begin = len(known[0].values)
    pairs = zip(found[: len(known)], longer, strict=True)
    return float(np.mean([wql(one.values, LEVELS, all_.values[begin:]) for one, all_ in pairs]))


def test_nothing_to_learn_from_is_a_lesson_too(model: Forecaster) -> None:
    nothing = train(model, [], AT)
    (found,) = reissued(model, nothing, [SERIES[0]], AT)
    assert np.isfinite(found.values).all()
