"""This file knows how a function of numbers becomes machine code, kept on disk for next time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Return a function that is compiled on its first call, or read from the disk's cache.

    What it computes is what Python would compute: no sums in another order. The cache lies beside
    the module, else in the user's cache folder; where neither can be written it is compiled anew
    in every process. The cache notices a change of the function's own file alone: compiled
    functions that call each other belong into one file.

    Parameters
    ----------
    function : callable
        Of numbers and arrays, calling nothing but NumPy and other compiled functions.
    """
    try:
        return _jitted(function, is_cached=True)
    except RuntimeError:  # a read-only installation without a home
        return _jitted(function, is_cached=False)


def _jitted(function: Function, *, is_cached: bool) -> Function:
    return cast("Function", numba.njit(cache=is_cached, nogil=True, error_model="numpy")(function))
