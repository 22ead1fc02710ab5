"""This file knows the configuration that a service's HAProxy is started with.

It is started with the right servers, so neither the first start nor one after a crash has a moment
without any; all that changes later goes through the runtime API, and nothing is ever reloaded.
"""

from __future__ import annotations

import resource
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from foretide.platforms.local.traffic.base import Endpoint, Listen
from foretide.platforms.local.traffic.runtime import BACKEND, FRONTEND

NOWHERE = ("127.0.0.1", 1)  # where free slots point; they are in maintenance
_CONNECTIONS_MAX = 10_000
_SLOTS_MAX = 4000  # more than run on one machine
_FILES_APART = 200  # that are neither a client's nor a server's connection


def slot_count(listen: Listen) -> int:
    """Return how many instances may have a slot: each that leaves may overlap with a new one."""
    return min(2 * listen.instances_max, _SLOTS_MAX)


def configuration(
    listen: Listen, *, socket_path: Path, endpoints: Sequence[Endpoint], is_bound: bool
) -> str:
    """Return the text of a configuration.

    Parameters
    ----------
    listen : Listen
        Where requests come in.
    socket_path : Path
        Where HAProxy is to be told things.
    endpoints : sequence of Endpoint
        What is admitted from the first request on, at most as many as there are slots.
    is_bound : bool
        Whether it ends with the process that starts it; part of what it says of itself.
    """
    return _text(listen, socket_path, endpoints, description(listen, socket_path, is_bound))


def description(listen: Listen, socket_path: Path, is_bound: bool) -> str:
    """Return what a HAProxy so configured says of itself, whatever its servers."""
    text = f"{is_bound} {_text(listen, socket_path, (), '')}"
    return f"foretide {sha256(text.encode()).hexdigest()[:16]}"


def host_and_port(host: str, port: int) -> str:
    """Return an address as HAProxy reads and writes it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _text(
    listen: Listen, socket_path: Path, endpoints: Sequence[Endpoint], said_of_itself: str
) -> str:
    wait_s = f"{listen.request_timeout_s * 1000:.0f}ms"
    lines = [
        "global",
        # one thread: what it says of itself is then of one instant, a drained server is idle
        "  nbthread 1",
        f"  maxconn {_connections_max()}",
        # a second one on the same port is refused instead of sharing the requests
        "  noreuseport",
        f"  description {said_of_itself}",
        f"  stats socket '{socket_path}' mode 600 level admin expose-fd listeners",
        f"  hard-stop-after {wait_s}",
        "defaults",
        "  mode http",
        "  timeout connect 2s",
        "  timeout http-request 10s",
        "  timeout http-keep-alive 60s",
        f"  timeout client {wait_s}",
        f"  timeout server {wait_s}",
        "  timeout tunnel 1h",
        "  option forwardfor",
        "  retries 2",
        # at each retry another server: the one that did not answer is likely gone
        "  option redispatch 1",
        "  retry-on conn-failure empty-response",
        f"frontend {FRONTEND}",
        f"  bind {host_and_port(listen.host, listen.port)}",
        # what may have been done is never asked twice, unless asking twice is harmless by its kind
        "  http-request disable-l7-retry unless METH_GET or METH_OPTIONS",
        f"  default_backend {BACKEND}",
        f"backend {BACKEND}",
        "  balance leastconn",
        # an idle connection that an instance closes just when it is used again fails what may not
        # be asked twice: none is kept for as long as servers usually keep theirs
        "  default-server pool-purge-delay 1s",
        *_servers(endpoints, slot_count(listen)),
    ]
    return "\n".join([*lines, ""])


def _servers(endpoints: Sequence[Endpoint], count: int) -> list[str]:
    named = [
        f"  server i{number} {host_and_port(endpoint.host, endpoint.port)}"
        for number, endpoint in enumerate(endpoints, start=1)
    ]
    if len(named) == count:
        return named
    return [
        *named,
        f"  server-template i {len(named) + 1}-{count} {host_and_port(*NOWHERE)} disabled",
    ]


def _connections_max() -> int:
    # a connection takes a file on either side, and asking for more than the system gives is fatal
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        return _CONNECTIONS_MAX
    return max(10, min(_CONNECTIONS_MAX, (hard - _FILES_APART) // 2))
