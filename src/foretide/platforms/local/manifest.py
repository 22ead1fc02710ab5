"""This file knows what a package says of itself: how it starts, is probed, drains, what it needs.

A package is a folder with a `package.toml`. Times are seconds; sizes are cores, MiB and Mbit/s.
"""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, cast

import msgspec
from msgspec import Meta, inspect

from foretide.config.describe import core_type, instead_of, settings_of, toml_text
from foretide.config.lines import key_lines, line_of
from foretide.errors import InputError, InvalidValueError

MANIFEST_NAME = "package.toml"
PLACES = ("port", "instance", "folder")
OWN_PREFIX = "FORETIDE_"  # what an instance is known again by
_FILE_MAX_BYTES = 1 << 20
_PLACE = re.compile(r"\{([a-z_]{3,12})\}")

_Seconds = Annotated[float, Meta(gt=0, le=86_400)]
_UrlPath = Annotated[str, Meta(min_length=1, max_length=1024, pattern=r"^/[!-~]*$")]
_Word = Annotated[str, Meta(pattern="^[^\x00]*$")]
_Told = Literal["USR1", "USR2", "HUP", "WINCH", "TTIN", "TTOU"]


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Ready(_Table, frozen=True, kw_only=True):
    """`[ready]`: when a started instance may serve."""

    path: Annotated[
        _UrlPath | None,
        Meta(
            description="Answers 2xx once it can serve; absent: taking a connection is enough.",
            examples=["/healthz"],
        ),
    ] = None
    timeout_s: Annotated[
        _Seconds, Meta(description="Not ready after this: the launch has failed.", examples=[60])
    ] = 60.0


class Live(_Table, frozen=True, kw_only=True):
    """`[live]`: when a running instance is taken for dead."""

    path: Annotated[
        _UrlPath | None,
        Meta(
            description="Answers 2xx while it is alive; absent: taking a connection is enough.",
            examples=["/healthz"],
        ),
    ] = None
    every_s: Annotated[_Seconds, Meta(description="Asked so often.", examples=[10])] = 10.0
    timeout_s: Annotated[
        _Seconds, Meta(description="No answer after this counts as a failure.", examples=[2])
    ] = 2.0
    failures: Annotated[
        Annotated[int, Meta(ge=1, le=1000)],
        Meta(description="So many in a row and it is ended.", examples=[3]),
    ] = 3


class DrainRule(_Table, frozen=True, kw_only=True):
    """`[drain]`: how an instance that serves goes."""

    timeout_s: Annotated[
        _Seconds, Meta(description="So long may requests under way take.", examples=[30])
    ] = 30.0
    signal: Annotated[
        Literal["TERM", "INT", "QUIT"],
        Meta(description="What tells it to end, once it is idle.", examples=["TERM"]),
    ] = "TERM"
    grace_s: Annotated[
        _Seconds, Meta(description="Still there so long after the signal: killed.", examples=[5])
    ] = 5.0


class Needs(_Table, frozen=True, kw_only=True):
    """`[needs]`: what a node must have free for an instance."""

    cpu_cores: Annotated[
        Annotated[float, Meta(gt=0, le=4096)],
        Meta(description="Cores it uses under full load.", examples=[0.5]),
    ] = 0.1
    memory_mib: Annotated[
        Annotated[float, Meta(gt=0, le=67_108_864)],
        Meta(description="Memory it uses under full load, MiB.", examples=[128]),
    ] = 64.0
    steady_mbps: Annotated[
        Annotated[float, Meta(ge=0, le=1_000_000)],
        Meta(description="Bandwidth of its own traffic under full load, Mbit/s.", examples=[20]),
    ] = 0.0


class Minimal(_Table, frozen=True, kw_only=True):
    """`[minimal]`: how it is told to shrink to one worker while warm, and to grow again."""

    shrink_signal: Annotated[
        _Told, Meta(description="Tells it to go down to one worker.", examples=["USR1"])
    ]
    grow_signal: Annotated[
        _Told, Meta(description="Tells it to start all its workers.", examples=["USR2"])
    ]
    path: Annotated[
        _UrlPath | None,
        Meta(
            description="Answers 2xx once all its workers serve; absent: as many processes as "
            "before it shrank.",
            examples=["/full"],
        ),
    ] = None
    ready_timeout_s: Annotated[
        _Seconds, Meta(description="Not grown after this: it has failed.", examples=[30])
    ] = 30.0

    def __post_init__(self) -> None:
        if self.grow_signal == self.shrink_signal:
            raise InvalidValueError(
                f'grow_signal must differ from shrink_signal, was "{self.grow_signal}"; '
                f"give another"
            )


