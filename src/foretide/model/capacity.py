"""This file knows what a number of serving instances can serve."""

from __future__ import annotations

from functools import cached_property

import msgspec
import numpy as np

from foretide.errors import InvalidValueError
from foretide.model.demand import FloatArray


class CapacityCurve(msgspec.Struct, frozen=True, kw_only=True, eq=False, dict=True):
    """D(k): the demand k serving instances serve within the latency objective.

    Parameters
    ----------
    version : str
        Names this curve in decisions.
    served_rps : ndarray, shape (counts,)
        Requests/s served by 0, 1, 2 ... instances; starts at 0, never falls, ends above 0.
        Beyond the last entry the curve goes on with its last slope. Made read-only.
    """

    version: str
    served_rps: FloatArray

    def __post_init__(self) -> None:
        rps = self.served_rps
        if rps.ndim != 1 or len(rps) < 2 or rps[0] != 0:
            raise InvalidValueError("served_rps must be a list starting at 0 for no instance")
        if not np.isfinite(rps).all() or (np.diff(rps) < 0).any() or rps[-1] <= rps[-2]:
            raise InvalidValueError("served_rps must never fall and must end rising")
        rps.flags.writeable = False

    @cached_property
    def steps_rps(self) -> tuple[float, ...]:
        """The same as plain numbers: one of them is looked up ten times as fast."""
        return tuple(self.served_rps.tolist())
