"""This file knows `foretide install`: a package becomes a version of a service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from foretide.cli.where import CONFIG_FILE


def install(
    service: Annotated[str, typer.Argument(help="A [service.NAME] of the configuration.")],
    version: Annotated[str, typer.Argument(help="What this content is to be called.")],
    package: Annotated[Path, typer.Argument(help="A folder or archive with a package.toml.")],
    config: Annotated[Path, typer.Option("--config", help="The configuration.")] = CONFIG_FILE,
) -> None:
    """Install a package as a version of a service, by the hash of its content.

    Nothing is started: new instances run the version that the configuration names.
    """
    from foretide.cli.up_parts import chosen, root_of
    from foretide.config.load import read_config
    from foretide.platforms.local.package import installed
    from foretide.platforms.local.versions import Versions

    settings = read_config(config)
    chosen(settings, service, config)
    root = root_of(settings, config)
    versions = Versions(root)
    content = installed(root, package)
    versions.add(service, version, content.digest)
    typer.echo(f"{service} {version} is sha256:{content.digest} ({content.size_mib:.1f} MiB)")
