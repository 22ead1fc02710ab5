"""How tests run a command: in this process, from a folder of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from foretide.cli import main


class Done(NamedTuple):
    """What a command answered."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


def runner(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    folder: Path,
    *first: str,
) -> Run:
    """Return a function that runs `foretide` in `folder` with `first` and its own words."""
    monkeypatch.chdir(folder)

    def run_words(*words: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["foretide", *first, *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return Done(int(ended.value.code or 0), printed.out, printed.err)

    return run_words
