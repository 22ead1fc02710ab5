"""This file knows how a command that shares its work shows how far it is."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from foretide.cli.work import Hands, progress

if TYPE_CHECKING:
    from foretide.control.parts import PartMap

_PartT = TypeVar("_PartT")
_DoneT = TypeVar("_DoneT")


@contextmanager
def hands_at_work(hands: Hands, label: str) -> Generator[PartMap]:
    """Lend a map that shows, where there is a terminal, how many parts are done.

    Parameters
    ----------
    hands : Hands
        Who does the work.
    label : str
        What is being done.
    """
    from foretide.control.pools import part_map

    done = total = 0
    with (
        part_map(workers=hands.workers, scheduler=hands.scheduler) as mapped,
        progress(label) as moved,
    ):

        def watched(
            function: Callable[[_PartT], _DoneT], parts: Iterable[_PartT], /
        ) -> Iterator[_DoneT]:
            nonlocal done, total
            known = list(parts)
            total += len(known)
            for one in mapped(function, known):
                done += 1
                moved(done, total)
                yield one

        yield watched
