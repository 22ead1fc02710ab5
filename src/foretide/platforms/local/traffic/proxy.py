"""This file knows one service's HAProxy: watched, started again, and told who serves.

A thread of its own starts it, because a bound program ends with the thread that started it, and
waits for its end: one that died is started again with the servers it had. Where it cannot be
started the service's instances are published as a list until it can.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from foretide.errors import ActionFailedError, PlatformUnavailableError
from foretide.platforms.local.identity import Identity, is_running, pidfd
from foretide.platforms.local.log import shortened
from foretide.platforms.local.process import reap
from foretide.platforms.local.traffic.base import Counted, Endpoint
from foretide.platforms.local.traffic.ended import end
from foretide.platforms.local.traffic.endpoint_list import EndpointList
from foretide.platforms.local.traffic.launch import Found, Launcher, NotStartedError
from foretide.platforms.local.traffic.places import removed
from foretide.platforms.local.traffic.runtime import Address
from foretide.platforms.local.traffic.slots import Slots

_BEGUN_WITHIN_S = 15.0
_AGAIN_WITHIN_S = 1.0
_GONE = (ConnectionError, FileNotFoundError)  # what is said of one that is ending, or has ended
_LOOK_EVERY_S = 60.0
_RETRY_S = 3.0
_STEADY_S = 10.0  # one that ends sooner ended early; so many are started again at once
_EARLY_ENDS_MAX = 3

T = TypeVar("T")


class Proxy:
    """The traffic of one service; see `Traffic` for what each call promises.

    Parameters
    ----------
    launcher : Launcher
        Starts it.
    slot_count : int
        How many instances may have a place in it at once, on their way in or out.
    substitute : EndpointList
        Where instances are published while there is no proxy.
    """

    def __init__(self, launcher: Launcher, *, slot_count: int, substitute: EndpointList) -> None:
        self._launcher, self._substitute = launcher, substitute
        self._service = launcher.service
        self._slots = Slots(launcher.runtime, count=slot_count)
        self._wanted = dict[Address, Endpoint]()
        self._changed = threading.Condition(threading.RLock())
        self._identity: Identity | None = None  # None: the substitute is in its place
        self._before: Identity | None = None  # finishes requests of `_before_addresses`
        self._before_addresses = frozenset[Address]()
        self._started_s = 0.0
        self._early_end_count = 0
        self._look_count = 0
        self._is_closing = False
        self._watcher: threading.Thread | None = None
        self._wake = -1
        self._notes: list[str] = []
        self._refusal = ""

    def admit(self, endpoint: Endpoint) -> None:
        """Let new requests reach an instance."""
        self._done(lambda: self._admit(endpoint))

    def dismiss(self, endpoint: Endpoint) -> None:
        """Let no new request reach an instance."""

        def dismissed() -> None:
            self._wanted.pop(endpoint.address, None)
            if self._identity is None:
                self._substitute.dismiss(self._service, endpoint)
            else:
                self._slots.dismissed(endpoint.address)

        self._done(dismissed)

    def is_idle(self, endpoint: Endpoint) -> bool:
        """Return whether no request is in flight on an instance, nor can reach it."""

        def idle() -> bool:
            address = endpoint.address
            if address in self._wanted:
                return False
            if address in self._before_addresses and not self._is_finished_before():
                return False
            # also for one that was on the list until the proxy took over
            if not self._substitute.is_idle(self._service, endpoint):
                return False
            return self._identity is None or self._slots.is_idle(address)

        return self._done(idle)

    def forget(self, endpoint: Endpoint) -> None:
        """Cut whatever still connects to an instance."""

        def forgotten() -> None:
            self._wanted.pop(endpoint.address, None)
            self._substitute.forget(self._service, endpoint)
            if self._identity is not None:
                self._slots.forgotten(endpoint.address)

        self._done(forgotten)

    def reconcile(self, serving: Sequence[Endpoint]) -> None:
        """Admit exactly `serving`."""
        wanted = {endpoint.address: endpoint for endpoint in serving}

        def reconciled() -> None:
            if self._identity is None:
                self._substitute.reconcile(self._service, serving)
                self._wanted = wanted
                return
            self._wanted = {at: one for at, one in self._wanted.items() if at in wanted}
            self._slots.reconciled(wanted)
            for endpoint in serving:
                self._admit(endpoint)

        with self._changed:
            if self._watcher is None:
                self._wanted = wanted  # what is started first has them from its first request on
        self._done(reconciled)

    def counted(self) -> Counted | None:
        """Return what was counted so far; None while the list is in the proxy's place."""

        def counts() -> Counted | None:
            if self._identity is None:
                return None
            counter_id = f"{self._identity.pid}-{self._identity.start_ticks}"
            return self._launcher.runtime.counted(counter_id)

        return self._done(counts)

    def notes(self) -> tuple[str, ...]:
        """Return what happened since the last call."""
        with self._changed:
            said, self._notes = tuple(self._notes), []
        return said

    def close(self, *, is_final: bool) -> None:
        """Let go of it: it goes on alone, unless this is final or it is bound."""
        with self._changed:
            self._is_closing = True
            who = self._identity
        if who is not None and (is_final or self._launcher.is_bound):
            end(who)
            removed(self._launcher.place)
        if self._watcher is not None:
            os.eventfd_write(self._wake, 1)
            self._watcher.join()
            self._watcher = None
            os.close(self._wake)

    def _admit(self, endpoint: Endpoint) -> None:
        if self._identity is None:
            self._substitute.admit(self._service, endpoint)
        elif not self._slots.admitted(endpoint.address, kept=self._wanted):
            raise ActionFailedError(
                f"{self._service}: all {self._slots.count} slots of its proxy are taken, "
                f"{endpoint.instance_id} gets no requests; raise max_instances and start again"
            )
        self._wanted[endpoint.address] = endpoint

    def _done(self, act: Callable[[], T]) -> T:
        # once more when the proxy died meanwhile and was started again, or replaced by the list
        with self._changed:
            self._begin()
            looks = self._look_count
            try:
                return act()
            except OSError as error:
                if not isinstance(error, _GONE):
                    raise self._unanswered(error) from error
            self._changed.wait_for(lambda: self._look_count > looks, _AGAIN_WITHIN_S)
            try:
                return act()
            except OSError as error:
                raise self._unanswered(error) from error

    def _unanswered(self, error: OSError) -> PlatformUnavailableError:
        return PlatformUnavailableError(
            f"{self._service}: its proxy does not answer ({error.strerror or error})"
        )

    def _begin(self) -> None:
        if self._is_closing:
            raise PlatformUnavailableError(f"{self._service}: its proxy was let go of")
        if self._watcher is None:
            self._wake = os.eventfd(0, os.EFD_CLOEXEC)
            self._watcher = threading.Thread(
                target=self._watch, name=f"traffic of {self._service}", daemon=True
            )
            self._watcher.start()
        if not self._changed.wait_for(lambda: self._look_count > 0, _BEGUN_WITHIN_S):
            raise PlatformUnavailableError(f"{self._service}: its proxy is still being started")

    def _watch(self) -> None:
        while True:
            with self._changed:
                if self._is_closing:
                    return
                try:
                    wait_s = self._looked()
                except (OSError, PlatformUnavailableError) as error:  # no room, no open file left
                    self._say_once(str(error))
                    wait_s = _RETRY_S
                self._look_count += 1
                self._changed.notify_all()
            self._wait(wait_s)

    def _wait(self, wait_s: float) -> None:
        watch = select.poll()
        watch.register(self._wake, select.POLLIN)
        handle = None
        try:
            handle = None if self._identity is None else pidfd(self._identity)
        except ProcessLookupError:
            return
        except OSError:  # no open file left
            wait_s = _RETRY_S
        if handle is not None:
            watch.register(handle, select.POLLIN)
        watch.poll(wait_s * 1000)
        if handle is not None:
            os.close(handle)

    def _looked(self) -> float:
        # for how long nothing need be looked at, unless the process ends
        if self._identity is not None:
            if is_running(self._identity):
                shortened(self._launcher.place.log)
                self._is_finished_before()
                return _LOOK_EVERY_S
            self._lost(self._identity)
            if self._early_end_count > _EARLY_ENDS_MAX:
                self._refuse(
                    f"{self._service}: its proxy ends again and again; its instances are published "
                    f"as a list meanwhile, see {self._launcher.place.log}"
                )
                return _RETRY_S
        elif self._look_count == 0:
            found = self._launcher.found()
            if found is not None and self._is_adopted(found):
                return _LOOK_EVERY_S
        return self._start()

    def _lost(self, who: Identity) -> None:
        reap(who)
        self._identity = None
        is_early = time.monotonic() < self._started_s + _STEADY_S
        self._early_end_count = self._early_end_count + 1 if is_early else 0
        self._notes.append(
            f"{self._service}: its proxy (process {who.pid}) ended unasked; what was under way in "
            "it is lost, and it is started again"
        )

    def _is_adopted(self, found: Found) -> bool:
        taken = {slot.address: slot for slot in found.slots if slot.is_taken}
        if found.is_current:
            self._identity = found.identity
            self._slots.known({address: slot.number for address, slot in taken.items()})
        else:
            self._before = found.identity
            self._before_addresses = frozenset(taken)
        # named by where they are until `reconcile` tells who they are
        self._wanted = {
            address: Endpoint(instance_id=f"{address[0]}:{address[1]}", host=address[0],
                              port=address[1])
            for address, slot in taken.items() if slot.is_admitted
        }  # fmt: skip
        return found.is_current

    def _start(self) -> float:
        before = None if self._is_finished_before() else self._before
        endpoints = list(self._wanted.values())[: self._slots.count]
        try:
            self._identity = self._launcher.started(endpoints, before=before)
        except NotStartedError as error:
            if before is not None:
                end(before)  # nobody could tell it any more who serves
            self._refuse(str(error))
            return _RETRY_S
        self._started_s = time.monotonic()
        self._slots.known({one.address: at for at, one in enumerate(endpoints, start=1)})
        self._substitute.withdraw(self._service)
        if self._refusal:
            self._notes.append(f"{self._service}: its proxy was started")
            self._refusal = ""
        return _LOOK_EVERY_S

    def _refuse(self, why: str) -> None:
        self._say_once(why)
        self._substitute.reconcile(self._service, list(self._wanted.values()))

    def _say_once(self, why: str) -> None:
        if why != self._refusal:
            self._notes.append(why)
        self._refusal = why

    def _is_finished_before(self) -> bool:
        if self._before is None or is_running(self._before):
            return self._before is None
        reap(self._before)
        self._before, self._before_addresses = None, frozenset()
        return True
