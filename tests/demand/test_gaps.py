from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from foretide.demand.gaps import HEARTBEAT_S, is_alive, resolution_s

minute_sets = st.sets(st.integers(0, 3000), min_size=1, max_size=60).map(
    lambda found: np.array(sorted(found), dtype=np.int64)
)


def test_events_at_one_place_of_each_hour_have_a_resolution_of_an_hour() -> None:
    minutes = np.arange(30, dtype=np.int64) * 60 + 5
    assert resolution_s(minutes) == 3600
    assert resolution_s(np.arange(200, dtype=np.int64)) == 60
    assert resolution_s(minutes[:8]) == 60  # too few to tell


def test_hours_of_such_a_log_are_all_observed_but_the_silent_one() -> None:
    hours = [h for h in range(30) if h != 20]
    minutes = np.array(hours, dtype=np.int64) * 60 + 5
    alive = is_alive(minutes, step_s=3600, heartbeat_s=HEARTBEAT_S)
    assert np.flatnonzero(~alive).tolist() == [20]


def test_silence_within_the_heartbeat_is_zero_and_beyond_it_missing() -> None:
    minutes = np.array([0, 31, 63], dtype=np.int64)
    alive = is_alive(minutes, step_s=60, heartbeat_s=HEARTBEAT_S)
    assert alive[:32].all()  # half an hour of silence
    assert not alive[32:63].any()  # a minute more
    assert alive[63]
    assert is_alive(minutes, step_s=60, heartbeat_s=1860).all()


@given(minute_sets, st.integers(60, 7200))
def test_a_minute_with_an_event_is_alive_and_patience_kills_none(
    minutes: np.ndarray[tuple[int], np.dtype[np.int64]], heartbeat_s: int
) -> None:
    alive = is_alive(minutes, step_s=60, heartbeat_s=heartbeat_s)
    assert alive[minutes - minutes[0]].all()
    patient = is_alive(minutes, step_s=60, heartbeat_s=heartbeat_s * 2)
    assert (patient >= alive).all()
