"""This file knows `foretide doctor`: what was found here, and what is done without the rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foretide.cli.where import CONFIG_FILE

if TYPE_CHECKING:
    from foretide.config.settings import Config
    from foretide.platforms.local.findings import Finding

_VERDICT_CHARS, _NAME_CHARS = 15, 15
_COLOURS = {"ok": typer.colors.GREEN, "worked around": typer.colors.YELLOW}


def doctor(
    config: Annotated[Path, typer.Option("--config", help="The configuration.")] = CONFIG_FILE,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what this machine has, what is worked around, and what is missing with its fix.

    Ends with exit code 1 when something is missing that nothing else does in its place.
    """
    import msgspec

    from foretide.platforms.local.findings import Verdict, of_machine

    findings = (_python(), *of_machine(), *_of_configuration(config))
    is_usable = all(finding.verdict is not Verdict.MISSING for finding in findings)
    if as_json:
        told = {"is_usable": is_usable, "findings": findings}
        typer.echo(msgspec.json.encode(told).decode())
    else:
        _print(findings)
        typer.echo("")
        typer.echo(_summary(findings))
    if not is_usable:
        raise typer.Exit(1)


def _python() -> Finding:
    import platform

    from foretide.platforms.local.findings import Finding, Verdict

    # the package does not install on an older one, so what runs this is new enough
    told = f"{platform.python_version()} on Linux {platform.release()}"
    return Finding(name="python", verdict=Verdict.OK, told=told)


def _of_configuration(path: Path) -> Iterator[Finding]:
    from foretide.config.load import read_config
    from foretide.config.settings import StoreConfig
    from foretide.errors import ConfigError
    from foretide.platforms.local.findings import Finding, Verdict

    if not path.exists():
        told = f"{path} is not there: only commands on files and the demo work"
        yield Finding(
            name="configuration", verdict=Verdict.WORKED_AROUND, told=told, fix="foretide init"
        )
        yield _store(path.parent / StoreConfig().path)
        return
    try:
        settings = read_config(path)
    except ConfigError as error:
        yield Finding(
            name="configuration",
            verdict=Verdict.MISSING,
            told=str(error),
            fix="mend that line",
        )
        return
    count = len(settings.services)
    told = f"{path}: {count} service{'' if count == 1 else 's'}"
    yield Finding(name="configuration", verdict=Verdict.OK, told=told)
    yield _store(path.parent / settings.store.path)
    yield from _of_platform(path, settings)


def _of_platform(path: Path, settings: Config) -> Iterator[Finding]:
    from foretide.cli.up_parts import root_of
    from foretide.control.board import Board
    from foretide.platforms.local.findings import Finding, Verdict, of_address, of_folder

    local = [(name, one.local) for name, one in settings.services.items() if one.local]
    if not local:
        return
    root = root_of(settings, path)
    owner = Board(root).owner()
    if owner is not None:
        told = f"{root} is in use by `foretide up` (process {owner})"
        yield Finding(name="platform folder", verdict=Verdict.OK, told=told)
        return  # what listens is its own
    yield of_folder("platform folder", root)
    for name, one in local:
        if one.listen is not None:
            yield of_address(f"listen {name}", one.listen)


def _store(path: Path) -> Finding:
    from foretide.platforms.local.findings import of_folder

    return of_folder("store", path)


def _print(findings: tuple[Finding, ...]) -> None:
    import shutil
    import textwrap

    indent = " " * (_VERDICT_CHARS + _NAME_CHARS)
    width = max(shutil.get_terminal_size().columns, len(indent) + 30)
    told = set[str]()
    for finding in findings:
        lines = textwrap.wrap(finding.told, width - len(indent), break_on_hyphens=False)
        if finding.fix:
            fix = "as above" if finding.fix in told else finding.fix
            lines += textwrap.wrap(f"fix: {fix}", width - len(indent), break_on_hyphens=False)
            told.add(finding.fix)
        verdict = finding.verdict.value
        colour = _COLOURS.get(verdict, typer.colors.RED)
        head = typer.style(f"{verdict:<{_VERDICT_CHARS}}", fg=colour)
        typer.echo(f"{head}{finding.name:<{_NAME_CHARS}}{lines[0]}")
        for line in lines[1:]:
            typer.echo(f"{indent}{line}")


def _summary(findings: tuple[Finding, ...]) -> str:
    from collections import Counter

    count = Counter(finding.verdict.value for finding in findings)
    if count["missing"]:
        return f"{count['missing']} missing: mend that first"
    if count["worked around"]:
        return f"all that is needed is here; {count['worked around']} worked around"
    return "all that can be used is here"
