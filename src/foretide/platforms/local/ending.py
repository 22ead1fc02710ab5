"""This file knows how an instance goes: drained, ended, or lost."""

from __future__ import annotations

import asyncio
import signal
import time
from functools import partial

from foretide.model.fleet import InstanceState
from foretide.platforms.local.failures import LOG_LINES, Failure
from foretide.platforms.local.log import tail
from foretide.platforms.local.process import signal_group, signal_leader
from foretide.platforms.local.record import GONE, Record
from foretide.platforms.local.site import Site

_S = InstanceState
_KILLED_WITHIN_S = 10.0  # the system may take its time to end a process that waits for a disk
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.005, 0.1


async def drain(site: Site, name: str) -> None:
    """Let an instance that gets no new requests finish those it has, then end it."""
    if await drained(site, name):
        with site.lives.lock:
            site.nodes.release(name)  # whoever sees that it is gone may use its room
            site.lives.move(name, _S.TERMINATED)
        clear(site, name)


async def drained(site: Site, name: str) -> bool:
    """Return True once a draining instance has no process any more; False when it was lost."""
    record = site.lives.get(name)
    if record is None or record.state is not _S.DRAINING:
        return False
    await until_idle(site, record)
    if record.identity is not None and await site.keeper.exited(name, 0):
        lost(site, name, f"{name} ended while it drained")
        return False
    site.doors.forget(record)
    await _end_process(site, record)
    return True


async def end(site: Site, name: str) -> None:
    """End all processes of an instance that is gone, and forget it."""
    record = site.lives.get(name)
    if record is None:
        return
    if record.state is _S.FAILED:
        await _kill(site, record)
    else:
        await _end_process(site, record)
    clear(site, name)


def clear(site: Site, name: str) -> None:
    """Forget an instance of which no process is left."""
    with site.lives.lock:
        record = site.lives.get(name)
        if record is not None:
            site.doors.forget(record)
            site.nodes.release(name)
            site.isolation.forget(name)
            site.warmth.forget(name)
            site.lives.forget(name)
    site.keeper.forget(name)


async def until_idle(site: Site, record: Record) -> None:
    """Wait until an instance has no request under way, has ended, or may take no longer."""
    begun_s = time.monotonic()
    limit_s = site.contents.manifest(record).drain.timeout_s
    while not site.doors.is_idle(record) and not await site.keeper.exited(record.instance_id, 0):
        took_s = time.monotonic() - begun_s
        if took_s >= limit_s:
            return
        await asyncio.sleep(min(max(_FIRST_WAIT_S, took_s / 10), _LONGEST_WAIT_S))


def ended(site: Site, name: str, code: int | None) -> None:
    """Take note that the process of an instance ended."""
    record = site.lives.get(name)
    # what is being ended is waited for by who ends it
    if record is not None and record.state not in GONE and record.state is not _S.DRAINING:
        lost(site, name, f"{name} ended while {record.state}{_how(code)}")


def lost(site: Site, name: str, text: str) -> None:
    """Take note that an instance is gone, or must go, though nobody asked for it."""
    log = tail(site.root.log(name), LOG_LINES)
    with site.lives.lock:
        record = site.lives.get(name)
        if record is None or record.state in GONE:
            return
        site.doors.forget(record)
        site.lives.move(name, _S.FAILED)
        failure = Failure(
            instance_id=name, service=record.service, version=record.version,
            at=site.clock.now(), text=text, log=log,
        )  # fmt: skip
        is_launch = record.state in {_S.REQUESTED, _S.BOOTING}
        site.failures.add(failure, is_launch=is_launch, now_s=time.monotonic())
        site.changed.set()
    site.keeper.begin(name, partial(end, site, name))


def _how(code: int | None) -> str:
    if code is None:
        return ""
    return f" by signal {-code}" if code < 0 else f" with exit code {code}"


async def _end_process(site: Site, record: Record) -> None:
    if record.identity is None:
        return
    rule = site.contents.manifest(record).drain
    signal_leader(record.identity, signal.Signals[f"SIG{rule.signal}"])
    site.warmth.let_go(record)  # a stopped process does not hear that it is to end
    await site.keeper.exited(record.instance_id, rule.grace_s)
    await _kill(site, record)


async def _kill(site: Site, record: Record) -> None:
    if record.identity is None:
        return
    signal_group(record.identity, signal.SIGKILL)  # also what it started and left behind
    if not await site.keeper.exited(record.instance_id, _KILLED_WITHIN_S):
        site.notes.add(f"{record.instance_id} was killed and has not ended yet")
