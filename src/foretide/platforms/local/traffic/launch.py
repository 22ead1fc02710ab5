"""This file knows how a service's HAProxy is started, and how one that runs already is found."""

from __future__ import annotations

import errno
import os
import select
import socket
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from foretide.errors import ActionFailedError, PlatformUnavailableError
from foretide.platforms.local.identity import Identity, identity, is_running, pidfd
from foretide.platforms.local.log import tail
from foretide.platforms.local.process import Program, start
from foretide.platforms.local.root import replaced
from foretide.platforms.local.traffic.base import Endpoint, Listen
from foretide.platforms.local.traffic.configuration import configuration, description
from foretide.platforms.local.traffic.ended import end
from foretide.platforms.local.traffic.places import Place, made
from foretide.platforms.local.traffic.runtime import Runtime, Slot

_STARTED_WITHIN_S = 5.0
_LOOK_EVERY_MS = 2
_MEANWHILE = "its instances are published as a list meanwhile"


class NotStartedError(Exception):
    """A HAProxy could not be started: the text is one line for a person."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A HAProxy that ran already.

    Parameters
    ----------
    identity : Identity
        Which process.
    is_current : bool
        Whether it was started with the configuration that is wanted now.
    slots : tuple of Slot
        Its servers.
    """

    identity: Identity
    is_current: bool
    slots: tuple[Slot, ...]


class Launcher:
    """What is needed to start a service's HAProxy.

    Parameters
    ----------
    service : str
        Whose requests.
    listen : Listen
        Where they come in.
    place : Place
        Where its files are.
    program : Path
        HAProxy.
    root : Path
        The platform's folder, whose mark the process carries.
    is_bound : bool
        Whether it ends with the thread that starts it.
    """

    def __init__(
        self, service: str, listen: Listen, *, place: Place, program: Path, root: Path,
        is_bound: bool,
    ) -> None:  # fmt: skip
        self.service, self.place, self.is_bound = service, place, is_bound
        self.runtime = Runtime(place.socket)
        self._listen, self._program, self._root = listen, program, root
        self._description = description(listen, place.socket, is_bound)

    def found(self) -> Found | None:
        """Return the one that runs already; one that does not answer is ended instead."""
        try:
            who = identity(self.runtime.pid())
        except OSError:
            return None
        try:
            is_current = self.runtime.description() == self._description
            return Found(identity=who, is_current=is_current, slots=self.runtime.slots())
        except (OSError, ValueError, KeyError):
            end(who)
            return None

    def started(self, endpoints: Sequence[Endpoint], *, before: Identity | None) -> Identity:
        """Start one and wait until it answers.

        Parameters
        ----------
        endpoints : sequence of Endpoint
            Where it sends requests from the first one on.
        before : Identity, optional
            The one whose place it takes: it hands over its port and finishes its requests.

        Raises
        ------
        NotStartedError
            When it cannot be started; what ran before goes on.
        """
        try:
            made(self.place)
            if before is None:
                self._check_port()
            text = configuration(
                self._listen, socket_path=self.place.socket, endpoints=endpoints,
                is_bound=self.is_bound,
            )  # fmt: skip
            replaced(self.place.configuration, text.encode())
            who = start(self._program_for(before))
        except (PlatformUnavailableError, ActionFailedError) as error:
            raise NotStartedError(f"{self.service}: {error}; {_MEANWHILE}") from error
        except OSError as error:
            raise NotStartedError(
                f"{self.service}: {self.place.configuration} cannot be written: "
                f"{error.strerror}; {_MEANWHILE}"
            ) from error
        self._await(who)
        return who

    def _program_for(self, before: Identity | None) -> Program:
        takes_over = (
            () if before is None else ("-x", str(self.place.socket), "-sf", str(before.pid))
        )
        return Program(
            command=(
                str(self._program), "-db", "-f", str(self.place.configuration), *takes_over,
            ),
            folder=self.place.folder,
            log=self.place.log,
            root_id=_root_id(self._root),
            instance_id="",
            is_bound=self.is_bound,
        )  # fmt: skip

    def _check_port(self) -> None:
        host, port = self._listen.host, self._listen.port
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind((host, port))
                tried.listen(1)
            except OSError as error:
                raise NotStartedError(self._refusal(error)) from error

    def _refusal(self, error: OSError) -> str:
        host, port = self._listen.host, self._listen.port
        match error.errno:
            case errno.EADDRINUSE:
                why = f"port {port} of {host} is taken by another program: end that one, or"
            case errno.EACCES:
                why = f"this user may not listen on port {port}: take one above 1023,"
            case errno.EADDRNOTAVAIL:
                why = f"{host} is no address of this machine:"
            case _:
                why = f"{host} port {port} cannot be listened on ({error.strerror}):"
        return f"{self.service}: {why} change listen; {_MEANWHILE}"

    def _await(self, who: Identity) -> None:
        until_s = time.monotonic() + _STARTED_WITHIN_S
        try:
            handle = pidfd(who)
        except ProcessLookupError:
            raise self._ended_at_once() from None
        watch = select.poll()
        watch.register(handle, select.POLLIN)
        try:
            while time.monotonic() < until_s:
                if watch.poll(_LOOK_EVERY_MS) or not is_running(who):
                    raise self._ended_at_once()
                if self._answers(who):
                    return
        finally:
            os.close(handle)
        end(who)
        raise NotStartedError(
            f"{self.service}: HAProxy did not answer within {_STARTED_WITHIN_S:g} s; {_MEANWHILE}"
        )

    def _answers(self, who: Identity) -> bool:
        try:
            return self.runtime.description() == self._description and self.runtime.pid() == who.pid
        except OSError:
            return False

    def _ended_at_once(self) -> NotStartedError:
        told = [line for line in tail(self.place.log, 20) if "[ALERT]" in line]
        why = told[0].partition(" : ")[2] if told else "it ended at once and said nothing"
        return NotStartedError(f"{self.service}: HAProxy does not start: {why}; {_MEANWHILE}")


def _root_id(root: Path) -> str:
    try:
        return (root / "id").read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""  # nobody owns the folder yet: the proxy is found by its socket all the same
