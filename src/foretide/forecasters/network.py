"""This file knows the network itself: it reads days, then says how the next will differ.

Two LSTMs, one that reads the past day by day and one that speaks of the days ahead, and a layer
that turns what it says into quantiles of every hour. All of torch is in here; its state outside is
left as it was found, and the same lessons give the same network, byte for byte.
"""

# torch carries few types
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false
from __future__ import annotations

import io
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import numpy as np

from foretide.errors import InvalidValueError
from foretide.forecast.days import Floats
from foretide.forecasters.extras import imported
from foretide.forecasters.windows import HOURS, Windows, input_sizes

LEVELS = (0.1, 0.5, 0.9)
_MIDDLE = LEVELS.index(0.5)
_HIDDEN = 48
_BATCH = 128
_STEPS_MAX, _EPOCHS_MAX = 300, 10
_RATE = 4e-3
_SEED = 1


def taught(*, past: Floats, ahead: Floats, outcome: Floats) -> bytes:
    """Return a network that learned from windows, as a plain table of its weights.

    Parameters
    ----------
    past, ahead : ndarray, shapes (windows, READ_DAYS, inputs) and (windows, AHEAD_DAYS, inputs)
        What it reads; see `Windows`.
    outcome : ndarray, shape (windows, AHEAD_DAYS, HOURS)
        What it is to say; NaN where that was not observed.
    """
    torch = _torch()
    with _quiet(torch):
        network = _network(torch, past.shape[-1], ahead.shape[-1])
        _teach(torch, network, past, ahead, outcome)
        kept = io.BytesIO()
        torch.save({name: one.clone() for name, one in network.state_dict().items()}, kept)
    return kept.getvalue()


def opened_network(learned: bytes, behaviour_count: int) -> Any:
    """Return the network that `taught` made.

    Raises
    ------
    InvalidValueError
        When it is no such network.
    """
    torch = _torch()
    with _quiet(torch):
        network = _network(torch, *input_sizes(behaviour_count))
        try:
            network.load_state_dict(torch.load(io.BytesIO(learned), weights_only=True))
        except (RuntimeError, OSError, EOFError, ValueError) as error:
            raise InvalidValueError(
                f"trained must hold a network of lstm: {str(error).splitlines()[0]}"
            ) from None
        network.eval()
    return network


def changes(network: Any, asked: Windows) -> Floats:
    """Return by how much the middle root of each hour ahead will differ from the usual.

    Parameters
    ----------
    network : module
        From `opened_network`.
    asked : Windows
        Of one series.

    Returns
    -------
    ndarray of float32, shape (windows, AHEAD_DAYS, HOURS)
    """
    torch = _torch()
    with _quiet(torch), torch.no_grad():
        said = _said(network, torch.from_numpy(asked.past), torch.from_numpy(asked.ahead))
        return said[..., _MIDDLE].numpy()


def _torch() -> Any:
    return imported("torch", model="lstm", extra="lstm")


@contextmanager
def _quiet(torch: Any) -> Generator[None]:
    # One thread, a seed of our own, and only algorithms that repeat themselves; then as before.
    threads, was_strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        # of what torch plans to change
        warnings.simplefilter("ignore")
        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(True)
        torch.manual_seed(_SEED)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(was_strict)
            torch.set_num_threads(threads)


def _network(torch: Any, past_size: int, ahead_size: int) -> Any:
    network = torch.nn.ModuleDict(
        {
            "reads": torch.nn.LSTM(past_size, _HIDDEN, batch_first=True),
            "speaks": torch.nn.LSTM(ahead_size, _HIDDEN, batch_first=True),
            "says": torch.nn.Linear(_HIDDEN, HOURS * len(LEVELS)),
        }
    )
    # It begins by saying that everything will be as usual.
    torch.nn.init.zeros_(network["says"].weight)
    torch.nn.init.zeros_(network["says"].bias)
    return network


def _said(network: Any, past: Any, ahead: Any) -> Any:
    # Shape (windows, days ahead, HOURS, LEVELS).
    _, state = network["reads"](past)
    spoken, _ = network["speaks"](ahead, state)
    return network["says"](spoken).unflatten(-1, (HOURS, len(LEVELS)))


def _teach(torch: Any, network: Any, read: Floats, asked: Floats, came: Floats) -> None:
    past, ahead = torch.from_numpy(read), torch.from_numpy(asked)
    seen = torch.from_numpy(np.isfinite(came).astype(np.float32))
    outcome = torch.from_numpy(np.nan_to_num(came))
    steps = min(_STEPS_MAX, _EPOCHS_MAX * -(-len(past) // _BATCH))
    optimiser = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=0.01)
    slower = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=_RATE, total_steps=steps + 1)
    shares = torch.tensor(LEVELS)
    for _ in range(steps):
        pick = torch.randint(len(past), (min(_BATCH, len(past)),))
        missed = outcome[pick][..., None] - _said(network, past[pick], ahead[pick])
        loss = torch.maximum(shares * missed, (shares - 1) * missed).mean(-1) * seen[pick]
        optimiser.zero_grad()
        (loss.sum() / seen[pick].sum().clamp(min=1)).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        slower.step()
