"""This file knows the settings of the embedded platform: its folder, its nodes, its services."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from foretide.config.checks import AboveZero, Text
from foretide.errors import InvalidValueError
from foretide.model.ids import check_name


class ServiceLocalConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[service.NAME.local]`: what an instance of it is, with `platform = "local"`."""

    package: Annotated[
        Text,
        Meta(
            description="The program: a folder or archive with a `package.toml`, from this file's "
            "folder on.",
            examples=["shop-server"],
        ),
    ]
    version: Annotated[
        Text,
        Meta(
            description="What this content of the package is called; new instances run it.",
            examples=["v1"],
        ),
    ]
    warm: Annotated[
        Literal["frozen", "minimal"],
        Meta(
            description="How an instance is held warm: `frozen` stops its processes, `minimal` "
            "lets the program shrink itself to one worker.",
            examples=["frozen"],
        ),
    ] = "frozen"
    listen: Annotated[
        Text | None,
        Meta(
            description="Address where its users are served through HAProxy; without it, or "
            "without HAProxy, the addresses of the instances are published in a file.",
            examples=["127.0.0.1:8080"],
        ),
    ] = None
    demand: Annotated[
        Literal["traffic", "store"],
        Meta(
            description="Where demand is read: `traffic` counts requests at `listen` and keeps "
            "them in the store; `store` is what is imported there.",
            examples=["traffic"],
        ),
    ] = "store"

    def __post_init__(self) -> None:
        check_name("version", self.version)
        if self.listen is not None:
            address("listen", self.listen)
        elif self.demand == "traffic":
            raise InvalidValueError(
                'demand can be "traffic" only with listen, was "traffic" without; '
                'add listen = "127.0.0.1:8080"'
            )


class LocalConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[local]`: the embedded platform, which runs instances as processes of this machine."""

    root: Annotated[
        Text,
        Meta(
            description="Its folder, from this file's folder on: what runs, what is installed, "
            "logs and journals.",
            examples=[".foretide/local"],
        ),
    ] = ".foretide/local"


class NodeConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[node.NAME]`: a part of this machine that holds instances; without any, all of it is one."""

    cpu_cores: Annotated[
        AboveZero, Meta(description="CPU that its instances share.", examples=[2.0])
    ]
    memory_mib: Annotated[
        AboveZero, Meta(description="Memory that its instances share.", examples=[2048.0])
    ]
    link_mbps: Annotated[
        AboveZero,
        Meta(description="Bandwidth of its link, in and out together.", examples=[1000.0]),
    ]
    failure_domain: Annotated[
        Text,
        Meta(
            description="Nodes of one domain may be lost together; instances are spread over "
            "domains.",
            examples=["rack-1"],
        ),
    ] = "default"
    price_usd_per_hour: Annotated[
        float,
        Meta(
            ge=0,
            description="Price of an instance there; between nodes that serve about equally soon "
            "the cheaper one is taken.",
            examples=[0.1],
        ),
    ] = 0.0


def address(field: str, text: str) -> tuple[str, int]:
    """Return the IP address and the port of `ADDRESS:PORT`.

    Raises
    ------
    InvalidValueError
        When it is none: the text names the field and the fix.
    """
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    is_port = port.isascii() and port.isdigit() and 0 < int(port) < 65_536
    if not (is_port and _is_address(host)):
        raise InvalidValueError(
            f'{field} must be ADDRESS:PORT with a port from 1 to 65535, was "{text}"; '
            'write for example "127.0.0.1:8080"'
        )
    return host, int(port)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def faults_of_local(
    services: Mapping[str, ServiceLocalConfig | None],
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield where two services want one address, and the fix.

    Parameters
    ----------
    services : mapping of str
        The `local` table of each service, None where it has none.

    Yields
    ------
    tuple
        Path of the setting in the file; what is wrong and the fix.
    """
    taken: dict[int, str] = {}
    for name, local in services.items():
        if local is None or local.listen is None:
            continue
        port = address("listen", local.listen)[1]
        if port in taken:
            text = f'must be another port than that of service "{taken[port]}", was '
            yield ("service", name, "local", "listen"), f'{text}"{local.listen}"; give each its own'
        taken[port] = name
