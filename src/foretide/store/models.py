"""This file knows the registry: what forecasters learned, version by version, and how they fare.

A *training* is what a forecaster learned of some series at one instant. Beside the trainings of a
model lies its *standing*: which training serves which series, and when the next is due; the
control room decides what that is, this file keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from foretide.errors import InvalidValueError
from foretide.store.versions import Damaged, VersionedFiles


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a training is of; written as one line of JSON in front of it.

    Parameters
    ----------
    model : str
        Name of the forecaster that learned.
    trained_at : datetime
        It knew nothing that was observed later; aware UTC.
    data_start, data_end : datetime
        Begin of the first and end of the last bucket it was shown, aware UTC.
    series : tuple of str
        Whose demand it was shown.
    series_digest : str
        A hash of that demand: equal for equal demand.
    reason : str
        Why it was trained.
    program : str
        Version of Foretide that wrote it.
    cadence : dict of str to object
        How each series stood when it was trained, for a person to read.
    """

    model: str
    trained_at: datetime
    data_start: datetime
    data_end: datetime
    series: tuple[str, ...]
    series_digest: str
    reason: str
    program: str
    cadence: dict[str, object] = {}


class Training(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A version of what a forecaster learned.

    Parameters
    ----------
    version : int
        Its number among the trainings of the model, from 1 on.
    manifest : Manifest
    learned : bytes
        What the forecaster made; only it can read it.
    """

    version: int
    manifest: Manifest
    learned: bytes


class Registry:
    """Trainings and standings of models, in a folder.

    Parameters
    ----------
    folder : Path
        Made when something is saved.
    kept : int
        Newest trainings of a model that are kept although no series needs them, >= 1; as many
        versions of its standing are.
    """

    def __init__(self, folder: Path, *, kept: int = 3) -> None:
        if kept < 1:
            raise InvalidValueError(f"kept must be >= 1, was {kept}")
        self._trainings = VersionedFiles(folder / "trained")
        self._standings = VersionedFiles(folder / "standing")
        self._kept = kept

    def save(self, manifest: Manifest, learned: bytes) -> int:
        """Keep a training, and return its version.

        Raises
        ------
        StoreError
            When it cannot be written; what was there is untouched.
        """
        return self._trainings.save(manifest.model, msgspec.json.encode(manifest) + b"\n" + learned)

    def training(self, model: str, version: int) -> Training | Damaged:
        """Return a training of `model`, or why it cannot be used."""
        found = self._trainings.read(model, version)
        if isinstance(found, Damaged):
            return found
        head, _, learned = found.content.partition(b"\n")
        try:
            manifest = msgspec.json.decode(head, type=Manifest)
        except msgspec.DecodeError as error:
            return Damaged(version, f"version {version} of {model}: no manifest ({error})")
        return Training(version=version, manifest=manifest, learned=learned)

    def latest(
        self,
        model: str,
        *,
        before: int | None = None,
        suits: Callable[[Manifest], bool] = lambda _: True,
    ) -> tuple[Training | None, tuple[str, ...]]:
        """Return the newest training of `model` that is whole, and what was found damaged.

        Parameters
        ----------
        model : str
        before : int, optional
            Only versions below this one.
        suits : callable
            Only trainings whose manifest this finds fit.

        Returns
        -------
        tuple of Training or None, and of notes
            None when there is no such training.
        """
        notes: list[str] = []
        for number in self._trainings.numbers(model):
            if before is not None and number >= before:
                continue
            found = self.training(model, number)
            if isinstance(found, Damaged):
                notes.append(f"{found.reason}; the version before it is used")
            elif suits(found.manifest):
                return found, tuple(notes)
        return None, tuple(notes)

    def record(self, model: str, entries: Sequence[msgspec.Struct]) -> None:
        """Append decisions to the model's diary, one line of JSON each, forced to the disk.

        Raises
        ------
        StoreError
            When they cannot be written: nothing of them may be carried out.
        """
        if entries:
            lines = b"".join(msgspec.json.encode(one) + b"\n" for one in entries)
            self._standings.append(model, "decisions.jsonl", lines)

    def save_standing(self, model: str, standing: bytes, *, needed: Collection[int]) -> None:
        """Keep how a model stands, then remove the trainings that nobody needs.

        Parameters
        ----------
        model : str
        standing : bytes
        needed : collection of int
            Versions of trainings that serve a series or are on trial.

        Raises
        ------
        StoreError
            When it cannot be written; what was there is untouched.
        """
        self._standings.save(model, standing)
        self._standings.prune(model, newest=self._kept)
        self._trainings.prune(model, newest=self._kept, needed=needed)

    def standing(self, model: str) -> tuple[bytes | None, tuple[str, ...]]:
        """Return the newest whole standing of `model`, None before the first, and notes."""
        notes: list[str] = []
        for number in self._standings.numbers(model):
            found = self._standings.read(model, number)
            if not isinstance(found, Damaged):
                return found.content, tuple(notes)
            notes.append(f"{found.reason}; the version before it is used")
        return None, tuple(notes)
