"""This file knows how the heavy part of a model is imported, and what to say when it is absent."""

from __future__ import annotations

import importlib
import warnings
from importlib.util import find_spec
from typing import Any

from foretide.errors import InputError


def imported(module: str, *, model: str, extra: str) -> Any:
    """Return a module that comes with an extra.

    Parameters
    ----------
    module : str
        What to import.
    model, extra : str
        For the one line to say when that cannot be done.

    Raises
    ------
    InputError
        When the extra is not installed, or a library of the system that it needs is not.
    """
    if not is_there(module):
        raise InputError(f"--model {model}: needs an extra; install foretide[{extra}]")
    with warnings.catch_warnings():
        # of what libraries say of each other when they are imported
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module(module)
        except (ImportError, OSError) as error:
            if "libgomp" in str(error):
                raise InputError(
                    f"--model {model}: {module} needs the system's libgomp; "
                    "install the package libgomp1"
                ) from None
            raise InputError(
                f"--model {model}: {module} is installed but broken ({_first_line(error)}); "
                f"install foretide[{extra}] again"
            ) from None


def is_there(module: str) -> bool:
    """Return whether a module is installed, without importing it."""
    return find_spec(module) is not None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
