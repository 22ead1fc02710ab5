"""This file knows how a model that learns from all series together is taught, tested and asked.

Such a *global* model rests on every series of the training call. The law that a series' forecast
does not depend on the others asked for with it therefore reads here: with the same trained bytes
it does not; `forecast` trains on the series of its call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from foretide.errors import InvalidValueError
from foretide.forecast.base import check_asked
from foretide.forecast.days import Floats
from foretide.forecast.issue import Answer
from foretide.forecasters.intervals import calibrated, origin_rows
from foretide.forecasters.kept import opened, sealed
from foretide.forecasters.learning import LearnsFirst
from foretide.forecasters.pupils import (
    FIRST_ROW,
    Pupil,
    held_out_days,
    laid_out,
    pupil,
    pupils,
    unteachable,
)
from foretide.forecasters.shown import Shown, fallback, issue_each, thin
from foretide.model.demand import Demand
from foretide.model.forecast import Forecast

_ORIGINS = 8


class Learner(msgspec.Struct, frozen=True, kw_only=True):
    """What tells one global model from another.

    Parameters
    ----------
    name : str
        The forecaster's.
    version : int
        Raised whenever the meaning of what was learned changes.
    learn : callable
        Takes series and how many of their last days to leave out; returns what it learned, empty
        where there was nothing to learn from.
    ready : callable
        Takes what was learned and how many behaviour series it knows; returns a model to ask.
    guess : callable
        Takes that model, a series, days from which to look ahead and how many days; returns
        demand relative as the past is, shape (days to look from, days ahead, bins).
    """

    name: str
    version: int
    learn: Callable[[Sequence[Pupil], int], bytes]
    ready: Callable[[bytes, int], Any]
    guess: Callable[[Any, Pupil, Sequence[int], int], Floats]


class _Learned(msgspec.Struct, frozen=True, kw_only=True):
    # Two models: one that never saw the last weeks, to be tested on them, and one of all.
    behaviour_count: int
    tested: bytes
    newest: bytes


class Pooled(LearnsFirst):
    """A global model with our intervals.

    Parameters
    ----------
    learner : Learner
        The model.
    behaviour : sequence of Demand
        What else is observed of the users, such as session starts or other features' demand, on
        the grid of the series; only what was known when a forecast is issued is used.
    """

    is_global = True  # it learns from all series of a call together

    def __init__(self, learner: Learner, behaviour: Sequence[Demand] = ()) -> None:
        self.name = learner.name
        self._learner = learner
        self._behaviour = tuple(behaviour)

    def train(self, demands: Sequence[Demand], *, issued_at: datetime, timezone: ZoneInfo) -> bytes:
        """Learn from all series together; see `Trainable.train`."""
        found = pupils(demands, self._behaviour, issued_at=issued_at, zone=timezone)
        learned = _Learned(
            behaviour_count=len(self._behaviour),
            tested=self._learner.learn(found, held_out_days(found)),
            newest=self._learner.learn(found, 0),
        )
        return sealed(self.name, self._learner.version, msgspec.msgpack.encode(learned))

    def forecast_trained(
        self,
        trained: bytes,
        demands: Sequence[Demand],
        *,
        issued_at: datetime,
        horizon_s: int,
        levels: tuple[float, ...],
        timezone: ZoneInfo,
    ) -> list[Forecast]:
        """Forecast with what was learned, series never seen too; see `Trainable`."""
        check_asked(horizon_s, levels)
        learned = self._decoded(trained)
        tested, newest = (
            self._learner.ready(one, learned.behaviour_count) if one else None
            for one in (learned.tested, learned.newest)
        )
        beside = laid_out(self._behaviour, issued_at=issued_at, zone=timezone)

        def answer_of(_: Demand, seen: Shown, days_ahead: int, levels: tuple[float, ...]) -> Answer:
            why = unteachable(seen)
            if tested is None or newest is None or why:
                why = why or "no series to learn from"
                return fallback(seen.past, days_ahead, levels, why)
            one = pupil(seen, beside)
            rows = [row for row in origin_rows(seen.rows, _ORIGINS) if row >= FIRST_ROW]
            before = self._learner.guess(tested, one, rows, days_ahead) if rows else ()
            (centre,) = self._learner.guess(newest, one, [seen.rows], days_ahead)
            guesses = dict(zip(rows, before, strict=True))
            quantiles = calibrated(seen.past, centre, guesses, levels)
            return Answer(quantiles=quantiles, note=thin(seen.past))

        return issue_each(
            demands,
            answer_of,
            model=self.name,
            issued_at=issued_at,
            horizon_s=horizon_s,
            levels=levels,
            zone=timezone,
        )

    def _decoded(self, trained: bytes) -> _Learned:
        body = opened(self.name, self._learner.version, trained)
        try:
            learned = msgspec.msgpack.decode(body, type=_Learned)
        except msgspec.DecodeError as error:
            raise InvalidValueError(f"trained must hold models of {self.name}: {error}") from None
        if learned.behaviour_count != len(self._behaviour):
            raise InvalidValueError(
                f"trained must have been made with {len(self._behaviour)} behaviour series, "
                f"was with {learned.behaviour_count}; train {self.name} again"
            )
        return learned
