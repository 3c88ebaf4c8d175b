"""What a split left out or found odd, in sentences for people."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pigeonhole_training.data.duplicates import Twins
from pigeonhole_training.data.sentences import counted, some
from pigeonhole_training.data.split import Split

NAMED = 5  # rows or classes in a sentence


def split_notes(split: Split, classes: tuple[str, ...]) -> list[str]:
    """None for data without surprises."""
    return [*_twins(split, classes), *_classes(split, classes)]


def _twins(split: Split, classes: tuple[str, ...]) -> Iterator[str]:
    for twins, one, several in (
        (
            split.both_sides,
            "training row was left out because its image is held out too",
            "training rows were left out because their images are held out too",
        ),
        (
            split.validated_too,
            "training row was left out because a validation file has its image",
            "training rows were left out because validation files have their images",
        ),
        (
            split.judged_too,
            "validation row was left out because its image is held out too",
            "validation rows were left out because their images are held out too",
        ),
        (
            split.repeated,
            "training row shows an image that stands before it; it is kept",
            "training rows show an image that stands before them; they are kept",
        ),
    ):
        if len(twins):
            yield f"{counted(len(twins), one, several)}: {_pairs(twins)}"
    odd = [
        twins.contradicting
        for twins in (
            split.both_sides,
            split.validated_too,
            split.judged_too,
            split.repeated,
            split.repeated_heldout,
        )
    ]
    if count := sum(map(len, odd)):
        first = next(twins for twins in odd if len(twins))
        sentence = counted(
            count,
            "row shows an image that has another label elsewhere",
            "rows show images that have another label elsewhere",
        )
        yield f"{sentence}: {_pairs(first, classes)}"


def _pairs(twins: Twins, classes: tuple[str, ...] | None = None) -> str:
    def name(rows: int, of: Twins, other: bool) -> str:
        side = of.others if other else of.rows
        origin = side.origin(rows) or f"row {int(side.positions[rows]) + 1}"
        return origin if classes is None else f"{origin} ({classes[side.labels[rows]]})"

    shown = [
        f"{name(i, twins, False)} = {name(i, twins, True)}" for i in range(min(NAMED, len(twins)))
    ]
    return "; ".join(shown) + ("; …" if len(twins) > NAMED else "")


def _classes(split: Split, classes: tuple[str, ...]) -> Iterator[str]:
    def images(labels: np.ndarray, digests: np.ndarray) -> list[int]:
        return [len(np.unique(digests[labels == index])) for index in range(len(classes))]

    trained = images(split.training.labels, split.training.digests)
    judged = images(split.heldout.labels, split.heldout.digests)
    for counts, sentence in (
        ([n == 0 for n in trained], "No training rows for"),
        ([n == 1 for n in trained], "One image alone to train on for"),
        (
            [n == 0 for n in judged],
            "No held-out rows, so nothing is known of how well it does, for",
        ),
    ):
        if names := [name for name, hit in zip(classes, counts, strict=True) if hit]:
            yield f"{sentence}: {some(names, NAMED)}"
