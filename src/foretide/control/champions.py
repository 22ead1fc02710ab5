"""This file knows which lesson serves which series, and forecasts with it.

Every series has a champion, the lesson that serves it, and sometimes a challenger on trial. Where a
lesson was damaged on disk, the one before it that knows the series serves, and that is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import cast
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from foretide import __version__
from foretide.control.lessons import Lesson, decoded, narrowed
from foretide.errors import InvalidValueError
from foretide.forecast.base import Forecaster, Trainable
from foretide.forecast.calibration import Calibration
from foretide.forecast.retrain import Cadence
from foretide.forecast.tally import WEEK_H
from foretide.model.demand import Demand
from foretide.model.forecast import Forecast
from foretide.store.models import Manifest, Registry


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How one unit stands: a series, or the series of an app that share a model.

    Parameters
    ----------
    cadence : Cadence
        When it learns next, and why.
    champion : int
        Version of the training that serves.
    adopted_at : datetime
        Since when it does.
    challenger : int
        Version of the training on trial; 0 for none.
    spread_factor : float
        Width of the champion's intervals over what it says itself, in (0, 1].
    """

    cadence: Cadence
    champion: int
    adopted_at: datetime
    challenger: int = 0
    spread_factor: float = 1.0


def is_shared(forecaster: Forecaster) -> bool:
    """Return whether a forecaster learns from all series together, as it says of itself."""
    return bool(getattr(forecaster, "is_global", False))


def served(folder: Path, forecaster: Forecaster, *, is_global: bool) -> Forecaster:
    """Return what forecasts with what was trained, else `forecaster` itself.

    Parameters
    ----------
    folder : Path
        Of the registry.
    forecaster : Forecaster
        The model, with its calendar.
    is_global : bool
        Whether the model learns from all series of an app together.
    """
    if not callable(getattr(forecaster, "train", None)):
        return forecaster
    champions = Champions(Registry(folder), cast("Trainable", forecaster), is_shared=is_global)
    return champions if champions.standings else forecaster


class Champions:
    """The lessons that serve, read from the registry once each.

    Parameters
    ----------
    registry : Registry
    forecaster : Trainable
        The model whose lessons they are.
    is_shared : bool
        Whether it learns from all series of an app together: these are then one unit.
    """

    def __init__(
        self, registry: Registry, forecaster: Trainable, *, is_shared: bool = False
    ) -> None:
        self.name = forecaster.name
        self.forecaster = forecaster
        self.is_shared = is_shared
        self.notes: list[str] = []
        self.standings: dict[str, Standing] = {}
        self._registry = registry
        self._lessons: dict[int, Lesson] = {}
        self._found: dict[tuple[int, str], int] = {}  # by what is wanted: what serves
        text, notes = registry.standing(self.name)
        self.notes += notes
        if text is not None:
            try:
                self.standings = msgspec.json.decode(text, type=dict[str, Standing])
            except msgspec.DecodeError as error:
                self._note(f"what is kept of {self.name} was written by another version ({error})")

    def unit_of(self, series: str) -> str:
        """Return the unit to which a series belongs."""
        return _unit_of(series, is_shared=self.is_shared)

    def lesson(self, series: str, version: int) -> tuple[int, Lesson] | None:
        """Return a lesson of a series, or the newest older whole one, with its version.

        Parameters
        ----------
        series : str
        version : int
            The one wanted.

        Returns
        -------
        tuple of int and Lesson, or None
            None when no training knows the series.
        """
        key = (version, self.unit_of(series))
        if key not in self._found:
            self._found[key] = self._read(series, version)
        at = self._found[key]
        return (at, self._lessons[at]) if at else None

    def _read(self, series: str, version: int) -> int:
        # The version that serves instead of, or as, the one wanted; 0 for none.
        training, notes = self._registry.latest(
            self.name, before=version + 1, suits=lambda found: self._suits(found, series)
        )
        for note in notes:
            self._note(note)
        if training is None:
            return 0
        if training.version not in self._lessons:
            try:
                self._lessons[training.version] = decoded(training.learned)
            except InvalidValueError as error:
                self._note(f"version {training.version} of {self.name}: {error}")
                return self._read(series, training.version - 1)
        return training.version

    def _suits(self, found: Manifest, series: str) -> bool:
        if found.program != __version__:
            # what a model learned may mean something else to another release of it
            self._note(f"{self.name} was trained by foretide {found.program}: it is trained anew")
            return False
        unit = self.unit_of(series)
        return series in found.series or (
            self.is_shared and any(self.unit_of(one) == unit for one in found.series)
        )

    def _note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)

    def champion(self, series: str) -> tuple[int, Lesson] | None:
        """Return the lesson that serves a series, with its version; None before the first."""
        standing = self.standings.get(self.unit_of(series))
        return None if standing is None else self.lesson(series, standing.champion)

    def calibration(self, series: Sequence[str]) -> Calibration:
        """Return the calibrations of the champions of `series`, unknown where there is none."""
        rows = [_blank()] * len(series)
        for row, name in enumerate(series):
            found = self.champion(name)
            if found is not None and name in found[1].series:
                own, at = found[1].calibration, found[1].series.index(name)
                rows[row] = np.concatenate(
                    [
                        own.loss[at],
                        [
                            one[at]
                            for one in (own.stray, own.window_stray, own.missed, own.day_points)
                        ],
                    ]
                )
        table = np.array(rows).reshape(len(series), WEEK_H + 4)
        return Calibration(
            loss=table[:, :WEEK_H],
            stray=table[:, WEEK_H],
            window_stray=table[:, WEEK_H + 1],
            missed=table[:, WEEK_H + 2],
            day_points=table[:, WEEK_H + 3],
        )

    def keep(self, version: int, lesson: Lesson) -> None:
        """Remember a lesson that was just saved under `version`."""
        self._lessons[version] = lesson
        for series in lesson.series:
            self._found[version, self.unit_of(series)] = version

    def save(self) -> None:
        """Write down how every unit stands, and let go of lessons that nobody needs."""
        needed = {one.champion for one in self.standings.values()}
        needed |= {one.challenger for one in self.standings.values() if one.challenger}
        self._registry.save_standing(
            self.name, msgspec.json.encode(self.standings, order="sorted"), needed=needed
        )
        self._found = {key: at for key, at in self._found.items() if key[0] in needed}
        serving = set(self._found.values())
        self._lessons = {at: one for at, one in self._lessons.items() if at in serving}

    def for_part(self, demands: Sequence[Demand]) -> Serving:
        """Return what forecasts these series: it carries their lessons and nothing else."""
        return self._serving(dict.fromkeys(self.unit_of(one.series_id) for one in demands))

    def __reduce__(self) -> tuple[Callable[[Serving], Serving], tuple[Serving]]:
        # Where it is sent to there is no registry: it travels with all that serves.
        return _arrived, (self._serving(self.standings),)

    def _serving(self, units: Iterable[str]) -> Serving:
        lessons: dict[int, bytes] = {}
        serves: dict[str, tuple[int, float]] = {}
        for unit in units:
            found = self.champion(f"{unit}/" if self.is_shared else unit)
            if found is not None:
                version, lesson = found
                lessons[version] = lesson.trained
                serves[unit] = (version, self.standings[unit].spread_factor)
        return Serving(self.forecaster, lessons=lessons, serves=serves, is_shared=self.is_shared)

    def forecast(
        self,
        demands: Sequence[Demand],
        *,
        issued_at: datetime,
        horizon_s: int,
        levels: tuple[float, ...],
        timezone: ZoneInfo,
    ) -> list[Forecast]:
        """Forecast every demand with its champion; see `Forecaster.forecast`."""
        return self.for_part(demands).forecast(
            demands, issued_at=issued_at, horizon_s=horizon_s, levels=levels, timezone=timezone
        )


