"""This file knows where on its path a session stands: what it called last, how often, how long ago.

A stage is the feature called last and how many calls there have been; its age is the time since
that call. Neither device nor country tells more about what comes next. Ages are counted in cells:
fine at first, where seconds matter, coarse later.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]

MINUTE_S = 60
SESSION_END_MIN = 30  # a session ends when it has been silent for longer
AGE_COUNT = SESSION_END_MIN + 1  # whole minutes of silence a session may have behind it
QUARTER_COUNT = 4  # quarters of a minute in which a call may have been made
CALL_EDGES = (1, 2, 5)  # 1 call, 2-4 calls, 5 and more
CALLS_MAX = 15  # as many as are told apart
_EDGE_OF: IntArray = np.searchsorted(CALL_EDGES, np.arange(CALLS_MAX + 1), side="right") - 1
# Minutes of silence at which each cell begins; the first three are cut into quarters.
_QUARTERED_MIN = 3
_WHOLE_MIN = (3, 4, 5, 7, 10, 15, 20)
CELL_AGE_MIN = np.array(
    [
        *(age + quarter / QUARTER_COUNT for age in range(_QUARTERED_MIN) for quarter in range(4)),
        *_WHOLE_MIN,
    ]
)
CELL_COUNT = len(CELL_AGE_MIN)
CELL_END_MIN = np.append(CELL_AGE_MIN[1:], AGE_COUNT)
# Where the cells begin on an axis of quarters of a minute.
CELL_BEGINS: IntArray = (CELL_AGE_MIN * QUARTER_COUNT).astype(np.int64)
_CELL_OF: IntArray = (
    np.searchsorted(CELL_BEGINS, np.arange(AGE_COUNT * QUARTER_COUNT), side="right") - 1
)


def stage_count(feature_count: int) -> int:
    """Return how many stages there are among `feature_count` features."""
    return feature_count * len(CALL_EDGES)


def stage_of(feature: IntArray, calls: IntArray) -> IntArray:
    """Return the stage of sessions that called `feature` last, as the last of `calls`.

    Parameters
    ----------
    feature, calls : ndarray of int, shape (sessions,)
        Number of the feature, and calls so far, 1 ... 15.
    """
    return feature * len(CALL_EDGES) + _EDGE_OF[calls]


def cell_of(age_min: IntArray, quarter: IntArray) -> IntArray:
    """Return the age cell of sessions.

    Parameters
    ----------
    age_min : ndarray of int, shape (sessions,)
        Whole minutes without a call since the minute of the last one, 0 ... 30.
    quarter : ndarray of int, shape (sessions,)
        Quarter of that minute, counted from its end, 0 ... 3.
    """
    return _CELL_OF[age_min * QUARTER_COUNT + quarter]


def after_a_minute() -> tuple[IntArray, npt.NDArray[np.float64]]:
    """Return where silent sessions of each cell are a minute later.

    Returns
    -------
    next_cell : ndarray of int, shape (cells,)
        Where those go that move; the number of cells where the session has ended.
    moved_fraction : ndarray, shape (cells,)
        How many of a cell move; the others stay in it.
    """
    widths = CELL_END_MIN - CELL_AGE_MIN
    onward = np.searchsorted(CELL_BEGINS, CELL_BEGINS + QUARTER_COUNT, side="right") - 1
    stays = onward == np.arange(CELL_COUNT)
    onward = np.where(stays, onward + 1, onward)
    onward[-1] = CELL_COUNT
    return onward, 1.0 / np.maximum(widths, 1.0)
