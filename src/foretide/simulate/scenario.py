"""This file knows the rules a backtest is played by: prices, lead times and the objective."""

from __future__ import annotations

import difflib
import math
import tomllib
from pathlib import Path
from typing import Annotated, Literal, cast

import msgspec
from msgspec import inspect

from foretide.config.describe import allowed, toml_text
from foretide.errors import InputError, InvalidValueError

MINUTE_S = 60
# Nobody, the clairvoyant included, has more: a wild number in a trace must not ask for millions.
FLEET_MAX_COUNT = 10_000
BOOT_MAX_S = 7200
Positive = Annotated[float, msgspec.Meta(gt=0)]
ScaleDown = Literal["strict", "soft"]


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way to play a trace, as read from `scenario.toml`.

    Parameters
    ----------
    objective : float
        Fraction of requests allowed over capacity, in (0, 1).
    boot_s : float
        Seconds from a cold launch to serving, in (0, 7200]; rounded up to whole minutes. The
        planner looks three boots ahead, and a forecast by the minute reaches no further than hours.
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
    scale_down : {"strict", "soft"}
        How Foretide gives instances up while it is unsure; others know no such choice.
    """

    objective: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.001
    boot_s: Annotated[float, msgspec.Meta(gt=0, le=BOOT_MAX_S)] = 300.0
    wake_s: Annotated[float, msgspec.Meta(ge=0, le=MINUTE_S)] = 20.0
    warm_price_fraction: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    price_usd_per_hour: Positive = 0.1
    warmup_days: Annotated[float, msgspec.Meta(ge=0)] = 14.0
    capacity_rps: dict[str, Positive] = {}
    scale_down: ScaleDown = "strict"

    def __post_init__(self) -> None:
        if not 0 < self.objective < 1:
            raise InvalidValueError(f"objective must lie in (0, 1), was {self.objective}")
        if not 0 <= self.wake_s <= MINUTE_S:
            raise InvalidValueError(f"wake_s must lie in [0, 60], was {self.wake_s}")
        if not 0 < self.boot_s <= BOOT_MAX_S:
            raise InvalidValueError(f"boot_s must lie in (0, {BOOT_MAX_S}], was {self.boot_s}")

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
    where = f"--scenario {path}"
    try:
        table: dict[str, object] = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"{where}: {error.strerror}; give an existing file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(
            f"{where}: is not TOML ({error}); write lines such as boot_s = 300"
        ) from None
    fields = {field.name: field.type for field in msgspec.structs.fields(Scenario)}
    for key, value in table.items():
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1) or list(fields)
            raise InputError(f"{where}: {key} is no key of a scenario; write {', '.join(near)}")
        _check(where, key, value, fields[key])
    return msgspec.convert(table, Scenario)


def _check(where: str, key: str, value: object, kind: object) -> None:
    if key == "capacity_rps" and isinstance(value, dict):
        for series, rps in cast("dict[str, object]", value).items():
            _check(where, f"capacity_rps of series {series!r}", rps, Positive)
        return
    try:
        msgspec.convert(value, kind)
        if not isinstance(value, float) or math.isfinite(value):  # no upper bound stops infinity
            return
    except msgspec.ValidationError:
        pass
    is_table = key == "capacity_rps"
    wanted = "a table of requests/s by series" if is_table else allowed(inspect.type_info(kind))
    raise InputError(f"{where}: {key} must be {wanted}, was {toml_text(value)}; correct it")
