"""This file knows what every setting of a service would have done on a day that has passed."""

from __future__ import annotations

import numpy as np

from foretide.model.demand import FloatArray
from foretide.plan.capacity import served_rps
from foretide.plan.course import Minutes, course, expected_unmet_rps, first_state
from foretide.plan.layers import IntArray, quantile_weights
from foretide.plan.need import TAIL_LEVELS, NeedBlock
from foretide.plan.policy import ServicePolicy
from foretide.plan.tuning import Night

# what confidence makes of it on most series; it moves little
_TRIGGER = 0.85
_SURPRISE = TAIL_LEVELS.index(0.98)


class Nights:
    """Plays every knob of a ladder day after day, each on the fleet it would have had.

    Parameters
    ----------
    policy : ServicePolicy
        The service.
    knob_count : int
        Knobs on its ladder.
    """

    def __init__(self, policy: ServicePolicy, knob_count: int) -> None:
        self._policy = policy
        self._states: list[FloatArray] | None = None
        self._knob_count = knob_count

    def play(
        self,
        rps: FloatArray,
        last: FloatArray,
        previous: FloatArray,
        *,
        bucket_minutes: int,
        block: NeedBlock,
        next_rps: FloatArray,
        levels: tuple[float, ...],
        width_max_fraction: float,
    ) -> Night:
        """Return what every knob would have done through a day.

        Parameters
        ----------
        rps, last, previous : ndarray, shape (minutes,)
            Demand of each minute, and of the last closed bucket and the one before it as they
            were known at its start; NaN where not observed.
        bucket_minutes : int
            Length of a bucket; the day begins with one.
        block : NeedBlock
            Bands of every knob.
        next_rps : ndarray, shape (minutes, levels)
            Quantiles of each minute's demand, as issued at its start.
        levels : tuple of float
        width_max_fraction : float
            Below this the interval was low.
        """
        minutes = Minutes(
            last_rps=last,
            previous_rps=previous,
            is_low=block.width_fraction <= width_max_fraction,
            bands=block.bands,
            trigger_fraction=np.full(len(rps), _TRIGGER),
            surprise_rps=surprise_rps(block, bucket_minutes, self._policy.boot_minutes),
        )
        if self._states is None:
            # the fleet there would have been: what the first minute asks for
            self._states = [
                first_state(self._policy, serving_count=int(up), warm_count=int(max(0, total - up)))
                for up, _, total, _ in block.bands[0].tolist()
            ]
        is_seen = np.isfinite(rps)
        unmet, expected, billed = np.empty((3, self._knob_count))
        weights = quantile_weights(levels)
        for knob in range(self._knob_count):
            chosen = np.full(len(rps), knob)
            # no spend guard: it answers for what the notch itself lets through
            played = course(
                minutes, policy=self._policy, knobs=chosen, guard_knobs=chosen,
                state=self._states[knob],
            )  # fmt: skip
            self._states[knob] = played.state
            capacity = self._served(played.serving)
            unmet[knob] = np.maximum(rps - capacity, 0.0)[is_seen].sum()
            expected[knob] = expected_unmet_rps(next_rps, weights, capacity)[is_seen].sum()
            warm = self._policy.warm_price_fraction * played.warm
            billed[knob] = (played.serving + played.booting + warm)[is_seen].sum()
        asked = float(rps[is_seen].sum())
        return Night(
            asked=asked, unmet=unmet, expected=expected, billed=billed,
            error_fraction=self._error_rps(rps, block) / max(asked, 1e-12),
        )  # fmt: skip

    def _error_rps(self, rps: FloatArray, block: NeedBlock) -> float:
        """Return how far the day's medians one boot ahead were off in all."""
        boot = self._policy.boot_minutes
        off = np.abs(rps[boot:] - block.predicted_rps[: max(0, len(rps) - boot)])
        return float(np.nansum(off))

    def _served(self, serving: IntArray) -> FloatArray:
        table = [served_rps(self._policy.curve, n) for n in range(int(serving.max()) + 1)]
        return np.array(table)[serving]


def surprise_rps(block: NeedBlock, bucket_minutes: int, boot_minutes: int) -> FloatArray:
    """Return above what each minute's last bucket was a surprise; infinite where it is not new.

    Parameters
    ----------
    block : NeedBlock
        One entry per minute, the first of which begins a bucket.
    bucket_minutes : int
        Length of a bucket.
    boot_minutes : int
        How long before a bucket it was spoken of.
    """
    told = np.full(len(block.bands), np.inf)
    if block.tail_rps is None:
        return told
    closing = np.arange(0, len(told), bucket_minutes)
    issued = closing - bucket_minutes - boot_minutes
    told[closing[issued >= 0]] = block.tail_rps[issued[issued >= 0], _SURPRISE]
    return told
