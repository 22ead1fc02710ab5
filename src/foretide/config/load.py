"""This file knows how a TOML text becomes a checked configuration, or one line saying why not."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import msgspec
from msgspec import inspect

from foretide.config import lines
from foretide.config.apps import AppConfig, SharedEventConfig, SharedOutageConfig
from foretide.config.budget import BudgetConfig, faults_of_budget
from foretide.config.describe import Setting, core_type, instead_of, settings_of, toml_text
from foretide.config.settings import Config, ServiceConfig, faults_between
from foretide.errors import ConfigError, InvalidValueError
from foretide.model.ids import check_name

SHOWN_CHARS_MAX = 60
NAMED_TABLES = ("app", "service", "node")


def read_config(path: Path) -> Config:
    """Return the configuration in the file `path`.

    Raises
    ------
    ConfigError
        When the file cannot be read, or `load_config` refuses its text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; `foretide init` writes one") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text; save it as UTF-8") from None
    return load_config(text, origin=str(path))


def load_config(text: str, *, origin: str) -> Config:
    """Return the configuration written in `text`.

    Parameters
    ----------
    text : str
        TOML.
    origin : str
        Where the text is from; refusals begin with it.

    Returns
    -------
    Config
        With every bound and every reference checked.

    Raises
    ------
    ConfigError
        At the first fault: "ORIGIN:LINE: setting, value, fix", in one line.
    """
    try:
        tree: dict[str, object] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{origin}:{_line_in(str(error), text)}: {_no_toml(error)}") from None
    except RecursionError:
        raise ConfigError(f"{origin}:1: is nested too deeply; no setting needs that") from None
    return _Check(origin, lines.key_lines(text.replace("\r\n", "\n"))).config(tree)


def _line_in(message: str, text: str) -> int:
    at = re.search(r"at line (\d+)", message)
    return int(at[1]) if at else len(text.rstrip().splitlines()) or 1


def _no_toml(error: tomllib.TOMLDecodeError) -> str:
    reason = re.sub(r" \(at .*\)$", "", str(error))
    return f"is not TOML here: {reason}; texts need quotes, a key may stand once in a table"


