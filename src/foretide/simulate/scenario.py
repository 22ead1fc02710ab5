"""This file knows the rules a backtest is played by: prices, lead times and the objective."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import msgspec

from foretide.errors import InputError, InvalidValueError

MINUTE_S = 60
Positive = Annotated[float, msgspec.Meta(gt=0)]


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way to play a trace, as read from `scenario.toml`.

    Parameters
    ----------
    objective : float
        Fraction of requests allowed over capacity, in (0, 1).
    boot_s : float
        Seconds from a cold launch to serving, > 0; rounded up to whole minutes.
    wake_s : float
        Seconds from promote to serving, in [0, 60]: a promote decided at a minute's start
        serves that minute.
    warm_price_fraction : float
        Price of a warm instance / price of a serving one, in (0, 1]; 1 (or absent) = no warm pool.
    price_usd_per_hour : float
        Price of an instance, > 0.
    warmup_days : float
        Days at the start that are not scored, >= 0; capped at half of each series.
    capacity_rps : dict of str to float
        Requests/s that one instance serves, by series; a series absent here is sized so that the
        99.9 % quantile of its warm-up demand takes 50 instances.
    """

    objective: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.001
    boot_s: Positive = 300.0
    wake_s: Annotated[float, msgspec.Meta(ge=0)] = 20.0
    warm_price_fraction: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    price_usd_per_hour: Positive = 0.1
    warmup_days: Annotated[float, msgspec.Meta(ge=0)] = 14.0
    capacity_rps: dict[str, Positive] = {}

    def __post_init__(self) -> None:
        if not 0 < self.objective < 1:
            raise InvalidValueError(f"objective must lie in (0, 1), was {self.objective}")
        if not 0 <= self.wake_s <= MINUTE_S:
            raise InvalidValueError(f"wake_s must lie in [0, 60], was {self.wake_s}")

    @property
    def boot_minutes(self) -> int:
        """Whole minutes from launch to serving: launched at minute t serves from t + this."""
        return math.ceil(self.boot_s / MINUTE_S)

    @property
    def has_warm_pool(self) -> bool:
        """Whether holding an instance warm costs less than letting it serve."""
        return self.warm_price_fraction < 1


def read_scenario(path: Path) -> Scenario:
    """Return the scenario written in the TOML file `path`.

    Raises
    ------
    InputError
        When the file is absent, no TOML, or holds a key or value that is not allowed.
    """
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Scenario)
    except OSError as error:
        raise InputError(f"--scenario {path}: {error.strerror}; give an existing file") from None
    except (msgspec.DecodeError, InvalidValueError) as error:
        raise InputError(f"--scenario {path}: {error}; see `foretide backtest --help`") from None
