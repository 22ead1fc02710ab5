"""This file knows the thread in which all that takes time is done, and when a process ends.

Of every instance one thing is under way at a time: begun anew, what was under way before is called
off. The thread lives as long as the platform, so a process bound to it ends with the platform.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress

from foretide.platforms.local.identity import Identity, pidfd
from foretide.platforms.local.notes import Notes
from foretide.platforms.local.process import reap

Work = Callable[[], Coroutine[object, object, None]]
Ended = Callable[[int | None], None]


class Keeper:
    """A thread that starts, probes, drains and watches instances.

    Parameters
    ----------
    notes : Notes
        Told when something broke off that should not have.
    """

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._loop = asyncio.new_event_loop()
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._pidfds: dict[str, int] = {}
        self._exits: dict[str, asyncio.Event] = {}
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)
        self._thread.start()

    def begin(self, instance_id: str, work: Work, *, kind: str = "life") -> None:
        """Begin something for an instance, calling off what of its kind was under way before."""
        self._loop.call_soon_threadsafe(self._begin, (instance_id, kind), work)

    def stop(self, instance_id: str) -> None:
        """Call off what was begun for an instance."""
        self._loop.call_soon_threadsafe(self._stop, (instance_id, "life"))

    def watch(self, instance_id: str, who: Identity, ended: Ended) -> None:
        """Tell `ended`, in the keeper's thread, that the process of an instance has ended.

        Parameters
        ----------
        instance_id : str
        who : Identity
            Its process.
        ended : callable
            Told its exit code, negative for a signal; None where it was another's child.
        """
        if threading.current_thread() is self._thread:
            self._watch(instance_id, who, ended)
        else:
            self._loop.call_soon_threadsafe(self._watch, instance_id, who, ended)

    async def exited(self, instance_id: str, within_s: float) -> bool:
        """Return whether the process of an instance has ended, waiting for it at most so long."""
        event = self._exits.get(instance_id)
        if event is None:
            return True  # it never had one
        if within_s > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await event.wait()
        return event.is_set()

    def forget(self, instance_id: str) -> None:
        """Call off all that is under way for an instance, from within the keeper's thread."""
        self._exits.pop(instance_id, None)
        for key in [key for key in self._tasks if key[0] == instance_id]:
            self._stop(key)

    def close(self) -> None:
        """Call everything off and end the thread; processes that are not bound to it go on."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            for handle in self._pidfds.values():
                self._loop.remove_reader(handle)
                os.close(handle)
            self._loop.close()

    def _begin(self, key: tuple[str, str], work: Work) -> None:
        self._stop(key)
        task = self._loop.create_task(_run_through(work), name=" ".join(key))
        self._tasks[key] = task
        task.add_done_callback(lambda done: self._finished(key, done))

    def _finished(self, key: tuple[str, str], done: asyncio.Task[None]) -> None:
        if self._tasks.get(key) is done:
            del self._tasks[key]
        error = None if done.cancelled() else done.exception()
        if error is not None:
            self._notes.add(f"{' of '.join(reversed(key))} broke off: {error!r}")

    def _stop(self, key: tuple[str, str]) -> None:
        task = self._tasks.pop(key, None)
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    def _watch(self, instance_id: str, who: Identity, ended: Ended) -> None:
        self._exits[instance_id] = asyncio.Event()
        try:
            handle = pidfd(who)
        except ProcessLookupError:
            self._exited(instance_id, who, ended)
            return
        self._pidfds[instance_id] = handle
        self._loop.add_reader(handle, self._exited, instance_id, who, ended)

    def _exited(self, instance_id: str, who: Identity, ended: Ended) -> None:
        handle = self._pidfds.pop(instance_id, None)
        if handle is not None:
            self._loop.remove_reader(handle)
            os.close(handle)
        code = reap(who)
        self._exits[instance_id].set()
        ended(code)


async def _run_through(work: Work) -> None:
    await work()
