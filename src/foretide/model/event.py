"""This file knows what one user action is, once consent and privacy have been applied."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from foretide.errors import InvalidValueError
from foretide.model.ids import check_name
from foretide.model.instant import require_utc

Device = Literal["desktop", "phone", "tablet", "tv", "bot", "other"]
FEATURE_MAX_CHARS = 256


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One thing a user did.

    Parameters
    ----------
    ts : datetime
        When it began, aware.
    app, feature : str
        The application and the part of it that was called.
    session : str, optional
        Keyed hash of the session id, never the id itself.
    device : Device, optional
        Device class; None when nothing was said of it.
    country : str, optional
        ISO 3166 alpha-2, upper case; only ever set where the user consented.
    duration_s : float, optional
        How long the call took, >= 0.
    status : int, optional
        HTTP status, 100-599.
    """

    ts: datetime
    app: str
    feature: str
    session: str | None = None
    device: Device | None = None
    country: str | None = None
    duration_s: Annotated[float, msgspec.Meta(ge=0)] | None = None
    status: Annotated[int, msgspec.Meta(ge=100, le=599)] | None = None

    def __post_init__(self) -> None:
        require_utc("ts", self.ts)
        check_name("app", self.app)
        if not 1 <= len(self.feature) <= FEATURE_MAX_CHARS:
            raise InvalidValueError(
                f"feature must have 1-{FEATURE_MAX_CHARS} characters, had {len(self.feature)}"
            )
