"""This file knows which forecasters a person may ask for by name: ours, and other people's.

Nothing is imported before it is asked for. Others register a class, or a function without
arguments, under the entry point group `foretide.forecasters`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import cast

import msgspec

from foretide.errors import InputError
from foretide.forecast.base import Forecaster
from foretide.forecasters.extras import is_there
from foretide.forecasters.foreign import guarded, refusal

GROUP = "foretide.forecasters"
DEFAULT = "fleet"
AUTO = "auto"


class _BuiltIn(msgspec.Struct, frozen=True, kw_only=True):
    # Where a forecaster of ours is made, and the library and extra it needs.
    module: str
    maker: str
    library: str = ""
    extra: str = ""


_BUILT_IN: dict[str, _BuiltIn] = {
    DEFAULT: _BuiltIn(module="foretide.forecast.fleet", maker="Fleet"),
    "seasonal-naive": _BuiltIn(module="foretide.forecast.seasonal_naive", maker="SeasonalNaive"),
    "prophet": _BuiltIn(
        module="foretide.forecasters.prophet", maker="Prophet", library="prophet", extra="prophet"
    ),
    "prophet-tuned": _BuiltIn(
        module="foretide.forecasters.prophet", maker="tuned", library="prophet", extra="prophet"
    ),
    "gbm": _BuiltIn(
        module="foretide.forecasters.gbm", maker="Gbm", library="lightgbm", extra="gbm"
    ),
    "lstm": _BuiltIn(
        module="foretide.forecasters.lstm", maker="Lstm", library="torch", extra="lstm"
    ),
    AUTO: _BuiltIn(module="foretide.forecasters.auto", maker="Auto"),
}


def built_in_names() -> tuple[str, ...]:
    """Return the names of our own forecasters, the default first, installed or not."""
    return tuple(_BUILT_IN)


def names() -> tuple[str, ...]:
    """Return the names of all forecasters that may be asked for here, the default first.

    Ours whose library is not installed are left out; other people's come last.
    """
    ours = [name for name, one in _BUILT_IN.items() if not one.library or is_there(one.library)]
    return (*ours, *sorted({found.name for found in _registered()} - set(_BUILT_IN)))


def forecaster(name: str) -> Forecaster:
    """Return the forecaster called `name`.

    Raises
    ------
    InputError
        When there is none of that name, its extra is not installed, or somebody else's cannot be
        used; the text says which and what to do.
    """
    others = [found for found in _registered() if found.name == name]
    if name in _BUILT_IN:
        if others:
            raise InputError(
                f"--model {name}: {_distribution(others[0])} registers a forecaster under a name "
                "of ours; remove it, or give its forecaster another name"
            )
        return _made(name)
    if len(others) > 1:
        owners = ", ".join(sorted(_distribution(one) for one in others))
        raise InputError(f"--model {name}: registered by {owners}; remove all but one")
    if others:
        return _foreign(others[0])
    known = ", ".join((*names(), *(one for one in _BUILT_IN if one not in names())))
    raise InputError(f"--model {name}: unknown; use one of {known}")


def _made(name: str) -> Forecaster:
    one = _BUILT_IN[name]
    if one.library and not is_there(one.library):
        raise InputError(f"--model {name}: needs an extra; install foretide[{one.extra}]")
    maker = getattr(importlib.import_module(one.module), one.maker)
    if name == AUTO:
        return cast("Callable[[Sequence[Forecaster]], Forecaster]", maker)(_rivals())
    return cast("Callable[[], Forecaster]", maker)()


def _rivals() -> list[Forecaster]:
    # Everything that is installed, other people's too.
    return [forecaster(name) for name in names() if name != AUTO]


def _registered() -> list[EntryPoint]:
    return list(entry_points(group=GROUP))


def _foreign(found: EntryPoint) -> Forecaster:
    owner = _distribution(found)
    try:
        made = found.load()()
    except Exception as error:  # noqa: BLE001  somebody else's code may fail in any way
        raise refusal(found.name, owner, error) from None
    return guarded(made, found.name, owner)


def _distribution(found: EntryPoint) -> str:
    return found.dist.name if found.dist is not None else found.value
