from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest

from cases.forecasters import START, issued, made, same
from foretide.errors import InputError
from foretide.forecast.base import Forecaster
from foretide.forecasters.auto import Auto
from foretide.forecasters.registry import forecaster
from foretide.model.demand import Demand
from foretide.model.forecast import Forecast


class Skewed:
    """The engine, but told to expect a multiple of what it expects."""

    def __init__(self, name: str, factor: float, *, is_broken: bool = False) -> None:
        self.name = name
        self.calls = 0
        self._factor = factor
        self._is_broken = is_broken

    def forecast(
        self,
        demands: Sequence[Demand],
        *,
        issued_at: datetime,
        horizon_s: int,
        levels: tuple[float, ...],
        timezone: ZoneInfo,
    ) -> list[Forecast]:
        self.calls += 1
        if self._is_broken:
            raise InputError("no oil")
        found = forecaster("fleet").forecast(
            demands, issued_at=issued_at, horizon_s=horizon_s, levels=levels, timezone=timezone
        )
        return [
            msgspec.structs.replace(one, values=self._factor * one.values, model=self.name)
            for one in found
        ]


SHOP = made("shop", 40)


def test_the_better_model_answers_and_the_note_says_by_how_much() -> None:
    right, wrong = Skewed("right", 1.0), Skewed("wrong", 2.0)
    (found,) = issued(Auto([wrong, right]), [SHOP], SHOP.end)
    (own,) = issued(right, [SHOP], SHOP.end)
    assert found.model == "auto"
    assert found.values.tobytes() == own.values.tobytes()
    assert found.note.startswith("auto: right won, ")
    assert "% ahead of wrong in 3 trials" in found.note
    assert wrong.calls == 3  # a bounded cost: three trials, and no answer


def test_close_models_share_the_answer() -> None:
    high, low = Skewed("high", 1.01), Skewed("low", 0.99)
    (found,) = issued(Auto([high, low, Skewed("wrong", 3.0)]), [SHOP], SHOP.end)
    both = [issued(one, [SHOP], SHOP.end)[0].values for one in (high, low)]
    assert found.values == pytest.approx(np.mean(both, axis=0))
    assert "auto: the average of " in found.note
    assert "high" in found.note
    assert "low" in found.note


def test_every_series_has_its_own_winner() -> None:
    doubled = made("grown", 40, seed=1)
    values = np.concatenate([doubled.values[: 24 * 39], 2 * doubled.values[24 * 39 :]])
    series = [SHOP, msgspec.structs.replace(doubled, values=values)]
    rivals: list[Forecaster] = [Skewed("right", 1.0), Skewed("double", 2.0)]
    usual, grown = issued(Auto(rivals), series, SHOP.end, hours=24)
    assert usual.note.startswith("auto: right won")
    assert grown.series_id == "grown"
    alone = issued(Auto(rivals), series[1:], SHOP.end, hours=24)[0]
    assert same(alone, grown)


def test_the_young_are_answered_by_the_first() -> None:
    young = made("young", 9)
    right, wrong = Skewed("right", 1.0), Skewed("wrong", 2.0)
    (found,) = issued(Auto([right, wrong]), [young], young.end)
    assert found.note.startswith("auto: right, too little history for a competition")
    assert wrong.calls == 0


def test_nothing_to_choose_by_is_said() -> None:
    zeros = Demand(series_id="zero", start=START, step_s=3600, values=np.zeros(24 * 40))
    rivals = [forecaster("fleet"), forecaster("fleet")]
    (found,) = issued(Auto(rivals), [zeros], zeros.end)
    assert found.note.startswith("auto: ")


def test_a_rival_that_fails_is_left_out_and_named() -> None:
    rivals = [Skewed("right", 1.0), Skewed("oily", 1.0, is_broken=True)]
    (found,) = issued(Auto(rivals), [SHOP], SHOP.end)
    assert "auto: right won in 3 trials; oily could not take part: no oil" in found.note


def test_everything_installed_competes() -> None:
    (found,) = issued(forecaster("auto"), [SHOP], SHOP.end, hours=24)
    assert found.note.startswith("auto: ")
    assert "could not take part" not in found.note