class Manifest(_Table, frozen=True, kw_only=True):
    """`package.toml`: what a package says of itself."""

    command: Annotated[
        tuple[_Word, ...],
        Meta(
            description="Program and arguments; `{port}`, `{instance}` and `{folder}` are filled "
            "in. Run in the package's folder.",
            examples=[["./server", "--port", "{port}"]],
        ),
    ]
    env: Annotated[
        dict[str, str],
        Meta(description="Variables beside those of Foretide itself.", examples=[{"LANG": "C"}]),
    ] = {}
    ready: Ready = Ready()
    live: Live = Live()
    drain: DrainRule = DrainRule()
    needs: Needs = Needs()
    minimal: Minimal | None = None

    def __post_init__(self) -> None:
        if not self.command or not self.command[0]:
            raise InvalidValueError(
                'command must begin with a program, was empty; write ["./server", "{port}"]'
            )
        for word in self.command:
            for match in _PLACE.finditer(word):
                name = match[1]
                near = difflib.get_close_matches(name, PLACES, n=1)
                if near and name not in PLACES:
                    raise InvalidValueError(
                        f"command must not hold {{{name}}}, which nothing fills in; "
                        f"write {{{near[0]}}}"
                    )
        for name, value in self.env.items():
            _check_variable(name, value)


def _check_variable(name: str, value: str) -> None:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise InvalidValueError(
            f"env must name variables by letters, digits and '_', had {name!r}; rename it"
        )
    if name.startswith(OWN_PREFIX):
        raise InvalidValueError(
            f"env must not set {name}: {OWN_PREFIX}* is Foretide's own; rename it"
        )
    if "\x00" in value:
        raise InvalidValueError(f"env must not hold a zero byte, {name} does; delete it")


def read_manifest(folder: Path) -> Manifest:
    """Return what the package in `folder` says of itself.

    Raises
    ------
    InputError
        When there is no `package.toml`, or it is not as it must be: file, line, field and fix.
    """
    path = folder / MANIFEST_NAME
    try:
        if path.stat().st_size > _FILE_MAX_BYTES:
            raise InputError(f"{path}: is larger than 1 MiB; a manifest is a page of text")
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(
            f'{path}: is missing; write one that begins with command = ["./server", "{{port}}"]'
        ) from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; make it readable") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8 text; save it as UTF-8") from None
    return parse_manifest(text, origin=str(path))


def parse_manifest(text: str, *, origin: str) -> Manifest:
    """Return the manifest written in `text`.

    Parameters
    ----------
    text : str
        TOML.
    origin : str
        Where it is from; refusals begin with it.

    Raises
    ------
    InputError
        At the first fault: "ORIGIN:LINE: field, value, fix", in one line.
    """
    try:
        tree: dict[str, object] = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(
            f"{origin}: is not TOML ({error}); texts need quotes, a key may stand once"
        ) from None
    reader = _Reader(origin, key_lines(text.replace("\r\n", "\n")))
    return cast("Manifest", reader.table(Manifest, tree, ()))


class _Reader:
    # Walks the tree beside the types, so that a refusal can say where in the file it stands.

    def __init__(self, origin: str, lines: Mapping[tuple[str | int, ...], int]) -> None:
        self._origin, self._lines = origin, lines

    def table(
        self, cls: type[msgspec.Struct], tree: Mapping[str, object], path: tuple[str, ...]
    ) -> msgspec.Struct:
        fields = {field.name: field for field in msgspec.structs.fields(cls)}
        for key, value in tree.items():
            if key not in fields:
                said = f"is no field, was {_shown(value)}; {instead_of(key, cls)}"
                raise self._fault((*path, key), said)
        values: dict[str, object] = {}
        for setting in settings_of(cls):
            here, field = (*path, setting.key), fields[setting.key]
            if setting.key in tree:
                wanted = f"must be {setting.allowed}, was {_shown(tree[setting.key])}"
                fix = f"write for example {setting.key} = {setting.example}"
                values[setting.key] = self._value(field, tree[setting.key], here, wanted, fix)
            elif field.required:
                raise self._fault(here, f"is missing; add {setting.key} = {setting.example}")
        try:
            return cls(**values)
        except InvalidValueError as error:
            name, _, text = str(error).partition(" ")
            raise self._fault((*path, name), text) from None

    def _value(
        self,
        field: msgspec.structs.FieldInfo,
        value: object,
        path: tuple[str, ...],
        wanted: str,
        fix: str,
    ) -> object:
        kind = core_type(inspect.type_info(field.type))
        if isinstance(kind, inspect.StructType):
            if not isinstance(value, dict):
                said = f"must be a table, was {_shown(value)}; write [{'.'.join(path)}]"
                raise self._fault(path, said)
            return self.table(kind.cls, cast("dict[str, object]", value), path)
        try:
            if not isinstance(value, float) or math.isfinite(value):
                return msgspec.convert(value, field.type)
        except msgspec.ValidationError:
            pass
        raise self._fault(path, f"{wanted}; {fix}")

    def _fault(self, path: tuple[str, ...], text: str) -> InputError:
        told = ".".join(key if key.isidentifier() else toml_text(key) for key in path)
        return InputError(f"{self._origin}:{line_of(self._lines, path)}: {told} {text}")


def _shown(value: object) -> str:
    text = toml_text(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def filled_in(manifest: Manifest, *, folder: Path, port: int, instance_id: str) -> tuple[str, ...]:
    """Return the command of one instance, with its own port, name and folder.

    Parameters
    ----------
    manifest : Manifest
    folder : Path
        Where the package lies on the instance's node.
    port : int
        In [1, 65535].
    instance_id : str
    """
    own = {"{port}": str(port), "{instance}": instance_id, "{folder}": str(folder)}
    return tuple(re.sub("|".join(map(re.escape, own)), lambda m: own[m[0]], word)
                 for word in manifest.command)  # fmt: skip
