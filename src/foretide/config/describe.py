"""This file knows how settings are put into words: bounds, units, defaults, meanings, near misses.

Refusals, the reference page and the file `foretide init` writes all speak from here, so they
cannot disagree with what is checked.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import cast

import msgspec
from msgspec import inspect

from foretide.config.apps import (
    AppConfig,
    EstimateConfig,
    EventConfig,
    OutageConfig,
    SharedEventConfig,
    SharedOutageConfig,
)
from foretide.config.budget import BudgetConfig
from foretide.config.local import LocalConfig, NodeConfig, ServiceLocalConfig
from foretide.config.settings import ForecastConfig, ServiceConfig, StoreConfig

# The longest ending that fits says the unit.
UNITS = {
    "usd_per_hour": "USD per hour",
    "_usd_per_request": "USD per request",
    "_rps": "requests/s",
    "_s": "seconds",
    "_h": "hours",
    "_fraction": "a fraction: 1 % is 0.01",
    "_factor": "a factor",
    "_calls": "calls",
    "_cores": "CPU cores",
    "_mib": "MiB",
    "_mbps": "Mbit/s",
}
SECTIONS: dict[str, type[msgspec.Struct]] = {
    "[app.NAME]": AppConfig,
    "[[app.NAME.events]]": EventConfig,
    "[[app.NAME.outages]]": OutageConfig,
    "[[app.NAME.estimates]]": EstimateConfig,
    "[[events]]": SharedEventConfig,
    "[[outages]]": SharedOutageConfig,
    "[service.NAME]": ServiceConfig,
    "[service.NAME.local]": ServiceLocalConfig,
    "[local]": LocalConfig,
    "[node.NAME]": NodeConfig,
    "[budget]": BudgetConfig,
    "[store]": StoreConfig,
    "[forecast]": ForecastConfig,
}


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One key of the configuration, in words.

    Parameters
    ----------
    key : str
        Its name in the file.
    allowed : str
        Type and bounds, as in "a number > 0 and < 1".
    unit : str
        What it is counted in; empty when it counts nothing.
    default : str
        As written in TOML; "required" or "none" when there is no value.
    meaning : str
        What it is for.
    example : str
        A value as written in TOML; empty for a table.
    """

    key: str
    allowed: str
    unit: str
    default: str
    meaning: str
    example: str


def settings_of(section: type[msgspec.Struct]) -> list[Setting]:
    """Return the settings of one table of the configuration in the order of its fields."""
    return [_setting(field) for field in msgspec.structs.fields(section)]


def meaning_of(section: type[msgspec.Struct]) -> str:
    """Return what one table of the configuration is for, as its docstring says it."""
    told = (section.__doc__ or "").split(": ", maxsplit=1)[-1].strip()
    return told[:1].upper() + told[1:]


def _setting(field: msgspec.structs.FieldInfo) -> Setting:
    kind = inspect.type_info(field.type)
    said = _said(kind)
    examples = cast("list[object]", said.get("examples", []))
    example = ""
    if examples:
        is_stamp = isinstance(core_type(kind), inspect.DateTimeType)
        example = str(examples[0]) if is_stamp else toml_text(examples[0])
    return Setting(
        key=field.encode_name,
        allowed=allowed(kind),
        unit=unit_of(field.encode_name),
        default=_default(field),
        meaning=str(said.get("description", "")),
        example=example,
    )


def _said(kind: inspect.Type) -> Mapping[str, object]:
    if not isinstance(kind, inspect.Metadata):
        return {}
    return cast("Mapping[str, object]", kind.extra_json_schema or {})


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    return "none" if field.default is None else toml_text(field.default)


def unit_of(key: str) -> str:
    """Return the unit that the name of a setting ends with, empty when it ends with none."""
    endings = sorted((e for e in UNITS if key.endswith(e)), key=len)
    return UNITS[endings[-1]] if endings else ""


def core_type(kind: inspect.Type) -> inspect.Type:
    """Return a type without its notes and without its leave to be absent."""
    match kind:
        case inspect.Metadata():
            return core_type(kind.type)
        case inspect.UnionType():
            (inner,) = (t for t in kind.types if not isinstance(t, inspect.NoneType))
            return core_type(inner)
        case _:
            return kind


def allowed(kind: inspect.Type) -> str:
    """Return in words what values a type allows, such as "a whole number from 24 to 168"."""
    core = core_type(kind)
    match core:
        case inspect.FloatType() | inspect.IntType():
            whole = "whole " if isinstance(core, inspect.IntType) else ""
            return f"a {whole}number" + _bounds(core.gt, core.ge, core.lt, core.le)
        case inspect.StrType(min_length=least, max_length=most):
            return "a text" + (f" of {least}-{most} characters" if most else "")
        case inspect.LiteralType(values=values):
            return "one of " + ", ".join(toml_text(value) for value in values)
        case inspect.DateTimeType():
            return "a date-time with a zone"
        case inspect.VarTupleType(item_type=item):
            is_table = isinstance(core_type(item), inspect.StructType)
            return "tables" if is_table else f"a list, each {allowed(item)}"
        case _:
            return "a table"


def _bounds(gt: float | None, ge: float | None, lt: float | None, le: float | None) -> str:
    named = ((">", gt), (">=", ge), ("<", lt), ("<=", le))
    words = [f"{sign} {bound:g}" for sign, bound in named if bound is not None]
    return " " + " and ".join(words) if words else ""


def toml_text(value: object) -> str:
    """Return a value as one line of TOML."""
    match value:
        case datetime():
            return value.isoformat()
        case list() | tuple():
            items = cast("list[object] | tuple[object, ...]", value)
            return f"[{', '.join(toml_text(item) for item in items)}]"
        case dict():
            table = cast("dict[str, object]", value)
            return "{" + ", ".join(f"{k} = {toml_text(v)}" for k, v in table.items()) + "}"
        case bool() | str():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(value)


def instead_of(key: str, section: type[msgspec.Struct]) -> str:
    """Return what a person who wrote an unknown `key` in a section most likely meant.

    Parameters
    ----------
    key : str
        A key that the section does not have.
    section : type
        The section's struct.

    Returns
    -------
    str
        The fix: the same setting in its own unit, one of a similar name, the section the key
        belongs in, or all keys there are.
    """
    keys = [setting.key for setting in settings_of(section)]
    stems = {_stem(known): known for known in keys}
    same = [s for s in stems if key.lower() == s or key.lower().startswith(f"{s}_")]
    near = difflib.get_close_matches(key.lower(), keys, n=1, cutoff=0.7)
    if same or near:
        meant = stems[max(same, key=len)] if same else near[0]
        unit = unit_of(meant)
        said = f", {'' if unit.startswith('a ') else 'in '}{unit}" if unit else ""
        return f"did you mean {meant}{said}?"
    for header, other in SECTIONS.items():
        if key in (setting.key for setting in settings_of(other)):
            return f"it belongs in {header}"
    return f"known here: {', '.join(keys)}"


def _stem(key: str) -> str:
    endings = sorted((e for e in UNITS if key.endswith(e)), key=len)
    return key.removesuffix(endings[-1]) if endings else key
