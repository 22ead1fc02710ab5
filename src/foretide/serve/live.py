"""This file knows how the live page is served: to this machine alone, from nothing but itself."""

from __future__ import annotations

import asyncio
import gzip
import re
import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from string import Template

import msgspec
from granian.constants import Interfaces
from granian.server.embed import Server
from litestar import Litestar, Request, Response, get
from litestar.config.allowed_hosts import AllowedHostsConfig
from litestar.datastructures import MutableScopeHeaders, State
from litestar.types import Message, Scope

from foretide.errors import ForetideError
from foretide.serve.shown import Shown

HOST, PORT = "127.0.0.1", 8765
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
_START_S, _LOOK_S = 10.0, 0.02
_FOREVER = "public, max-age=31536000, immutable"
_PLOTLY = f"plotly-{version('plotly')}.min.js"
_SHEET_MADE = re.compile(r'if\(!document\.getElementById\("([0-9a-f]{64})"\)')
_TAIL = f'<script src="/{_PLOTLY}"></script>\n<script src="/live.js"></script>'

Told = Callable[[], Shown | None]
_Asked = Request[object, object, State]


@contextmanager
def live_server(told: Told, *, host: str = HOST, port: int = PORT) -> Generator[str]:
    """Serve the live page while the context lasts, and lend its address.

    Parameters
    ----------
    told : callable
        Returns what is to be shown now; None while there is nothing yet.
    host : str
        An address of this machine.
    port : int
        Taken by another, a free one is served on instead: the address lent tells.

    Raises
    ------
    ForetideError
        When the server does not start.
    """
    port = _free_port(host, port)
    app = _app(told, [f"{name}:{port}" for name in (host, "localhost")])
    server = Server(
        app, address=host, port=port, interface=Interfaces.ASGI, websockets=False, log_enabled=False
    )
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=_serve, args=(server, loop), daemon=True, name="page")
    thread.start()
    try:
        _wait(host, port, thread)
        yield f"http://{host}:{port}/"
    finally:
        loop.call_soon_threadsafe(server.stop)
        thread.join(_START_S)


def asset(name: str) -> str:
    """Return a file of the page as text."""
    return (files("foretide.serve") / "page" / name).read_text("utf-8")


def plotly_script() -> str:
    """Return Plotly's script, as it lies in Plotly's own package."""
    return (files("plotly") / "package_data" / "plotly.min.js").read_text("utf-8")


def _serve(server: Server, loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_until_complete(server.serve())
    loop.close()


def _free_port(host: str, port: int) -> int:
    # the server would share a port with another that allows it: asked without that, one is told
    for wanted in (port, 0):
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind((host, wanted))
            except OSError:
                continue
            return int(tried.getsockname()[1])
    raise ForetideError(f"no port of {host} is free for the page; give --no-page")


def _wait(host: str, port: int, thread: threading.Thread) -> None:
    end_s = time.monotonic() + _START_S
    while time.monotonic() < end_s and thread.is_alive():
        try:
            socket.create_connection((host, port), timeout=1).close()
        except OSError:
            thread.join(_LOOK_S)
        else:
            return
    raise ForetideError(f"the page could not be served on {host}:{port}; give --no-page")


@cache
def _head() -> str:
    # Plotly writes its rules into the sheet of this name, and where there is none it makes one,
    # which the policy above forbids; those of its maps, which are not drawn here, likewise.
    maps = "".join(
        f'<meta id="{name}">' for name in sorted(set(_SHEET_MADE.findall(plotly_script())))
    )
    return (
        '<link rel="stylesheet" href="/live.css">\n'
        '<link id="plotly.js-style-global" rel="stylesheet" href="/plotly.css">\n'
        f'{maps}<link rel="icon" href="data:,">'
    )


@cache
def _packed_plotly() -> bytes:
    return gzip.compress(plotly_script().encode(), compresslevel=6, mtime=0)


def _app(told: Told, hosts: list[str]) -> Litestar:
    page = Template(asset("live.html")).substitute(head=_head(), tail=_TAIL)
    encoder = msgspec.json.Encoder()

    @get("/", sync_to_thread=False)
    def root() -> Response[str]:
        return _text(page, "text/html")

    @get("/live.css", sync_to_thread=False)
    def style() -> Response[str]:
        return _text(asset("live.css"), "text/css")

    @get("/plotly.css", sync_to_thread=False)
    def rules() -> Response[str]:
        return _text("", "text/css")

    @get("/live.js", sync_to_thread=False)
    def script() -> Response[str]:
        return _text(asset("live.js"), "text/javascript")

    @get(f"/{_PLOTLY}", sync_to_thread=True)
    def plotly(request: _Asked) -> Response[bytes]:
        headers = {"cache-control": _FOREVER, "vary": "accept-encoding"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["content-encoding"] = "gzip"
            return Response(_packed_plotly(), media_type="text/javascript", headers=headers)
        return Response(plotly_script().encode(), media_type="text/javascript", headers=headers)

    @get("/state.json", sync_to_thread=False)
    def state() -> Response[bytes]:
        shown = told()
        return Response(
            b"" if shown is None else encoder.encode(shown),
            status_code=204 if shown is None else 200,
            media_type="application/json",
            headers={"cache-control": "no-store"},
        )

    return Litestar(
        [root, style, rules, script, plotly, state],
        openapi_config=None,
        logging_config=None,
        allowed_hosts=AllowedHostsConfig(hosts),
        before_send=[_harden],
    )


def _text(content: str, kind: str) -> Response[str]:
    return Response(
        content, media_type=f"{kind}; charset=utf-8", headers={"cache-control": "no-cache"}
    )


async def _harden(message: Message, scope: Scope) -> None:  # noqa: ARG001  (Litestar's own)
    # every answer, those to what went wrong too
    if message["type"] == "http.response.start":
        headers = MutableScopeHeaders.from_message(message)
        for name, value in HEADERS.items():
            headers[name] = value
