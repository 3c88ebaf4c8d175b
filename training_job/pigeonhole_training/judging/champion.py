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

from pigeonhole_training.data.rows import Digests, Rows
from pigeonhole_training.data.version import DatasetVersion
from pigeonhole_training.errors import BadChampion
from pigeonhole_training.export.artifact import read_trained_rows
from pigeonhole_training.export.onnx_model import OnnxModel
from pigeonhole_training.judging.evaluate import Paired, Score, compare, score


@dataclass(frozen=True)
class ChampionResult:
    """`score` is None when the champion takes images of another shape; `paired` also when it
    knows other classes."""

    training_job: str
    dataset_version: str
    same_classes: bool
    same_shape: bool
    score: Score | None
    paired: Paired | None


@dataclass(frozen=True)
class _Champion:
    document: dict[str, Any]
    model: OnnxModel
    trained_rows: Digests


def judge_champion(
    folder: Path, heldout: Rows, challenger_right: NDArray[np.bool_], version: DatasetVersion
) -> ChampionResult:
    """Runs the champion in `folder/model.tar.gz` on `heldout`.

    Classes are matched by name: their order may differ, and a class that the champion does not
    know it gets wrong. Its score is over all held-out rows, the paired comparison over those that
    it was not trained on. Raises BadChampion when the archive cannot be used.
    """
    champion = _load(folder / "model.tar.gz")
    try:
        return _judge(champion, heldout, challenger_right, version)
    except (KeyError, TypeError, ValueError) as error:
        raise BadChampion(f"the champion's model.json is not as expected: {error!r}") from error


def _judge(
    champion: _Champion,
    heldout: Rows,
    challenger_right: NDArray[np.bool_],
    version: DatasetVersion,
) -> ChampionResult:
    document, taken = champion.document, champion.document["input"]
    names = tuple(document["classes"])
    shape = version.shape
    same_classes = set(names) == set(version.classes)
    same_shape = (taken["height"], taken["width"], taken["channels"]) == (
        shape.height,
        shape.width,
        shape.channels,
    )
    own_score, paired = None, None
    if same_shape:
        # index of each of the champion's classes among ours; -1 is never a label
        ours = np.array([version.classes.index(n) if n in version.classes else -1 for n in names])
        right = ours[champion.model.predict(heldout).argmax(axis=1)] == heldout.labels
        own_score = score(right, heldout.labels, version.classes)
        if same_classes:
            unseen = ~np.isin(heldout.digests, champion.trained_rows)
            paired = compare(challenger_right[unseen], right[unseen])
    return ChampionResult(
        training_job=str(document["training_job"]),
        dataset_version=str(document["dataset_version"]),
        same_classes=same_classes,
        same_shape=same_shape,
        score=own_score,
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
