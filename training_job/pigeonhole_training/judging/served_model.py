"""A model as it is served: out of its model.tar.gz, asked through ONNX Runtime."""

from __future__ import annotations

import json
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pigeonhole_training.data.rows import Digests, Probabilities, Rows
from pigeonhole_training.errors import BadChampion
from pigeonhole_training.export.artifact import read_trained_rows
from pigeonhole_training.export.onnx_model import OnnxModel
from pigeonhole_training.judging.calibrate import tempered


@dataclass(frozen=True)
class Answers:
    """`probabilities` float32 `(N, classes)` in the asker's order of classes: 0 for one that the
    model does not know. `answers` `(N,)` are the classes that it gives; -1 is none of these."""

    probabilities: Probabilities
    answers: NDArray[np.int64]


@dataclass(frozen=True)
class ServedModel:
    """`document` is its model.json; `trained_rows` the digests of what it has seen.

    Properties and methods raise LookupError, TypeError or ValueError for a model.json that is not
    as it should be. `who`: what it is called in reasons.
    """

    who: str
    document: dict[str, Any]
    model: OnnxModel
    trained_rows: Digests

    @property
    def classes(self) -> tuple[str, ...]:
        """Their names, in its own order."""
        return tuple(self.document["classes"])

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the images that it takes."""
        taken = self.document["input"]
        return taken["height"], taken["width"], taken["channels"]

    def answer(self, rows: Rows, classes: tuple[str, ...]) -> Answers:
        """What it says of `rows`; classes are matched by name. Raises BadChampion."""
        try:
            theirs = self.model.predict(rows)
        except Exception as error:  # ONNX Runtime's errors share no base class
            raise BadChampion(f"the {self.who} does not answer: {error}") from error
        if self.document.get("format", 1) == 1:  # whose temperature is not inside the model
            theirs = tempered(theirs, float(self.document.get("temperature", 1.0)))
        # index of each of its classes among these; -1 is never a label
        place = np.array([classes.index(n) if n in classes else -1 for n in self.classes])
        ours = np.zeros((len(rows), len(classes)), np.float32)
        ours[:, place[place >= 0]] = theirs[:, place >= 0]
        return Answers(ours, place[theirs.argmax(axis=1)])

    def unseen(self, rows: Rows) -> NDArray[np.bool_]:
        """Which of `rows` it was not trained on."""
        return ~np.isin(rows.digests, self.trained_rows)


def load_served(folder: Path, who: str) -> ServedModel:
    """The model in `folder/model.tar.gz`. Raises BadChampion when it cannot be used."""
    archive = folder / "model.tar.gz"
    if not archive.is_file():
        raise BadChampion(f"the {who} channel has no model.tar.gz")
    with tempfile.TemporaryDirectory() as scratch:
        try:
            with tarfile.open(archive, "r:gz") as tar:
                tar.extractall(scratch, filter="data")
            root = Path(scratch)
            return ServedModel(
                who=who,
                document=json.loads((root / "model.json").read_text(encoding="utf-8")),
                model=OnnxModel(root / "model.onnx"),
                trained_rows=read_trained_rows(root / "trained_rows.bin"),
            )
        except Exception as error:
            # onnxruntime's errors share no base class, and tarfile, gzip and json have one each
            raise BadChampion(f"the {who}'s model.tar.gz cannot be read: {error}") from error
