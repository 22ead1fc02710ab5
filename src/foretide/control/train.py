"""This file knows one beat of learning: what is due is taught, what was on trial is judged.

It is read from the registry, and written there, which lesson serves which series; decisions are
written down before they are carried out. A beat may come every hour or once a day.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from statistics import fmean
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from foretide import __version__
from foretide.control.champions import Champions, Standing
from foretide.control.lessons import (
    Lesson,
    Replay,
    Task,
    decoded,
    digest_of,
    encoded,
    replayed,
    tallied,
    taught,
)
from foretide.control.outcome import Beat, Outcome
from foretide.control.parts import PartMap, cut, here
from foretide.control.trial import needed_spread, often, trial_ratio, twice_daily
from foretide.forecast.evidence import Evidence, common_evidence, evidence_of
from foretide.forecast.retrain import (
    Cadence,
    Challenge,
    Decision,
    Judge,
    Keep,
    Reason,
    Reconform,
    Retrain,
    assess,
    settled,
)
from foretide.forecast.tally import HOUR_S, Matured, Tally
from foretide.forecast.wallclock import epoch_s
from foretide.model.demand import Demand
from foretide.store.models import Manifest, Registry

_REPLAYED_MAX = timedelta(days=14)


def beat(
    champions: Champions,
    registry: Registry,
    demands: Sequence[Demand],
    *,
    now: datetime,
    timezone: ZoneInfo,
    tally: Tally | None = None,
    mapped: PartMap = here,
    is_asked: bool = False,
) -> Beat:
    """Teach what is due of some series, judge what was on trial, and write it all down.

    Parameters
    ----------
    champions : Champions
        Of the model; changed.
    registry : Registry
        Where they are kept.
    demands : sequence of Demand
        Of one app, or of apps whose users live by one clock.
    now : datetime
        Nothing observed later is used; aware UTC.
    timezone : ZoneInfo
        Whose wall clock days and weeks follow.
    tally : Tally, optional
        What the forecasts really issued by the champions were worth, a row per demand; without
        one the champions are replayed, twice a day since they were adopted.
    mapped : callable
        Who does the work; see `foretide.control.pools.part_map`.
    is_asked : bool
        Whether a person wants everything taught now and put to use at once.

    Returns
    -------
    Beat

    Raises
    ------
    StoreError
        When the registry cannot be written.
    """
    work = _Work(champions, registry, demands, now, timezone, mapped)
    if is_asked:
        units = {unit: Retrain(reason=Reason.ASKED) for unit in work.rows}
        outcomes = [work.outcome(unit, decision) for unit, decision in units.items()]
        registry.record(champions.name, outcomes)
        work.teach(units, is_adopted=True)
    else:
        outcomes = list(work.decided(tally))
        registry.record(champions.name, [one for one in outcomes if not _is_quiet(one)])
        outcomes = list(work.carried_out(outcomes))
        registry.record(champions.name, [one for one in outcomes if one.has_won is not None])
    if work.is_changed:
        champions.save()
    notes, champions.notes = tuple(champions.notes), []
    return Beat(outcomes=tuple(outcomes), notes=notes)


def _is_quiet(outcome: Outcome) -> bool:
    return isinstance(outcome.decision, Keep)


class _Work:
    # One beat under way.

    def __init__(  # noqa: PLR0917 (what `beat` is given)
        self,
        champions: Champions,
        registry: Registry,
        demands: Sequence[Demand],
        now: datetime,
        timezone: ZoneInfo,
        mapped: PartMap,
    ) -> None:
        self.champions, self.registry = champions, registry
        self.now, self.timezone, self.mapped = now, timezone, mapped
        self.demands = [one.until(now) for one in demands]
        self.is_changed = False
        self.rows: dict[str, list[int]] = {}
        for row, one in enumerate(demands):
            self.rows.setdefault(champions.unit_of(one.series_id), []).append(row)

    def outcome(self, unit: str, decision: Decision, seen: Evidence | None = None) -> Outcome:
        standing = self.champions.standings.get(unit)
        state = Cadence(trained_at=self.now) if standing is None else standing.cadence
        return Outcome(
            at=self.now, unit=unit, decision=decision, interval_s=state.interval_s, evidence=seen
        )

    def decided(self, tally: Tally | None) -> Iterator[Outcome]:
        """Yield what is to be done with every unit, and move its cadence on."""
        evidence = self._evidence(tally)
        for unit, rows in self.rows.items():
            standing = self.champions.standings.get(unit)
            known = [evidence[row] for row in rows if row in evidence]
            if standing is None or not known:
                yield self.outcome(unit, Retrain(reason=Reason.FIRST))
                continue
            seen = common_evidence(known) if len(known) > 1 else known[0]
            cadence, decision = assess(standing.cadence, seen, self.now)
            if cadence != standing.cadence:
                self._stand(unit, msgspec.structs.replace(standing, cadence=cadence))
            yield self.outcome(unit, decision, seen)

    def carried_out(self, outcomes: Sequence[Outcome]) -> Iterator[Outcome]:
        """Do what was decided; yield the outcomes with what came of them."""
        lessons = {
            one.unit: one.decision
            for one in outcomes
            if isinstance(one.decision, Retrain | Challenge)
        }
        first = {unit: why for unit, why in lessons.items() if why.reason is Reason.FIRST}
        self.teach(first, is_adopted=True)
        self.teach(
            {unit: why for unit, why in lessons.items() if unit not in first}, is_adopted=False
        )
        ratios = self._trials([one.unit for one in outcomes if isinstance(one.decision, Judge)])
        for one in outcomes:
            if isinstance(one.decision, Reconform):
                self._reconform(one.unit)
            yield self._judged(one, ratios[one.unit]) if one.unit in ratios else one

    def teach(self, units: Mapping[str, Retrain | Challenge], *, is_adopted: bool) -> None:
        """Teach the model the series of `units`, and let them serve or go on trial."""
        for names in self._parts(list(units)):
            rows = [row for unit in names for row in self.rows[unit]]
            tasks = self._tasks(rows)
            for task, lesson in zip(tasks, self.mapped(taught, tasks), strict=True):
                version = self._save(task, lesson, units)
                for unit in dict.fromkeys(map(self.champions.unit_of, lesson.series)):
                    self._taught(unit, version, is_adopted=is_adopted)

    def _parts(self, units: list[str]) -> Iterator[Sequence[str]]:
        # One after the other where each unit is a task of its own, else all at once.
        return iter([[unit] for unit in units]) if self.champions.is_shared else iter([units])

    def _tasks(self, rows: Sequence[int]) -> list[Task]:
        whole = len(rows) or 1
        return [
            Task(
                forecaster=self.champions.forecaster,
                demands=[self.demands[row] for row in part],
                issued_at=self.now,
                timezone=self.timezone,
            )
            for part in (cut(rows, whole) if self.champions.is_shared else cut(rows))
        ]

    def _save(self, task: Task, lesson: Lesson, units: Mapping[str, Retrain | Challenge]) -> int:
        names = dict.fromkeys(map(self.champions.unit_of, lesson.series))
        manifest = Manifest(
            model=self.champions.name,
            trained_at=self.now,
            data_start=min(one.start for one in task.demands),
            data_end=max(one.end for one in task.demands),
            series=lesson.series,
            series_digest=digest_of(task.demands),
            reason=", ".join(sorted({units[name].reason for name in names})),
            program=__version__,
            cadence={
                name: msgspec.to_builtins(self.champions.standings[name].cadence)
                for name in names
                if name in self.champions.standings
            },
        )
        text = encoded(lesson)
        version = self.registry.save(manifest, text)
        # as it will be read: numbers are kept in single precision
        self.champions.keep(version, decoded(text))
        return version

    def _taught(self, unit: str, version: int, *, is_adopted: bool) -> None:
        before = self.champions.standings.get(unit)
        if is_adopted or before is None:
            cadence = Cadence(trained_at=self.now)
            if before is not None:
                cadence = msgspec.structs.replace(before.cadence, trained_at=self.now, trial=None)
            standing = Standing(cadence=cadence, champion=version, adopted_at=self.now)
        else:
            standing = msgspec.structs.replace(before, challenger=version)
        self._stand(unit, standing)

    def _stand(self, unit: str, standing: Standing) -> None:
        self.champions.standings[unit] = standing
        self.is_changed = True

    def _evidence(self, tally: Tally | None) -> dict[int, Evidence]:
        # By row; a series that no lesson knows has none.
        rows = [
            row for row, one in enumerate(self.demands) if self.champions.champion(one.series_id)
        ]
        if not rows:
            return {}
        names = [self.demands[row].series_id for row in rows]
        adopted = [
            self.champions.standings[self.champions.unit_of(name)].adopted_at for name in names
        ]
        if tally is None:
            own = self._replayed(rows, adopted)
        else:
            own = Tally(
                first_hour=tally.first_hour,
                loss=tally.loss[rows],
                missed=tally.missed[rows],
                points=tally.points[rows],
            )
        found = evidence_of(
            own,
            self.champions.calibration(names),
            since_hour=np.array([-(-epoch_s(at) // HOUR_S) for at in adopted], dtype=np.int64),
            now_hour=epoch_s(self.now) // HOUR_S,
            zone=self.timezone,
        )
        return dict(zip(rows, found, strict=True))

    def _replayed(self, rows: Sequence[int], adopted: Sequence[datetime]) -> Tally:
        # What each champion would have said twice a day since it was adopted.
        groups: dict[tuple[int, datetime, float], list[int]] = {}
        for at, row in enumerate(rows):
            series = self.demands[row].series_id
            found = self.champions.champion(series)
            since = max(adopted[at], self.now - _REPLAYED_MAX)
            factor = self.champions.standings[self.champions.unit_of(series)].spread_factor
            groups.setdefault((found[0] if found else 0, since, factor), []).append(at)
        matured: dict[int, Matured] = {}
        asked = [
            (
                part,
                self._replay(
                    [rows[at] for at in part], version, twice_daily(since, self.now), factor
                ),
            )
            for (version, since, factor), members in groups.items()
            for part in cut(members)
        ]
        answers = self.mapped(replayed, [replay for _, replay in asked])
        for (part, _), answer in zip(asked, answers, strict=True):
            matured.update(zip(part, answer, strict=True))
        first = min((since for _, since, _ in groups), default=self.now)
        return tallied([matured[at] for at in range(len(rows))], since=first, until=self.now)

    def _replay(
        self,
        rows: Sequence[int],
        version: int,
        instants: Sequence[datetime],
        spread_factor: float = 1.0,
    ) -> Replay:
        found = self.champions.lesson(self.demands[rows[0]].series_id, version)
        return Replay(
            forecaster=self.champions.forecaster,
            trained=found[1].trained if found else b"",
            demands=[self.demands[row] for row in rows],
            instants=instants,
            until=self.now,
            timezone=self.timezone,
            spread_factor=spread_factor,
        )

    def _trials(self, units: Sequence[str]) -> dict[str, float]:
        # Loss of each challenger over its champion's, on what happened since it was trained.
        groups: dict[tuple[int, int, float, datetime], list[int]] = {}
        for unit in units:
            one = self.champions.standings[unit]
            since = one.cadence.trial.since if one.cadence.trial else self.now
            key = (one.champion, one.challenger, one.spread_factor, since)
            groups.setdefault(key, []).extend(self.rows[unit])
        asked: list[tuple[Sequence[int], Replay, Replay]] = []
        for (champion, challenger, factor, since), rows in groups.items():
            instants = often(since, self.now)
            asked += [
                (
                    part,
                    self._replay(part, champion, instants, factor),
                    self._replay(part, challenger, instants),
                )
                for part in cut(rows)
            ]
        answers = iter(self.mapped(replayed, [one for _, *both in asked for one in both]))
        ratios: dict[int, float] = {}
        for part, _, _ in asked:
            before, after = next(answers), next(answers)
            for row, one, other in zip(part, before, after, strict=True):
                ratios[row] = trial_ratio(one, other, self.now)
        return {unit: fmean(ratios[row] for row in self.rows[unit]) for unit in units}

    def _judged(self, outcome: Outcome, loss_ratio: float) -> Outcome:
        # A tie, or nothing to judge by, leaves the champion where it is.
        standing = self.champions.standings[outcome.unit]
        has_won = loss_ratio < 1
        cadence = settled(standing.cadence, self.now, has_won=has_won)
        self._stand(
            outcome.unit,
            Standing(cadence=cadence, champion=standing.challenger, adopted_at=self.now)
            if has_won
            else msgspec.structs.replace(standing, cadence=cadence, challenger=0),
        )
        return msgspec.structs.replace(outcome, has_won=has_won, loss_ratio=loss_ratio)

    def _reconform(self, unit: str) -> None:
        standing, rows = self.champions.standings[unit], self.rows[unit]
        instants = twice_daily(max(standing.adopted_at, self.now - _REPLAYED_MAX), self.now)
        found = replayed(self._replay(rows, standing.champion, instants))
        self._stand(
            unit,
            # what was too wide until now says nothing of what is narrower from now on
            msgspec.structs.replace(
                standing, spread_factor=needed_spread(found), adopted_at=self.now
            ),
        )
