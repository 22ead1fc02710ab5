"""This file knows how a service is called by people who are not there: a caller, and its tally."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import msgspec

from foretide.errors import SourceError

_END_S = 5.0  # after the last call, for the last answers


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the calls up to the end of a slot; of those before it, too.

    Parameters
    ----------
    slot : int
        Which slot has ended.
    sent, served : int
        Calls sent, and calls answered with what was asked for.
    refused, broken : int
        Calls that were answered with an error, and calls that were not answered.
    lag_s : float
        By how much the latest call of this slot was sent too late.
    """

    slot: int
    sent: int
    served: int
    refused: int
    broken: int
    lag_s: float

    @property
    def failed(self) -> int:
        """Calls that did not get what they asked for."""
        return self.refused + self.broken


NOTHING = Tally(slot=-1, sent=0, served=0, refused=0, broken=0, lag_s=0.0)


class Visitors:
    """Calls a service slot by slot, from a process of its own that ends with this one.

    Parameters
    ----------
    counts : sequence of int
        Calls to send in each slot, evenly spread over it.
    slot_s : float
        Length of a slot in seconds, > 0.
    address : (str, int), optional
        Host and port of who shares the calls out among the instances.
    listing : Path, optional
        Without an address: a published list of endpoints, called in turn.
    timeout_s : float
        A call without an answer by then has failed.
    """

    def __init__(
        self,
        counts: Sequence[int],
        *,
        slot_s: float,
        address: tuple[str, int] | None = None,
        listing: Path | None = None,
        timeout_s: float = 2.0,
    ) -> None:
        self._order = {
            "counts": list(counts), "slot_s": slot_s, "timeout_s": timeout_s, "address": address,
            "listing": None if listing is None else str(listing),
        }  # fmt: skip
        self._slot_count = len(counts)
        self._tallies: list[Tally] = []
        self._heard = threading.Condition()
        self._is_over = False
        self._process = subprocess.Popen(
            [sys.executable, "-m", "foretide.simulate.caller"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # a key pressed in the terminal is not meant for it
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def begin(self) -> None:
        """Let the first slot begin now.

        Raises
        ------
        SourceError
            When the caller has ended.
        """
        order = msgspec.json.encode(self._order | {"begin_s": time.monotonic()})
        try:
            stdin = _pipe(self._process.stdin)
            stdin.write(order + b"\n")
            stdin.flush()
        except OSError as error:
            raise SourceError(f"the caller has ended: {error.strerror}") from error

    def tallies(self, slot: int, *, wait_s: float = 0.0) -> Sequence[Tally]:
        """Return the tallies of the slots that have ended, in order.

        Parameters
        ----------
        slot : int
            Which slot's is waited for.
        wait_s : float
            How long, at most.
        """
        with self._heard:
            self._heard.wait_for(lambda: len(self._tallies) > slot or self._is_over, wait_s)
            return tuple(self._tallies[: self._slot_count])

    def latest(self) -> Tally:
        """Return the newest tally: all zero before the first slot has ended."""
        with self._heard:
            return self._tallies[-1] if self._tallies else NOTHING

    def ended(self) -> Tally:
        """Wait for the last answers and return the last tally.

        Raises
        ------
        SourceError
            When the caller ended before it had sent all.
        """
        self._reader.join(_END_S)
        last = self.latest()
        if last.slot < self._slot_count:
            raise SourceError(f"the caller ended after slot {last.slot} of {self._slot_count}")
        return last

    def close(self) -> None:
        """End the caller, wherever it is."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        _pipe(self._process.stdin).close()
        _pipe(self._process.stdout).close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _read(self) -> None:
        decoder = msgspec.json.Decoder(Tally)
        for line in _pipe(self._process.stdout):
            with self._heard:
                self._tallies.append(decoder.decode(line))
                self._heard.notify_all()
        with self._heard:
            self._is_over = True
            self._heard.notify_all()


def _pipe(end: IO[bytes] | None) -> IO[bytes]:
    if end is None:
        raise SourceError("the caller was started without a pipe")
    return end