class _Check:
    # Walks the tree beside the types; `path` is always where in the file it stands.

    def __init__(self, origin: str, key_lines: Mapping[lines.Path, int]) -> None:
        self._origin = origin
        self._key_lines = key_lines

    def config(self, tree: Mapping[str, object]) -> Config:
        self._known_keys(Config, tree, ())
        values = {
            field.name: self._value(field.type, tree[field.encode_name], (field.encode_name,))
            for field in msgspec.structs.fields(Config)
            if field.encode_name in tree
        }
        apps = cast("dict[str, AppConfig]", values.get("apps", {}))
        services = cast("dict[str, ServiceConfig]", values.get("services", {}))
        events = cast("tuple[SharedEventConfig, ...]", values.get("events", ()))
        outages = cast("tuple[SharedOutageConfig, ...]", values.get("outages", ()))
        for path, text in faults_between(apps, services, events, outages):
            raise self._fault(path, text)
        budget = cast("BudgetConfig", values.get("budget", BudgetConfig()))
        least = [(one.min_instances, one.price_usd_per_hour) for one in services.values()]
        for field, text in faults_of_budget(budget, least):
            raise self._fault(("budget", field), text)
        return Config(**values)  # pyright: ignore[reportArgumentType]  # checked one by one above

    def _fault(self, path: lines.Path, text: str) -> ConfigError:
        line = lines.line_of(self._key_lines, path)
        return ConfigError(f"{self._origin}:{line}: {_dotted(path)} {text}")

    def _value(self, kind: object, value: object, path: lines.Path) -> object:
        match core_type(inspect.type_info(kind)):
            case inspect.StructType(cls=cls):
                return self._struct(cls, self._table(value, path), path)
            case inspect.DictType(value_type=inspect.StructType(cls=cls)):
                return self._named(cls, self._table(value, path), path)
            case inspect.VarTupleType(item_type=inspect.StructType(cls=cls)):
                return tuple(
                    self._struct(cls, self._table(item, (*path, i)), (*path, i))
                    for i, item in enumerate(self._tables(value, path))
                )
            case _:
                return value

    def _named(
        self, cls: type[msgspec.Struct], tables: Mapping[str, object], path: lines.Path
    ) -> dict[str, msgspec.Struct]:
        made: dict[str, msgspec.Struct] = {}
        for name, value in tables.items():
            table = self._table(value, (*path, name))
            try:
                check_name(f"the name of [{_dotted((*path, name))}]", name)
            except InvalidValueError as error:
                line = lines.line_of(self._key_lines, (*path, name))
                raise ConfigError(f"{self._origin}:{line}: {error}") from None
            made[name] = self._struct(cls, table, (*path, name))
        return made

    def _table(self, value: object, path: lines.Path) -> Mapping[str, object]:
        if isinstance(value, dict):
            return cast("dict[str, object]", value)
        if len(path) == 2 and path[0] in NAMED_TABLES:
            fix = f"put it under [{path[0]}.NAME]"
        elif path[0] in NAMED_TABLES and len(path) == 1:
            fix = f"write [{path[0]}.NAME]"
        else:
            fix = f"write [{_dotted(path)}]"
        raise self._fault(path, f"must be a table, was {_shown(value)}; {fix}")

    def _tables(self, value: object, path: lines.Path) -> list[object]:
        if isinstance(value, list):
            return cast("list[object]", value)
        header = f"[[{_dotted(path)}]]"
        raise self._fault(path, f"must be tables, was {_shown(value)}; head each with {header}")

    def _struct(
        self, cls: type[msgspec.Struct], table: Mapping[str, object], path: lines.Path
    ) -> msgspec.Struct:
        self._known_keys(cls, table, path)
        settings = {setting.key: setting for setting in settings_of(cls)}
        values: dict[str, object] = {}
        for field in msgspec.structs.fields(cls):
            setting = settings[field.encode_name]
            here = (*path, setting.key)
            if setting.key not in table:
                if field.required:
                    raise self._fault(here, f"is missing; add {setting.key} = {setting.example}")
                continue
            value = self._value(field.type, table[setting.key], here)
            values[field.name] = self._leaf(field, setting, value, here)
        try:
            return cls(**values)
        except InvalidValueError as error:
            field, _, text = str(error).partition(" ")
            raise self._fault((*path, field), text) from None

    def _leaf(
        self,
        field: msgspec.structs.FieldInfo,
        setting: Setting,
        value: object,
        path: lines.Path,
    ) -> object:
        # msgspec lets infinity through a lower bound.
        is_number = not isinstance(value, float) or math.isfinite(value)
        try:
            if is_number:
                return msgspec.convert(value, field.type)
        except msgspec.ValidationError:
            pass
        unit = f" ({setting.unit})" if setting.unit else ""
        fix = f"write for example {setting.key} = {setting.example}"
        raise self._fault(path, f"must be {setting.allowed}{unit}, was {_shown(value)}; {fix}")

    def _known_keys(
        self, cls: type[msgspec.Struct], table: Mapping[str, object], path: lines.Path
    ) -> None:
        known = {field.encode_name for field in msgspec.structs.fields(cls)}
        for key, value in table.items():
            if key not in known:
                fix = instead_of(key, cls)
                raise self._fault((*path, key), f"is no setting, was {_shown(value)}; {fix}")


def _dotted(path: lines.Path) -> str:
    shown = ""
    for part in path:
        if isinstance(part, int):
            shown += f"[{part}]"
        else:
            is_bare = re.fullmatch(r"[A-Za-z0-9_-]+", part)
            shown += ("." if shown else "") + (part if is_bare else toml_text(part))
    return shown


def _shown(value: object) -> str:
    text = toml_text(value)
    return text if len(text) <= SHOWN_CHARS_MAX else f"{text[: SHOWN_CHARS_MAX - 3]}..."