class Serving:
    """Lessons at work: each series by its own; one that has none as if nothing were trained.

    Parameters
    ----------
    forecaster : Trainable
    lessons : mapping of int to bytes
        What was learned, by version.
    serves : mapping of str to tuple of int and float
        Which version serves a unit, and its spread factor.
    is_shared : bool
        Whether an app's series are one unit.
    """

    def __init__(
        self,
        forecaster: Trainable,
        *,
        lessons: Mapping[int, bytes],
        serves: Mapping[str, tuple[int, float]],
        is_shared: bool = False,
    ) -> None:
        self.name = forecaster.name
        self._forecaster = forecaster
        self._lessons = lessons
        self._serves = serves
        self._is_shared = is_shared

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
        found: dict[int, Forecast] = {}
        asked = tuple(sorted({*levels, 0.5}))
        by = [self._by(one.series_id) for one in demands]
        for version, rows in _groups(version for version, _ in by).items():
            part = [demands[row] for row in rows]
            made = (
                self._forecaster.forecast_trained(
                    self._lessons[version], part, issued_at=issued_at, horizon_s=horizon_s,
                    levels=asked, timezone=timezone,
                )
                if version
                else self._forecaster.forecast(
                    part, issued_at=issued_at, horizon_s=horizon_s, levels=asked, timezone=timezone
                )
            )  # fmt: skip
            found.update(zip(rows, made, strict=True))
        return [narrowed(found[row], factor, levels) for row, (_, factor) in enumerate(by)]

    def _by(self, series: str) -> tuple[int, float]:
        # The version that serves a series, 0 for none, and its spread factor.
        return self._serves.get(_unit_of(series, is_shared=self._is_shared), (0, 1.0))


def _unit_of(series: str, *, is_shared: bool) -> str:
    return series.partition("/")[0] if is_shared else series


def _arrived(serving: Serving) -> Serving:
    return serving


def _groups(keys: Iterable[int]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for row, key in enumerate(keys):
        found.setdefault(key, []).append(row)
    return found


def _blank() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    # Nothing is known of losses, a day strays by the prior, and misses are nominal.
    return np.concatenate([np.full(WEEK_H, np.nan), [0.25, 0.2, 0.2, 2.0]])
