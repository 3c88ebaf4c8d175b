"""Findings as a job hands them to its reports, without the minutes that training would take.

All numbers come from the judging's own code; only the network is left out, of which the reports
ask nothing but its size.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pigeonhole_training.data.rows import Origins, Pool, Rows
from pigeonhole_training.data.split import Split, split_rows
from pigeonhole_training.data.version import DatasetVersion, Shape, SourceFile
from pigeonhole_training.export.precision import Candidate, Choice
from pigeonhole_training.judging.calibrate import Calibration
from pigeonhole_training.judging.champion import ChampionResult
from pigeonhole_training.judging.document import evaluation_document
from pigeonhole_training.judging.evaluate import compare
from pigeonhole_training.recipe import Phase, Recipe
from pigeonhole_training.reports.findings import Findings
from pigeonhole_training.watching.observer import Epoch, Run


@dataclass(frozen=True)
class Network:
    """Stands for the trained model."""

    weights: int = 64_000

    def count_params(self) -> int:
        return self.weights


def pool(
    count: int,
    shape: tuple[int, int, int] = (8, 8, 1),
    classes: int = 3,
    seed: int = 0,
    path: str = "a_train.csv",
) -> Pool:
    """Noise with a bright line whose place is the class."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate(
        [np.arange(classes), rng.integers(0, classes, max(0, count - classes))]
    ).astype(np.int32)[:count]
    pixels = rng.integers(0, 60, (count, *shape), dtype=np.uint8)
    for image, label in zip(pixels, labels, strict=True):
        image[int(label) * shape[0] // classes] = 220
    origins = Origins((path,), np.zeros(count, np.int32), np.arange(1, count + 1))
    return Pool.of(pixels, labels, origins)


def split_of(training: Pool, test: Pool | None = None) -> Split:
    """As the job splits; without `test` a fifth is held out."""
    _, *shape = training.pixels.shape
    nothing = Pool.of(np.empty((0, *shape), np.uint8), np.empty(0, np.int32))
    return split_rows(training, nothing if test is None else test)


def answers_for(rows: Rows, classes: int, right: float = 0.9, seed: int = 0) -> NDArray[np.float32]:
    """Probabilities of a model that is right for about this share of `rows`."""
    rng = np.random.default_rng(seed)
    named = np.where(
        rng.random(len(rows)) < right, rows.labels, rng.integers(0, classes, len(rows))
    )
    scores = rng.random((len(rows), classes)) * 0.2
    scores[np.arange(len(rows)), named] += rng.random(len(rows)) * 2 * classes**0.5
    return (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)


def epochs_of(count: int = 4) -> tuple[Epoch, ...]:
    """Losses that fall."""
    return tuple(
        Epoch(i, 1 / i, 1 - 0.5 / i, 1.1 / i, 1 - 0.6 / i, 2e-3 / i, 1.5)
        for i in range(1, count + 1)
    )


def findings_of(
    split: Split,
    classes: tuple[str, ...],
    *,
    heldout: NDArray[np.float32] | None = None,
    validation: NDArray[np.float32] | None = None,
    champion: NDArray[np.float32] | None = None,
    dataset: str = "bars",
    epochs: tuple[Epoch, ...] | None = None,
    temperature: float = 1.3,
    **more: Any,
) -> Findings:
    """What a job would have found. `champion`: another model's probabilities of the held-out rows;
    for a champion that cannot be compared, replace it by `with_champion`."""
    heldout = answers_for(split.heldout, len(classes)) if heldout is None else heldout
    if validation is None:
        validation = answers_for(split.validation, len(classes), seed=1)
    epochs = epochs_of() if epochs is None else epochs
    files = (SourceFile("a_train.csv", 9, None, "train", rows=500, set_aside=(7, 8)),)
    version = DatasetVersion(
        dataset, "5f" * 32, files, Shape(*split.heldout.image_shape), classes, classes
    )
    run = Run(
        model=Network(),  # type: ignore[arg-type]
        recipe=Recipe("default", (Phase(max(len(epochs), 1), 2e-3),), batch_size=64),
        training=split.training,
        validation=split.validation,
        classes=classes,
        steps_per_epoch=10,
        backend="tensorflow",
        devices=("cpu:0",),
        hosts=1,
        precision="float32",
        rows_on_device=False,
    )
    found = Findings(
        training_job=f"pigeonhole-local-{dataset}-5f5f5f5f5f5f-2",
        code_version="c0ffee",
        version=version,
        split=split,
        run=run,
        epochs=epochs,
        best_epoch=min(epochs, key=lambda e: e.validation_loss).epoch if epochs else 0,
        heldout=heldout,
        validation=validation,
        evaluation={},
        **more,
    )
    if champion is None:
        return with_champion(found, None, temperature)
    own = heldout.argmax(axis=1) == split.heldout.labels
    answers = champion.argmax(axis=1)
    result = ChampionResult(
        training_job=f"pigeonhole-local-{dataset}-0123456789ab-1",
        dataset_version="cd" * 32,
        same_classes=True,
        same_shape=True,
        probabilities=champion,
        answers=answers,
        paired=compare(
            own, answers == split.heldout.labels, split.heldout.labels, found.version.classes
        ),
    )
    return with_champion(found, result, temperature)


def with_champion(
    findings: Findings, champion: ChampionResult | None, temperature: float = 1.3
) -> Findings:
    """The same, judged beside `champion`."""
    accuracy = float((findings.heldout.argmax(axis=1) == findings.split.heldout.labels).mean())
    speeds = {"1": 2100.0, "32": 4800.0}
    document = evaluation_document(
        training_job=findings.training_job,
        dataset_version=findings.version.version,
        classes=findings.classes,
        split=findings.split,
        heldout=findings.heldout,
        calibration=Calibration(temperature, len(findings.split.validation), "fitted"),
        choice=Choice(
            "none",
            "float32",
            "nothing else was asked for",
            (Candidate("float32", 268_210, accuracy, speeds),),
        ),
        champion=champion,
    )
    return replace(findings, evaluation=document, champion=champion)
