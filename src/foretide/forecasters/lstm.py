"""This file knows the LSTM: one network learned from all series, and asked of each.

It learns by how much the root of an hour's demand will differ from its usual one, from the four
weeks before, at several quantiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from foretide.forecast.days import Floats
from foretide.forecasters.carry import carried, slopes
from foretide.forecasters.features import AHEAD_DAYS, usual
from foretide.forecasters.network import changes, opened_network, taught
from foretide.forecasters.pooled import Learner, Pooled
from foretide.forecasters.pupils import FIRST_ROW, Pupil
from foretide.forecasters.windows import Windows, in_bins, windows_of
from foretide.model.demand import Demand

_NAME = "lstm"
_WINDOWS_MAX = 10_000  # days taught: what keeps a lesson at seconds
_BACK_H = (0, 6, 12, 18)


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    # How yesterday's behaviour is carried over, and the network's weights.
    lines: list[list[float]]
    network: bytes


class Lstm(Pooled):
    """An LSTM over all series of a call, with our intervals; see `Pooled`.

    What it says of a series rests on all it was trained with, and on no other series asked for.
    """

    name = _NAME

    def __init__(self, behaviour: Sequence[Demand] = ()) -> None:
        super().__init__(_LEARNER, behaviour)


def _learn(found: Sequence[Pupil], held_out: int) -> bytes:
    rng = np.random.default_rng(1)
    share = max(_WINDOWS_MAX // max(len(found) * len(_BACK_H), 1), 1)
    cut: list[Windows] = []
    for one in found:
        end = one.shown.rows - held_out
        for back_h in _BACK_H:
            rows = np.arange(FIRST_ROW, end)
            if len(rows) > share:
                rows = np.sort(rng.choice(rows, share, replace=False))
            if len(rows):
                cut.append(windows_of(one, rows.tolist(), end_row=end, back_h=back_h))
    if not cut:
        return b""
    lines = slopes([(one.unusual, one.outcome) for one in cut])
    network = taught(
        past=np.concatenate([one.past for one in cut]),
        ahead=np.concatenate([one.ahead for one in cut]),
        outcome=np.concatenate(
            [one.outcome - carried(lines, one.unusual, AHEAD_DAYS) for one in cut]
        ),
    )
    return msgspec.msgpack.encode(_Kept(lines=lines.tolist(), network=network))


def _ready(learned: bytes, behaviour_count: int) -> tuple[Any, Floats]:
    kept = msgspec.msgpack.decode(learned, type=_Kept)
    lines = np.array(kept.lines, dtype=np.float32)
    return opened_network(kept.network, behaviour_count), lines


def _guess(model: tuple[Any, Floats], one: Pupil, rows: Sequence[int], days_ahead: int) -> Floats:
    network, lines = model
    asked = windows_of(one, rows, end_row=one.shown.rows)
    change = changes(network, asked) + carried(lines, asked.unusual, AHEAD_DAYS)
    roots = usual(one.roots, rows, AHEAD_DAYS) + in_bins(change, one.shown.per_day)
    ceiling = np.float32(1.5) * np.nanmax(one.roots)
    return np.square(np.clip(roots, 0, ceiling)[:, :days_ahead]).astype(np.float32)


_LEARNER = Learner(name=_NAME, version=1, learn=_learn, ready=_ready, guess=_guess)
