"""This file knows which forecasters a person may ask for by name."""

from __future__ import annotations

from foretide.errors import InputError
from foretide.forecast.base import Forecaster
from foretide.forecast.fleet import Fleet
from foretide.forecast.seasonal_naive import SeasonalNaive

DEFAULT = Fleet.name
_BUILT_IN: dict[str, type[Fleet | SeasonalNaive]] = {
    Fleet.name: Fleet,
    SeasonalNaive.name: SeasonalNaive,
}
_ABSENT = ("prophet", "prophet-tuned", "lstm", "gbm", "auto")


def names() -> tuple[str, ...]:
    """Return the names of all forecasters of this version, the default first."""
    return tuple(_BUILT_IN)


def forecaster(name: str) -> Forecaster:
    """Return the forecaster called `name`.

    Raises
    ------
    InputError
        When there is none of that name.
    """
    if name in _BUILT_IN:
        return _BUILT_IN[name]()
    known = ", ".join(names())
    if name in _ABSENT:
        raise InputError(f"--model {name}: not in this version; use one of {known}")
    raise InputError(f"--model {name}: unknown; use one of {known}")
