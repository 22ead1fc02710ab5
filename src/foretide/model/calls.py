"""This file knows what the calls of one app are: when, by which session, of which feature."""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from foretide.errors import InvalidValueError

US_PER_MIN = 60_000_000


class Calls(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Calls of one app, in any order.

    Parameters
    ----------
    app : str
        Whose calls.
    features : tuple of str
        The features told apart; calls of any other carry the number `len(features)`.
    ts_us : ndarray of int64, shape (calls,)
        Microseconds since the epoch.
    session : ndarray of uint64, shape (calls,)
        Pseudonym of the session; 0 where the call names none.
    feature : ndarray of int64, shape (calls,)
        Number of the feature, 0 ... `len(features)`.
    missing_min : ndarray of int64, shape (minutes,)
        Minutes since the epoch in which the source was not alive, between the first and the last.
    """

    app: str
    features: tuple[str, ...]
    ts_us: npt.NDArray[np.int64]
    session: npt.NDArray[np.uint64]
    feature: npt.NDArray[np.int64]
    missing_min: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)

    def __post_init__(self) -> None:
        if not len(self.ts_us) == len(self.session) == len(self.feature):
            raise InvalidValueError("ts_us, session and feature must be equally long")
        if len(self.feature) and not 0 <= self.feature.min() <= self.feature.max() <= len(
            self.features
        ):
            raise InvalidValueError(f"feature must lie in [0, {len(self.features)}]")

    @property
    def has_sessions(self) -> bool:
        """Whether at least half of the calls name their session."""
        return bool(2 * np.count_nonzero(self.session) >= len(self.session) > 0)
