"""This file knows the session kernel: what sessions already here will call in the coming minutes.

Sessions under way are counted by stage and age. From how sessions at each of them went on in the
following minute, calls of every feature at every lead follow: what is called in the next minute,
and the same again from where the session then stands. Demand to come is sessions here times
kernel, plus expected arrivals times the kernel of a new session.
"""

from __future__ import annotations

import msgspec
import numpy as np

from foretide.forecast.path_stage import (
    AGE_COUNT,
    CALL_EDGES,
    CELL_AGE_MIN,
    CELL_BEGINS,
    CELL_COUNT,
    QUARTER_COUNT,
    SESSION_END_MIN,
    IntArray,
    after_a_minute,
    cell_of,
    stage_count,
)
from foretide.forecast.visits import Visits
from foretide.model.demand import FloatArray

_GROUP_AGES_MIN = (0, 1, 2, 5, 10, 20)
_PRIOR_COUNT = 10.0  # sessions by which a rare stage leans on its kin
_TINY = 1e-9
_HEED_FADE = 0.5 ** (1 / 1.5)  # a minute's; what is heeded is the last few minutes
_CHANCE_SIGMAS = 2.0
# By the minute, modulo the ages: where sessions of each age are counted.
_BY_AGE: IntArray = (np.arange(AGE_COUNT)[:, None] - np.arange(AGE_COUNT)) % AGE_COUNT


class SessionGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Sessions of about one age that called the same feature last.

    Parameters
    ----------
    feature : int
        Number of that feature.
    from_min, to_min : int
        How long ago they called it, in minutes.
    sessions : int
        How many they are.
    calls : float
        Calls expected of them.
    """

    feature: int
    from_min: int
    to_min: int
    sessions: int
    calls: float


class SessionKernel:
    """Sessions here by stage and age, and what such sessions call later.

    Parameters
    ----------
    feature_count : int
        Features told apart.
    leads : tuple of int
        Minutes ahead that are wanted, rising, >= 1.
    """

    def __init__(self, feature_count: int, leads: tuple[int, ...]) -> None:
        self._features, self._leads = feature_count, leads
        self._last_starts = np.array(leads) - 1
        stages = stage_count(feature_count)
        self._stages = stages
        # All sessions, then those learned from, by minute and quarter of the last call.
        self._here = np.zeros((2, AGE_COUNT, QUARTER_COUNT, stages), dtype=np.int64)
        cells = CELL_COUNT * stages
        self._exposure = np.zeros(cells)
        self._exposed = np.zeros(self._here.shape[1:], dtype=np.int64)  # since the last block
        self._calls = np.zeros(cells * feature_count)
        self._onward = np.zeros(cells * stages)
        self._entries = np.zeros(stages * QUARTER_COUNT)
        self._starts = 0.0
        self._start_calls = np.zeros(feature_count)
        self._start_stages = np.zeros(stages)
        self._seen: list[tuple[IntArray, ...]] = []
        self.per_session = np.zeros((cells, len(leads), feature_count))
        self.per_start = np.zeros((leads[-1], feature_count))
        # By the minute in which sessions begin: what they call at every lead, but at once.
        self._later_calls = np.zeros((leads[-1], len(leads) * feature_count))
        self._may_call = np.zeros(cells)
        self._expected_callers = np.zeros(feature_count)
        # Of the last minutes: sessions that were to call, and that did, by the feature called
        # last; all of them; and first calls of sessions that began, by the feature called.
        self._lately = np.zeros((2, 2 * feature_count + 1))
        self._heed = np.ones(2 * feature_count + 1)  # the same places

    def age(self, minute: int) -> None:
        """Begin a minute: sessions silent for longer than half an hour are gone."""
        self._here[:, minute % AGE_COUNT] = 0

    def move(self, visits: Visits, minute: int, *, is_learned: bool) -> None:
        """Move the sessions that called in `minute` to where they stand now.

        Parameters
        ----------
        visits : Visits
            Of that minute, whose `age` was called.
        minute : int
            Minutes since the epoch.
        is_learned : bool
            Whether what they did is to be learned from.
        """
        if is_learned:
            # Of the learners by age; by cell once a block.
            self._exposed += self._here[1].take(_BY_AGE[(minute - 1) % AGE_COUNT], axis=0)
            self._note(visits, minute)
        self._watch(visits)
        known, learner = visits.is_known, visits.is_learner
        place = visits.since % AGE_COUNT * QUARTER_COUNT + visits.quarter_before
        before = place * self._stages + visits.stage_before
        place = minute % AGE_COUNT * QUARTER_COUNT + visits.quarter
        now = place * self._stages + visits.stage
        everyone, learners = self._here.reshape(2, -1)
        np.subtract.at(everyone, before[known], 1)
        np.add.at(everyone, now, 1)
        np.subtract.at(learners, before[known & learner], 1)
        np.add.at(learners, now[learner], 1)

    def _watch(self, visits: Visits) -> None:
        count, lately = self._features, self._lately
        came = visits.stage_before[visits.is_known & ~visits.is_start] // len(CALL_EDGES)
        first = visits.call_feature[visits.is_start[visits.call_visit]]
        lately *= _HEED_FADE
        lately[0, :count] += self._expected_callers
        lately[1, :count] += np.bincount(came, minlength=count)
        lately[0, count + 1 :] += self.per_start[0] * float(np.count_nonzero(visits.is_start))
        lately[1, count + 1 :] += np.bincount(first, minlength=count)
        lately[:, count] = lately[:, :count].sum(axis=1)
        self._heed = _heed(lately)

    def standing(self, minute: int) -> FloatArray:
        """Return sessions by age cell and stage at the end of `minute`.

        Parameters
        ----------
        minute : int
            The last one moved.

        Returns
        -------
        ndarray, shape (cells * stages,)
        """
        return _by_cell(self._here[0].take(_BY_AGE[minute % AGE_COUNT], axis=0))

    def _note(self, visits: Visits, minute: int) -> None:
        goes_on = visits.is_learner & visits.is_known & ~visits.is_start
        begins = visits.is_learner & visits.is_start
        age = (minute - 1 - visits.since) % AGE_COUNT
        cell = cell_of(age, visits.quarter_before)
        place = cell * self._stages + visits.stage_before
        going, starting = goes_on[visits.call_visit], begins[visits.call_visit]
        self._seen.append(
            (
                place[visits.call_visit[going]] * self._features + visits.call_feature[going],
                place[goes_on] * self._stages + visits.stage[goes_on],
                (visits.stage * QUARTER_COUNT + visits.quarter)[visits.is_learner],
                visits.call_feature[starting],
                visits.stage[begins],
            )
        )

    def absorb(self, decay: float) -> None:
        """Add what was seen since the last time to the tables, in which the old has faded."""
        tables = (self._calls, self._onward, self._entries, self._start_calls, self._start_stages)
        self._exposure += _by_cell(self._exposed)
        self._exposure *= decay
        self._exposed[:] = 0
        self._starts *= decay
        for at, table in enumerate(tables):
            parts = [seen[at] for seen in self._seen] or [np.empty(0, dtype=np.int64)]
            counted = np.bincount(np.concatenate(parts), minlength=len(table))
            np.add(table * decay, counted, out=table)
        self._starts += sum(len(seen[-1]) for seen in self._seen)
        self._seen = []

    def renew(self) -> None:
        """Work out the calls at every lead from the tables."""
        exposure = self._exposure.reshape(CELL_COUNT, self._stages)
        calls = _rates(self._calls.reshape(CELL_COUNT, self._stages, -1), exposure)
        onward = _rates(self._onward.reshape(CELL_COUNT, self._stages, -1), exposure)
        self._may_call = np.minimum(onward.sum(axis=-1), 1.0).ravel()
        silent = 1.0 - self._may_call.reshape(CELL_COUNT, self._stages, 1)
        entries = self._entries.reshape(self._stages, QUARTER_COUNT) + 0.25
        entries /= entries.sum(axis=1, keepdims=True)
        begun = max(self._starts, _TINY)
        next_cell, moved = after_a_minute()
        stays = silent * (1.0 - moved)[:, None, None]
        moves = silent * moved[:, None, None]
        entered = np.zeros((self._stages, self._features))
        # The last cell is that of sessions that have ended.
        ahead = np.concatenate([calls, np.zeros_like(calls[:1])])
        for lead in range(1, self._leads[-1] + 1):
            if lead in self._leads:
                at = self._leads.index(lead)
                self.per_session[:, at] = ahead[:-1].reshape(-1, self._features)
            started = self._start_calls if lead == 1 else self._start_stages @ entered
            self.per_start[lead - 1] = started / begun
            entered = np.einsum("sq,qsf->sf", entries, ahead[:QUARTER_COUNT])
            gone_on = (onward.reshape(-1, self._stages) @ entered).reshape(calls.shape)
            ahead[:-1] = gone_on + stays * ahead[:-1] + moves * ahead[next_cell]
        later = self._later_calls.reshape(self._leads[-1], len(self._leads), -1)
        for at, lead in enumerate(self._leads):
            later[: lead - 1, at] = self.per_start[1:lead][::-1]

    def heed(self) -> FloatArray:
        """Return how far sessions do what was expected of them, by the feature they called last.

        A flash crowd looks like many new customers and calls nothing more: within a minute or two
        far fewer go on than were to, and their numbers are believed that much less.

        Returns
        -------
        ndarray, shape (features,)
            1 unless clearly fewer sessions called lately than were to.
        """
        return self._heed[: self._features]

    def expected(self, minute: int) -> FloatArray:
        """Return the calls that sessions here at the end of `minute` will make.

        Parameters
        ----------
        minute : int
            The last one moved.

        Returns
        -------
        ndarray, shape (leads, features)
        """
        standing = self.standing(minute)
        by_feature = (CELL_COUNT, self._features, len(CALL_EDGES))
        stages = (standing * self._may_call).reshape(CELL_COUNT, -1).sum(axis=0)
        self._expected_callers = stages.reshape(self._features, -1).sum(axis=1)
        believed = (standing.reshape(by_feature) * self.heed()[:, None]).ravel()
        table = self.per_session.reshape(len(standing), -1)
        return (believed @ table).reshape(len(self._leads), -1)

    def groups(self, minute: int, lead_at: int, feature: int) -> list[SessionGroup]:
        """Return which sessions here the calls of one feature at one lead are expected from.

        Parameters
        ----------
        minute : int
            The last one moved.
        lead_at, feature : int
            Place of the lead, number of the feature.
        """
        shape = (CELL_COUNT, self._features, len(CALL_EDGES))
        standing = self.standing(minute).reshape(shape)
        each = self.per_session[:, lead_at, feature].reshape(shape)
        calls = (standing * each).sum(axis=2) * self.heed()
        begins = np.searchsorted(CELL_AGE_MIN, _GROUP_AGES_MIN)
        sessions = np.add.reduceat(standing.sum(axis=2), begins, axis=0)
        expected = np.add.reduceat(calls, begins, axis=0)
        ends = (*_GROUP_AGES_MIN[1:], SESSION_END_MIN)
        return [
            SessionGroup(
                feature=before,
                from_min=_GROUP_AGES_MIN[age],
                to_min=ends[age],
                sessions=int(sessions[age, before]),
                calls=float(expected[age, before]),
            )
            for age, before in np.argwhere(sessions > 0).tolist()
        ]

    def arriving(self, starts: FloatArray) -> FloatArray:
        """Return the calls that sessions yet to begin will make.

        Parameters
        ----------
        starts : ndarray, shape (longest lead,)
            Sessions expected to begin in each coming minute.

        Returns
        -------
        ndarray, shape (leads, features)
        """
        overall, beginners = self._heed[self._features], self._heed[self._features + 1 :]
        later = overall * (starts @ self._later_calls).reshape(len(self._leads), -1)
        at_once = starts[self._last_starts, None] * (self.per_start[0] * beginners)
        return later + at_once


def _by_cell(by_age: IntArray) -> FloatArray:
    # Sessions by age, quarter and stage, counted by age cell and stage.
    quarters = by_age.reshape(AGE_COUNT * QUARTER_COUNT, -1)
    return np.add.reduceat(quarters, CELL_BEGINS, axis=0).ravel().astype(np.float64)


def _heed(lately: FloatArray) -> FloatArray:
    # Of pairs (were to call, called): the share that did, where clearly fewer did than by chance.
    were_to, came = lately
    were_to_one = were_to + 1.0
    sigmas = (were_to - came) / np.sqrt(were_to_one)
    sure = np.minimum(np.maximum(sigmas / _CHANCE_SIGMAS - 1.0, 0.0), 1.0)
    return 1.0 - sure * (1.0 - (came + 1.0) / were_to_one)


def _rates(counts: FloatArray, exposure: FloatArray) -> FloatArray:
    # Counts per session and minute, shape (cells, stages, ...). A rare stage leans on the same age
    # after the same feature whatever the calls before, and that on the feature at any age.
    cells, stages, targets = counts.shape
    kin = (cells, stages // len(CALL_EDGES), len(CALL_EDGES))
    by_kin, kin_exposure = counts.reshape(*kin, targets), exposure.reshape(kin)[..., None]
    feature = by_kin.sum(axis=(0, 2)) / np.maximum(kin_exposure.sum(axis=(0, 2)), 1.0)
    middle = by_kin.sum(axis=2) + _PRIOR_COUNT * feature
    middle /= kin_exposure.sum(axis=2) + _PRIOR_COUNT
    own = by_kin + _PRIOR_COUNT * middle[:, :, None]
    own /= kin_exposure + _PRIOR_COUNT
    return own.reshape(counts.shape)
