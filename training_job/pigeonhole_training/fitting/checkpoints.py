"""Checkpoints: where a run stood, in one file each, whole or not there.

    <folder>/checkpoint-0000001200.npz     after 1,200 steps; the last two are kept, and older
                                           ones that S3 needs until it has these
    <folder>/.checkpoint.tmp               being written

A file has the arrays of the run's state, the weights of its best epoch so far, and a JSON document:
what it is a checkpoint of (the fingerprint) and where the run stood. SageMaker copies the folder to
S3 as it changes and brings it back when the job begins anew.
"""

from __future__ import annotations

import json
import os
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

KEPT = 2
# A file that has lain for so long is in S3: SageMaker looks through the folder now and then, and
# takes what has stopped changing. What is deleted here is deleted there, so that files that follow
# each other faster than that would leave nothing in S3.
SETTLED_SECONDS = 30.0
FORMAT = 2
# What NumPy and zipfile raise of bytes that are not what was written; RuntimeError is zipfile's of
# a member that seems to be encrypted or compressed in a way that it does not know.
_DAMAGED = (
    OSError,
    ValueError,
    KeyError,
    EOFError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class Checkpoint:
    """Where a run stood: `place` is JSON of the loop's own; `state` the values of its variables,
    `best` the weights of its best epoch so far (none before the first)."""

    steps: int
    place: Mapping[str, Any]
    state: Sequence[NDArray[Any]]
    best: Sequence[NDArray[Any]]


class Checkpoints:
    """The checkpoints in `folder` of runs with this `fingerprint`: JSON that says what a run
    depends on. `say` hears, in sentences, why one is not used."""

    def __init__(
        self, folder: Path, fingerprint: Mapping[str, Any], say: Callable[[str], None]
    ) -> None:
        self._folder, self._say = folder, say
        self._fingerprint = json.loads(json.dumps(fingerprint))

    def save(self, checkpoint: Checkpoint) -> None:
        """Writes a checkpoint, then removes those that are not needed any more. Raises OSError;
        those that are there stay then."""
        self._folder.mkdir(parents=True, exist_ok=True)
        document = {
            "format": FORMAT,
            "fingerprint": self._fingerprint,
            "steps": checkpoint.steps,
            "place": checkpoint.place,
            "arrays": [len(checkpoint.state), len(checkpoint.best)],
        }
        arrays = {
            "document": np.frombuffer(json.dumps(document).encode(), np.uint8),
            **{f"state-{i}": value for i, value in enumerate(checkpoint.state)},
            **{f"best-{i}": value for i, value in enumerate(checkpoint.best)},
        }
        half = self._folder / ".checkpoint.tmp"
        try:
            with half.open("wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            half.unlink(missing_ok=True)  # it fills the disk, and is of no use
            raise
        kept = self._folder / f"checkpoint-{checkpoint.steps:010d}.npz"
        half.replace(kept)
        for path in self._outdated(kept, time.time()):
            path.unlink(missing_ok=True)

    def newest(self) -> Checkpoint | None:
        """The newest that can be read and is of such a run."""
        for path in self._paths():
            try:
                document, checkpoint = _read(path)
            except _DAMAGED as error:
                self._say(f"The checkpoint {path.name} is damaged and not used ({error})")
                continue
            other = _difference(document["fingerprint"], self._fingerprint)
            if other:
                self._say(f"The checkpoint {path.name} is not used: its run had another {other}")
                continue
            return checkpoint
        return None

    def clear(self) -> None:
        """Removes them all: the run is over, and training once more begins afresh."""
        for path in (*self._paths(), self._folder / ".checkpoint.tmp"):
            path.unlink(missing_ok=True)

    def _outdated(self, last: Path, now: float) -> list[Path]:
        """All but the last two, the newest of the others that is settled, and the next to be. What
        has more steps than `last` was not used: it is damaged or another run's."""
        paths = self._paths()
        ahead = [path for path in paths if path.name > last.name]
        others = paths[len(ahead) + KEPT :]
        settled = [path for path in others if now - path.stat().st_mtime >= SETTLED_SECONDS]
        fresh = [path for path in others if path not in settled]
        return ahead + [path for path in others if path not in (*settled[:1], *fresh[-1:])]

    def _paths(self) -> list[Path]:
        """Newest first."""
        return sorted(self._folder.glob("checkpoint-*.npz"), reverse=True)


def _read(path: Path) -> tuple[dict[str, Any], Checkpoint]:
    # NumPy checks each member against its checksum as it reads it.
    with np.load(path, allow_pickle=False) as file:
        document = json.loads(file["document"].tobytes())
        if document["format"] != FORMAT:
            raise ValueError(f"its format is {document['format']}, not {FORMAT}")
        arrays = {name: file[name] for name in file.files}
    state, best = (
        [arrays[f"{kind}-{i}"] for i in range(count)]
        for kind, count in zip(("state", "best"), document["arrays"], strict=True)
    )
    return document, Checkpoint(document["steps"], document["place"], state, best)


def _difference(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    names = sorted(set(theirs) | set(ours))
    return ", ".join(n.replace("_", " ") for n in names if theirs.get(n) != ours.get(n))
