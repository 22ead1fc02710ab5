"""This file knows how a platform is asked without being waited for longer than it deserves.

A platform may be slow, hang, or fail in ways of its own. Its calls are made on a thread of the
desk; what is not answered in time counts as silence, and the heartbeat goes on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import cast

from foretide.errors import ActionFailedError, PlatformUnavailableError
from foretide.model.fleet import Fleet
from foretide.model.plan import Action
from foretide.platforms.base import Outcome, Platform, Receipt

DEADLINE_S, ALLOWANCE_S = 2.0, 10.0
_Answer = Fleet | Receipt


class _Call:
    # One call on its way; `key` says what is asked, so that a late answer finds its question.

    def __init__(self, key: str, do: Callable[[], _Answer]) -> None:
        self.key, self.do = key, do
        self.future: Future[_Answer] = Future()
        self.asked_s = time.monotonic()


class Desk:
    """A platform behind a deadline: it answers in time, or counts as silent.

    While a call is unanswered no other is made, and nobody waits for it: a platform that hangs
    costs one deadline, not one in every heartbeat. An answer that comes late is not lost: a report
    that came meanwhile serves when the next one is late too, and an action that was answered late
    is not asked for again.

    Parameters
    ----------
    platform : Platform
        Who is asked; from one thread only.
    name : str
        What it is called in what is said of it.
    deadline_s : float
        How long one call may take, > 0.
    allowance_s : float
        How long all calls of one heartbeat may take together, > 0.
    """

    def __init__(
        self,
        platform: Platform,
        *,
        name: str,
        deadline_s: float = DEADLINE_S,
        allowance_s: float = ALLOWANCE_S,
    ) -> None:
        self._platform = platform
        self._name = name
        self._deadline_s, self._allowance_s = deadline_s, allowance_s
        self._left_s = allowance_s
        self._pending: _Call | None = None
        self._late: dict[str, _Answer] = {}
        self._queue: SimpleQueue[_Call | None] = SimpleQueue()
        # a daemon: a platform that hangs must not keep the program from ending
        self._thread = threading.Thread(target=self._serve, name=f"desk-{name}", daemon=True)
        self._thread.start()

    def begin(self) -> None:
        """Begin a heartbeat: its calls have the whole allowance before them."""
        self._left_s = self._allowance_s

    def close(self) -> None:
        """Ask nothing more; a call that hangs is left to itself."""
        self._queue.put(None)

    def observe(self, service: str) -> Fleet:
        """Return what runs; see `Platform.observe`.

        Raises
        ------
        PlatformUnavailableError
            When there is no answer in time, and none that came late.
        """
        key = f"observe {service}"
        try:
            found = self._asked(key, lambda: self._platform.observe(service))
        except PlatformUnavailableError:
            late = self._late.pop(key, None)
            if late is None:
                raise
            return cast("Fleet", late)
        self._late.pop(key, None)  # older than what has just been said
        return cast("Fleet", found)

    def apply(self, action: Action) -> Receipt:
        """Begin one action; see `Platform.apply`. One that failed for good is answered `REFUSED`.

        Raises
        ------
        PlatformUnavailableError
            When there is no answer in time: retry the same id.
        """
        key = f"apply {action.action_id}"
        self._settle()
        late = self._late.pop(key, None)
        if late is not None:
            return cast("Receipt", late)
        return cast("Receipt", self._asked(key, lambda: self._applied(action)))

    def _applied(self, action: Action) -> Receipt:
        try:
            return self._platform.apply(action)
        except ActionFailedError as error:
            return Receipt(action_id=action.action_id, outcome=Outcome.REFUSED, detail=str(error))

    def _asked(self, key: str, do: Callable[[], _Answer]) -> _Answer:
        self._settle()
        if self._pending is not None:
            waited_s = time.monotonic() - self._pending.asked_s
            raise PlatformUnavailableError(
                f"{self._name} has not answered for {waited_s:.0f} s ({self._pending.key})"
            )
        if self._left_s <= 0:
            raise PlatformUnavailableError(
                f"{self._name} took all of the {self._allowance_s:g} s of this heartbeat"
            )
        call = _Call(key, do)
        self._queue.put(call)
        try:
            return self._waited(call)
        except TimeoutError:
            self._pending = call
            raise PlatformUnavailableError(
                f"{self._name} did not answer within {self._deadline_s:g} s ({key})"
            ) from None

    def _waited(self, call: _Call) -> _Answer:
        before_s = time.monotonic()
        try:
            return call.future.result(min(self._deadline_s, self._left_s))
        finally:
            self._left_s -= time.monotonic() - before_s

    def _settle(self) -> None:
        """Keep the answer that came after its deadline, if there is one by now."""
        call = self._pending
        if call is None or not call.future.done():
            return
        self._pending = None
        if call.future.exception() is None:
            self._late[call.key] = call.future.result()

    def _serve(self) -> None:
        while (call := self._queue.get()) is not None:
            try:
                call.future.set_result(call.do())
            except PlatformUnavailableError as error:
                call.future.set_exception(error)
            except Exception as error:  # noqa: BLE001  # whatever an adapter fails of is silence
                told = PlatformUnavailableError(
                    f"{self._name} failed: {type(error).__name__}: {error}"
                )
                told.__cause__ = error
                call.future.set_exception(told)
