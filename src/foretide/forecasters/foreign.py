"""This file knows how other people's forecasters are held to their promises.

What they raise, and what they return that is no answer, becomes one line that names whose code it
was: a person who asked for a forecast did not write it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar, cast
from zoneinfo import ZoneInfo

import msgspec

from foretide.errors import InputError
from foretide.forecast.base import Forecaster, Trainable, check_asked, first_step, step_count
from foretide.model.demand import Demand
from foretide.model.forecast import Forecast

_Result = TypeVar("_Result")


def refusal(name: str, owner: str, error: Exception) -> InputError:
    """Return what to say when somebody else's forecaster fails.

    Parameters
    ----------
    name : str
        What was asked for.
    owner : str
        The distribution that registers it.
    error : Exception
        What it raised.
    """
    what = (str(error).splitlines() or [""])[0]
    return InputError(
        f"--model {name}: {owner} cannot be used: {type(error).__name__}: {what}; "
        "repair or remove it"
    )


def guarded(made: object, name: str, owner: str) -> Forecaster:
    """Return somebody else's forecaster, held to what it promises.

    Raises
    ------
    InputError
        When it is no forecaster.
    """
    if not isinstance(getattr(made, "name", None), str) or not _has(made, "forecast"):
        raise InputError(
            f"--model {name}: {owner} registers a {type(made).__name__}, which is no forecaster: "
            "it needs a name and a method forecast"
        )
    if _has(made, "train") and _has(made, "forecast_trained"):
        return _ForeignTrainable(cast("Trainable", made), name, owner)
    return _Foreign(cast("Forecaster", made), name, owner)


def _has(made: object, method: str) -> bool:
    return callable(getattr(made, method, None))


class _Foreign:
    # A forecaster of somebody else, known by the name it was registered under.

    def __init__(self, made: Forecaster, name: str, owner: str) -> None:
        self.name = name
        self._made = made
        self._owner = owner

    def forecast(
        self,
        demands: Sequence[Demand],
        *,
        issued_at: datetime,
        horizon_s: int,
        levels: tuple[float, ...],
        timezone: ZoneInfo,
    ) -> list[Forecast]:
        """Forecast every demand; see `Forecaster.forecast`."""
        check_asked(horizon_s, levels)
        answers = self._asked(
            lambda: self._made.forecast(
                demands,
                issued_at=issued_at,
                horizon_s=horizon_s,
                levels=levels,
                timezone=timezone,
            )
        )
        return self._checked(answers, demands, issued_at, horizon_s, levels)

    def _asked(self, question: Callable[[], _Result]) -> _Result:
        try:
            return question()
        except Exception as error:  # noqa: BLE001  somebody else's code may fail in any way
            raise refusal(self.name, self._owner, error) from None

    def _checked(
        self,
        answers: list[Forecast],
        demands: Sequence[Demand],
        issued_at: datetime,
        horizon_s: int,
        levels: tuple[float, ...],
    ) -> list[Forecast]:
        # Forecast itself refuses what is not finite, negative or crossing.
        asked = [
            (
                one.series_id,
                issued_at,
                first_step(one, issued_at),
                one.step_s,
                levels,
                (step_count(one.step_s, horizon_s), len(levels)),
            )
            for one in demands
        ]
        if not isinstance(answers, list) or [_outline(one) for one in answers] != asked:
            raise InputError(
                f"--model {self.name}: {self._owner} did not answer what was asked: one Forecast "
                "for each series in order, with the levels, first bucket and steps asked for"
            )
        return [msgspec.structs.replace(one, model=self.name) for one in answers]


class _ForeignTrainable(_Foreign):
    # The same, of one that can be trained.

    def __init__(self, made: Trainable, name: str, owner: str) -> None:
        super().__init__(made, name, owner)
        self._trainable = made

    def train(self, demands: Sequence[Demand], *, issued_at: datetime, timezone: ZoneInfo) -> bytes:
        """Learn from what was observed; see `Trainable.train`."""
        return self._asked(
            lambda: self._trainable.train(demands, issued_at=issued_at, timezone=timezone)
        )

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
        """Forecast with what was learned; see `Trainable.forecast_trained`."""
        check_asked(horizon_s, levels)
        answers = self._asked(
            lambda: self._trainable.forecast_trained(
                trained,
                demands,
                issued_at=issued_at,
                horizon_s=horizon_s,
                levels=levels,
                timezone=timezone,
            )
        )
        return self._checked(answers, demands, issued_at, horizon_s, levels)


def _outline(one: object) -> object:
    if not isinstance(one, Forecast):
        return None
    return one.series_id, one.issued_at, one.start, one.step_s, one.levels, one.values.shape
