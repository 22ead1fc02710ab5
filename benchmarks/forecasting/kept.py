"""Answers that a rival gave in an earlier run, by rival, version and question.

A question is told by its history, its instant and its zone, so an answer is used again only where
the rival would see the very same input. A model learned from many series at once is told by all
questions it is asked together.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
from forecasting.cases import Case

from foretide.model.demand import FloatArray

Asked = Callable[[Sequence[Case]], list[FloatArray]]


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """Where answers are kept.

    Parameters
    ----------
    folder : Path or None
        Nowhere when None.
    is_fresh : bool
        Ask everything again.
    """

    folder: Path | None
    is_fresh: bool = False

    def each(
        self, cases: Sequence[Case], name: str, ask: Asked, part: int = 20
    ) -> list[FloatArray]:
        """Answer every case, asking only what was not asked before, some at a time."""
        paths = [self._path(name, case.key()) for case in cases]
        found = [self._read(path) for path in paths]
        open_ = [at for at, answer in enumerate(found) if answer is None]
        for begin in range(0, len(open_), part):
            members = open_[begin : begin + part]
            for at, answer in zip(members, ask([cases[at] for at in members]), strict=True):
                found[at] = answer
                _write(paths[at], answer)
            print(f"{name}: {begin + len(members)} of {len(open_)}", file=sys.stderr, flush=True)
        return [answer for answer in found if answer is not None]

    def together(self, cases: Sequence[Case], name: str, ask: Asked) -> list[FloatArray]:
        """Answer every case, those of one half and number of origin in one go."""
        groups: dict[tuple[str, int], list[int]] = defaultdict(list)
        for at, case in enumerate(cases):
            groups[case.split, case.number].append(at)
        found: list[FloatArray] = [np.empty(0)] * len(cases)
        for number, members in enumerate(groups.values()):
            group = [cases[at] for at in members]
            told = hashlib.sha256("".join(case.key() for case in group).encode()).hexdigest()[:20]
            path = self._path(name, told)
            table = self._read(path)
            if table is None:
                table = np.array(ask(group))
                _write(path, table)
                print(f"{name}: {number + 1} of {len(groups)}", file=sys.stderr, flush=True)
            for at, answer in zip(members, table, strict=True):
                found[at] = answer
        return found

    def _path(self, name: str, key: str) -> Path | None:
        return self.folder and self.folder / "answers" / name.replace(" ", "-") / f"{key}.npy"

    def _read(self, path: Path | None) -> FloatArray | None:
        if path is None or self.is_fresh or not path.exists():
            return None
        return np.load(path).astype(np.float64)


def _write(path: Path | None, answer: FloatArray) -> None:
    # At once or not at all: two runs may share the folder.
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    with part.open("wb") as file:
        np.save(file, answer.astype(np.float32))
    part.replace(path)
