"""The champion: the model that is live now, judged on the rows held out from the challenger."""

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
from pigeonhole_training.judging.evaluate import Paired, compare


@dataclass(frozen=True)
class ChampionResult:
    """What the champion says about the held-out rows.

    `probabilities` float32 `(N, classes)` are in *our* classes' order: 0 for one that it does not
    know, so that a row may sum to less than 1. `answers` `(N,)` are the classes that it gives; -1
    is one that is none of ours. All three are None when it takes images of another shape; `paired`
    also when it knows other classes.
    """

    training_job: str
    dataset_version: str
    same_classes: bool
    same_shape: bool
    probabilities: Probabilities | None
    answers: NDArray[np.int64] | None
    paired: Paired | None


@dataclass(frozen=True)
class _Champion:
    document: dict[str, Any]
    model: OnnxModel
    trained_rows: Digests


def judge_champion(
    folder: Path, heldout: Rows, challenger_right: NDArray[np.bool_], classes: tuple[str, ...]
) -> ChampionResult:
    """Runs the champion in `folder/model.tar.gz` on `heldout`.

    Classes are matched by name: their order may differ, and a class that the champion does not
    know it gets wrong. It answers all held-out rows; the paired comparison is over those that it
    was not trained on. Raises BadChampion when the archive cannot be used.
    """
    champion = _load(folder / "model.tar.gz")
    try:
        return _judge(champion, heldout, challenger_right, classes)
    except (LookupError, TypeError, ValueError) as error:
        raise BadChampion(f"the champion's model.json is not as expected: {error!r}") from error


def _judge(
    champion: _Champion,
    heldout: Rows,
    challenger_right: NDArray[np.bool_],
    classes: tuple[str, ...],
) -> ChampionResult:
    document, taken = champion.document, champion.document["input"]
    names = tuple(document["classes"])
    same_classes = set(names) == set(classes)
    same_shape = (taken["height"], taken["width"], taken["channels"]) == heldout.image_shape
    ours, answers, paired = None, None, None
    if same_shape:
        try:
            theirs = champion.model.predict(heldout)
        except Exception as error:  # ONNX Runtime's errors share no base class
            raise BadChampion(f"the champion does not answer: {error}") from error
        if document.get("format", 1) == 1:  # whose temperature is not inside the model
            theirs = tempered(theirs, float(document.get("temperature", 1.0)))
        # index of each of the champion's classes among ours; -1 is never a label
        place = np.array([classes.index(n) if n in classes else -1 for n in names])
        ours = np.zeros((len(heldout), len(classes)), np.float32)
        ours[:, place[place >= 0]] = theirs[:, place >= 0]
        answers = place[theirs.argmax(axis=1)]
        if same_classes:
            unseen = ~np.isin(heldout.digests, champion.trained_rows)
            paired = compare(challenger_right[unseen], (answers == heldout.labels)[unseen])
    return ChampionResult(
        training_job=str(document["training_job"]),
        dataset_version=str(document["dataset_version"]),
        same_classes=same_classes,
        same_shape=same_shape,
        probabilities=ours,
        answers=answers,
        paired=paired,
    )


def _load(archive: Path) -> _Champion:
    if not archive.is_file():
        raise BadChampion("the champion channel has no model.tar.gz")
    with tempfile.TemporaryDirectory() as folder:
        try:
            with tarfile.open(archive, "r:gz") as tar:
                tar.extractall(folder, filter="data")
            root = Path(folder)
            return _Champion(
                document=json.loads((root / "model.json").read_text(encoding="utf-8")),
                model=OnnxModel(root / "model.onnx"),
                trained_rows=read_trained_rows(root / "trained_rows.bin"),
            )
        except Exception as error:
            # onnxruntime's errors share no base class, and tarfile, gzip and json have one each
            raise BadChampion(f"the champion's model.tar.gz cannot be read: {error}") from error
