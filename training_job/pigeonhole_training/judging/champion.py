"""The champion: the model that is live now, judged on the rows held out from the challenger."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pigeonhole_training.data.rows import Probabilities, Rows
from pigeonhole_training.errors import BadChampion
from pigeonhole_training.judging.evaluate import Paired, compare
from pigeonhole_training.judging.served_model import ServedModel, load_served


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


def judge_champion(
    folder: Path, heldout: Rows, challenger_right: NDArray[np.bool_], classes: tuple[str, ...]
) -> ChampionResult:
    """Runs the champion in `folder/model.tar.gz` on `heldout`.

    Classes are matched by name: their order may differ, and a class that the champion does not
    know it gets wrong. It answers all held-out rows; the paired comparison is over those that it
    was not trained on. Raises BadChampion when the archive cannot be used.
    """
    champion = load_served(folder, "champion")
    try:
        return _judge(champion, heldout, challenger_right, classes)
    except (LookupError, TypeError, ValueError) as error:
        raise BadChampion(f"the champion's model.json is not as expected: {error!r}") from error


def _judge(
    champion: ServedModel,
    heldout: Rows,
    challenger_right: NDArray[np.bool_],
    classes: tuple[str, ...],
) -> ChampionResult:
    same_classes = set(champion.classes) == set(classes)
    found, paired = None, None
    if champion.image_shape == heldout.image_shape:
        found = champion.answer(heldout, classes)
        if same_classes:
            unseen = champion.unseen(heldout)
            right = found.answers == heldout.labels
            paired = compare(
                challenger_right[unseen], right[unseen], heldout.labels[unseen], classes
            )
    return ChampionResult(
        training_job=str(champion.document["training_job"]),
        dataset_version=str(champion.document["dataset_version"]),
        same_classes=same_classes,
        same_shape=found is not None,
        probabilities=None if found is None else found.probabilities,
        answers=None if found is None else found.answers,
        paired=paired,
    )
