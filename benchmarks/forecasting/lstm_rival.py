"""A global LSTM with quantile loss, learned from all series of a half together, in plain torch.

The last two weeks by the hour go in, relative to their level and in square roots; every quantile
of the next week comes out at once. One training per half and number of origin, on what came before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from forecasting.cases import STEPS, Case
from forecasting.models import LEVELS
from torch import nn

from foretide.forecast.days import Floats
from foretide.model.demand import FloatArray

_PAST = 336
_WIDTH = 64
_WINDOWS_PER_SERIES = 320
_EPOCHS = 16
_BATCH = 64


def learned_and_asked(cases: Sequence[Case]) -> list[FloatArray]:
    """Learn from the history of every case and answer each."""
    torch.manual_seed(1)
    torch.set_num_threads(1)
    rng = np.random.default_rng(1)
    shares = [_root_share(case) for case in cases]
    cut = [_windows(values, rng) for values, _ in shares]
    past = np.concatenate([one[0] for one in cut])
    ahead = np.concatenate([one[1] for one in cut])
    network = _network()
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-3)
    steps = _EPOCHS * -(-len(past) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
    for _ in range(_EPOCHS):
        order = rng.permutation(len(past))
        for begin in range(0, len(past), _BATCH):
            batch = order[begin : begin + _BATCH]
            loss = _loss(network, torch.tensor(past[batch]), torch.tensor(ahead[batch]))
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
    asked = np.stack([_seen(_last(values)) for values, _ in shares])
    network.eval()
    with torch.no_grad():
        told = _told(network, torch.tensor(asked)).numpy().astype(np.float64)
    return [
        np.square(np.sort(np.maximum(one, 0), axis=1)) * level
        for one, (_, level) in zip(told, shares, strict=True)
    ]


def _network() -> Any:
    return nn.ModuleDict(
        {
            "lstm": nn.LSTM(2 * 24, _WIDTH, batch_first=True),
            "drop": nn.Dropout(0.2),
            "out": nn.Linear(_WIDTH, STEPS * len(LEVELS)),
        }
    )


def _told(network: Any, past: Any) -> Any:
    # A day of hours, and whether each was observed, is one step of the network. What comes out is
    # a change of the same hours of the last two weeks.
    days = past.reshape(len(past), _PAST // 24, 24, 2).flatten(2)
    _, (state, _) = network["lstm"](days)
    change = network["out"](network["drop"](state[-1])).reshape(len(past), STEPS, len(LEVELS))
    return past.reshape(len(past), -1, STEPS, 2)[..., :1].mean(1) + 0.3 * change


def _loss(network: Any, past: Any, ahead: Any) -> Any:
    over = ahead[..., None] - _told(network, past)
    shares = torch.tensor(LEVELS)
    pinball = torch.maximum(shares * over, (shares - 1) * over)
    seen = torch.isfinite(ahead)[..., None]
    return torch.where(seen, pinball, torch.zeros(())).sum() / (seen.sum() * len(LEVELS) + 1)


def _root_share(case: Case) -> tuple[FloatArray, float]:
    values = case.past.values
    recent = values[-28 * 24 :]
    level = float(np.nanmean(recent)) if np.isfinite(recent).any() else 1.0
    level = level or 1.0
    return np.minimum(np.sqrt(values / level), 10), level


def _last(values: FloatArray) -> FloatArray:
    padded = np.concatenate([np.full(max(_PAST - len(values), 0), np.nan), values])
    return padded[-_PAST:]


def _seen(window: FloatArray) -> Floats:
    # What was not observed is taken from the mean of the same hour of the day.
    known = np.isfinite(window)
    by_hour = window.reshape(-1, 24)
    count = np.isfinite(by_hour).sum(axis=0)
    mean = np.nansum(by_hour, axis=0) / np.maximum(count, 1)
    filled = np.where(known, window, np.tile(mean, _PAST // 24))
    return np.stack([filled, known], axis=1).astype(np.float32)


def _windows(values: FloatArray, rng: np.random.Generator) -> tuple[Floats, Floats]:
    padded = np.concatenate([np.full(_PAST - 96, np.nan), values])
    last = len(padded) - STEPS
    ends = np.arange(_PAST, last + 1) if last >= _PAST else np.empty(0, dtype=np.int64)
    if len(ends) > _WINDOWS_PER_SERIES:
        ends = rng.choice(ends, _WINDOWS_PER_SERIES, replace=False)
    past = np.array([_seen(padded[end - _PAST : end]) for end in ends], dtype=np.float32)
    ahead = np.array([padded[end : end + STEPS] for end in ends], dtype=np.float32)
    return past.reshape(-1, _PAST, 2), ahead.reshape(-1, STEPS)
