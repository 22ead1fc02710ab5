"""This file knows what may go wrong in a made world, how often, and how badly.

A fault is data; `disturb` and `mishaps` make it happen, each kind from a generator of its own, so
that one fault more leaves the others as they were.
"""

from __future__ import annotations

import difflib
import math
import tomllib
import zlib
from pathlib import Path
from typing import Annotated, cast

import msgspec
import numpy as np
from msgspec import inspect

from foretide.config.describe import allowed, core_type, toml_text
from foretide.errors import InputError

_Rate = Annotated[float, msgspec.Meta(ge=0, le=1000)]
_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Factor = Annotated[float, msgspec.Meta(gt=0, le=100)]
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=86_400)]


class _Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class FlashCrowd(_Fault, frozen=True, kw_only=True):
    """Demand times `factor` within `ramp_s`, at instants nobody announced."""

    per_week: _Rate = 2.0
    factor: _Factor = 5.0
    ramp_s: _Seconds = 120.0
    hold_s: _Seconds = 1200.0
    ebb_s: _Seconds = 1800.0


class LevelShift(_Fault, frozen=True, kw_only=True):
    """Demand goes to `factor` times its level and stays there; the next shift takes it back."""

    per_week: _Rate = 0.5
    factor: _Factor = 1.5


class Drift(_Fault, frozen=True, kw_only=True):
    """Demand grows by this share every day."""

    fraction_per_day: Annotated[float, msgspec.Meta(gt=-1, le=1)] = 0.02


class MetricGaps(_Fault, frozen=True, kw_only=True):
    """Demand goes unseen for a while; gaps last `mean_s` on average."""

    per_day: _Rate = 4.0
    mean_s: _Seconds = 1200.0


class OpenBuckets(_Fault, frozen=True, kw_only=True):
    """The last bucket is read before it is full, and holds only `counted_fraction` of its demand.

    `fraction` of all readings are so.
    """

    fraction: _Share = 0.2
    counted_fraction: _Share = 0.5


class ClockSkew(_Fault, frozen=True, kw_only=True):
    """The clock of the metrics' source is ahead (> 0) or behind (< 0); both make data late."""

    skew_s: Annotated[float, msgspec.Meta(ge=-3600, le=3600)] = 120.0


class ForecastBias(_Fault, frozen=True, kw_only=True):
    """Every forecast is issued `factor` times as high as it should be."""

    factor: _Factor = 0.8


class SlowBoots(_Fault, frozen=True, kw_only=True):
    """Boot times spread: half of them longer than usual, one in a hundred `p99_factor` times."""

    p99_factor: Annotated[float, msgspec.Meta(ge=1, le=100)] = 3.0


class FailedLaunches(_Fault, frozen=True, kw_only=True):
    """This share of launches never becomes ready."""

    fraction: _Share = 0.1


class LaunchLimit(_Fault, frozen=True, kw_only=True):
    """The platform begins no more launches a minute than this; the others wait."""

    per_minute: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 2


class InstanceLosses(_Fault, frozen=True, kw_only=True):
    """Instances are lost, each with this chance a day."""

    per_instance_day: _Rate = 0.2


class LateReports(_Fault, frozen=True, kw_only=True):
    """This share of reports shows the fleet as it was `delay_s` before, or when it began."""

    fraction: _Share = 0.1
    delay_s: _Seconds = 120.0


class RepeatedReports(_Fault, frozen=True, kw_only=True):
    """This share of reports is the one before, delivered again."""

    fraction: _Share = 0.1


class LostAnswers(_Fault, frozen=True, kw_only=True):
    """The platform does not answer this share of actions; half of those it did all the same."""

    fraction: _Share = 0.01


class NodeLosses(_Fault, frozen=True, kw_only=True):
    """Nodes are lost with all that runs on them, and come back empty after `mean_s` on average."""

    per_node_day: _Rate = 0.1
    mean_s: _Seconds = 1800.0


class Partitions(_Fault, frozen=True, kw_only=True):
    """Nodes run on and cannot be reached: for `mean_s` on average nothing is reported of them."""

    per_node_day: _Rate = 0.5
    mean_s: _Seconds = 600.0


class Contention(_Fault, frozen=True, kw_only=True):
    """Others take this share of a node's link for `mean_s` on average."""

    per_node_day: _Rate = 4.0
    mean_s: _Seconds = 1800.0
    fraction: _Share = 0.9


class Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that goes wrong in one made world, drawn from one seed; what is absent does not happen.

    Parameters
    ----------
    seed : int
        Another seed is another run of bad luck.
    """

    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
    flash_crowd: FlashCrowd | None = None
    level_shift: LevelShift | None = None
    drift: Drift | None = None
    metric_gaps: MetricGaps | None = None
    open_buckets: OpenBuckets | None = None
    clock_skew: ClockSkew | None = None
    forecast_bias: ForecastBias | None = None
    slow_boots: SlowBoots | None = None
    failed_launches: FailedLaunches | None = None
    launch_limit: LaunchLimit | None = None
    instance_losses: InstanceLosses | None = None
    late_reports: LateReports | None = None
    repeated_reports: RepeatedReports | None = None
    lost_answers: LostAnswers | None = None
    node_losses: NodeLosses | None = None
    partitions: Partitions | None = None
    contention: Contention | None = None

    def kinds(self) -> tuple[str, ...]:
        """Return the names of the faults that happen."""
        return tuple(name for name in FAULT_KINDS if getattr(self, name) is not None)

    def generator(self, kind: str, whose: str) -> np.random.Generator:
        """Return the generator that one kind of fault draws from, for one series or service."""
        return np.random.default_rng([self.seed, *(zlib.crc32(t.encode()) for t in (kind, whose))])


FAULT_KINDS: tuple[str, ...] = tuple(
    field.name for field in msgspec.structs.fields(Faults) if field.name != "seed"
)
NO_FAULTS = Faults()
# What a name on the command line means: one kind as it comes, or all that a platform may do.
_PLATFORM = Faults(
    slow_boots=SlowBoots(),
    failed_launches=FailedLaunches(),
    launch_limit=LaunchLimit(),
    instance_losses=InstanceLosses(),
    late_reports=LateReports(),
    repeated_reports=RepeatedReports(),
    lost_answers=LostAnswers(),
    node_losses=NodeLosses(),
    partitions=Partitions(),
    contention=Contention(),
)
NAMED_FAULTS: dict[str, Faults] = {
    "flash-crowd": Faults(flash_crowd=FlashCrowd()),
    "level-shift": Faults(level_shift=LevelShift()),
    "drift": Faults(drift=Drift()),
    "metric-gaps": Faults(metric_gaps=MetricGaps()),
    "open-buckets": Faults(open_buckets=OpenBuckets()),
    "clock-skew": Faults(clock_skew=ClockSkew()),
    "forecast-low": Faults(forecast_bias=ForecastBias(factor=0.8)),
    "forecast-high": Faults(forecast_bias=ForecastBias(factor=1.2)),
    "slow-boots": Faults(slow_boots=SlowBoots()),
    "failed-launches": Faults(failed_launches=FailedLaunches()),
    "launch-limit": Faults(launch_limit=LaunchLimit()),
    "instance-losses": Faults(instance_losses=InstanceLosses()),
    "late-reports": Faults(late_reports=LateReports()),
    "repeated-reports": Faults(repeated_reports=RepeatedReports()),
    "lost-answers": Faults(lost_answers=LostAnswers()),
    "node-losses": Faults(node_losses=NodeLosses()),
    "partitions": Faults(partitions=Partitions()),
    "contention": Faults(contention=Contention()),
    "platform": _PLATFORM,
}


def read_faults(given: str) -> Faults:
    """Return the faults of a name, or those written in a TOML file.

    Parameters
    ----------
    given : str
        A name of `NAMED_FAULTS`, or the path of a file with `seed` and one table for each kind.

    Raises
    ------
    InputError
        When it is neither, or the file holds what no fault knows.
    """
    if given in NAMED_FAULTS:
        return NAMED_FAULTS[given]
    where = f"--faults {given}"
    try:
        table: dict[str, object] = tomllib.loads(Path(given).read_text(encoding="utf-8-sig"))
    except OSError as error:
        names = ", ".join(NAMED_FAULTS)
        raise InputError(f"{where}: {error.strerror}; give a TOML file or one of {names}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(
            f"{where}: is not TOML ({error}); write tables such as [flash_crowd]"
        ) from None
    for key, value in table.items():
        _check(where, key, value)
    return msgspec.convert(table, Faults)


def _check(where: str, key: str, value: object) -> None:
    if key == "seed":
        _check_value(where, key, value, Annotated[int, msgspec.Meta(ge=0)])
        return
    if key not in FAULT_KINDS:
        raise InputError(f"{where}: {key} is no fault; write {_near(key, FAULT_KINDS)}")
    if not isinstance(value, dict):
        raise InputError(f"{where}: {key} must be a table, was {toml_text(value)}; write [{key}]")
    kind = cast("type[msgspec.Struct]", _kind_of(key))
    fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
    for name, number in cast("dict[str, object]", value).items():
        if name not in fields:
            near = _near(name, tuple(fields))
            raise InputError(f"{where}: {key}.{name} is no key of a fault; write {near}")
        _check_value(where, f"{key}.{name}", number, fields[name])


def _kind_of(key: str) -> object:
    (field,) = (f for f in msgspec.structs.fields(Faults) if f.name == key)
    inner = core_type(inspect.type_info(field.type))
    return cast("inspect.StructType", inner).cls


def _check_value(where: str, name: str, value: object, kind: object) -> None:
    try:
        msgspec.convert(value, kind)
        if not isinstance(value, float) or math.isfinite(value):
            return
    except msgspec.ValidationError:
        pass
    wanted = allowed(inspect.type_info(kind))
    raise InputError(f"{where}: {name} must be {wanted}, was {toml_text(value)}; correct it")


def _near(key: str, known: tuple[str, ...]) -> str:
    return ", ".join(difflib.get_close_matches(key, known, n=1) or known)
