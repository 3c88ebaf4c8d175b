"""Judging predictions: accuracy with its interval, each class, confusions, two models compared."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pigeonhole_training.data.rows import Labels, Probabilities

CONFIDENCE = 1.959964  # standard errors: 95 %
TOP = 5  # answers; with up to twice as many classes that says nothing
COUNTED_CLASSES = 200  # a square of more is a megabyte that nobody reads
COMMONEST = 20


@dataclass(frozen=True)
class Score:
    """`interval` is that of the accuracy, 95 %. `recall`, `precision` and `f1` are by class name: a
    class without held-out rows has no recall and no f1, one that was never answered no precision.
    `macro_f1` is the mean of `f1`."""

    accuracy: float
    interval: tuple[float, float]
    recall: dict[str, float]
    precision: dict[str, float]
    f1: dict[str, float]
    macro_f1: float


@dataclass(frozen=True)
class Confusion:
    """`rows` rows of class `truth` were answered `answer`."""

    truth: str
    answer: str
    rows: int


@dataclass(frozen=True)
class PairedClass:
    """The rows of one class among `Paired`'s."""

    rows: int
    only_challenger_right: int
    only_champion_right: int


@dataclass(frozen=True)
class Paired:
    """Two models on rows that neither was trained on; `difference` is challenger minus champion.

    `classes` has no entry for a class without such rows.
    """

    rows: int
    only_challenger_right: int
    only_champion_right: int
    difference: float
    standard_error: float
    classes: dict[str, PairedClass]


def score(answers: NDArray[np.integer], labels: Labels, classes: tuple[str, ...]) -> Score:
    """`answers[i]` is the class that row `i` of class `labels[i]` was given; -1 is none of ours.

    There is at least one row.
    """
    size = len(classes)
    right = answers == labels
    truths = np.bincount(labels, minlength=size)
    hits = np.bincount(labels[right], minlength=size)
    given = np.bincount(answers[answers >= 0], minlength=size)
    f1 = {
        name: round(float(2 * hits[i] / (truths[i] + given[i])), 6)
        for i, name in enumerate(classes)
        if truths[i]
    }
    return Score(
        accuracy=round(float(right.mean()), 6),
        interval=wilson_interval(int(right.sum()), len(right)),
        recall=_shares(hits, truths, classes),
        precision=_shares(hits, given, classes),
        f1=f1,
        macro_f1=round(math.fsum(f1.values()) / len(f1), 6),
    )


def _shares(
    part: NDArray[np.integer], whole: NDArray[np.integer], classes: tuple[str, ...]
) -> dict[str, float]:
    return {name: round(float(part[i] / whole[i]), 6) for i, name in enumerate(classes) if whole[i]}


def wilson_interval(hits: int, rows: int) -> tuple[float, float]:
    """Where the true share lies with 95 % confidence if `hits` of `rows` (at least 1) were right.

    It stays within 0 and 1 and is sound for few rows and shares near 1, where accuracy ± 2
    standard errors is not (Wilson, Journal of the American Statistical Association 22, 1927).
    """
    share, z2 = hits / rows, CONFIDENCE**2
    middle = share + z2 / (2 * rows)
    reach = CONFIDENCE * math.sqrt(share * (1 - share) / rows + z2 / (4 * rows**2))
    scale = 1 + z2 / rows
    return round((middle - reach) / scale, 6), round((middle + reach) / scale, 6)


def top_accuracy(probabilities: Probabilities, labels: Labels, top: int = TOP) -> float | None:
    """The share of rows whose class is among the `top` likeliest; None with few classes, where it
    says nothing."""
    if probabilities.shape[1] <= 2 * top:
        return None
    of_truth = probabilities[np.arange(len(labels)), labels]
    ahead = (probabilities > of_truth[:, np.newaxis]).sum(axis=1)
    return round(float((ahead < top).mean()), 6)


def confusion_matrix(answers: NDArray[np.integer], labels: Labels, size: int) -> NDArray[np.int64]:
    """`(size, size)`: how many rows of class t were answered a, at [t, a]."""
    flat = np.bincount(labels.astype(np.int64) * size + answers, minlength=size * size)
    return flat.reshape(size, size).astype(np.int64)


def commonest_confusions(
    counts: NDArray[np.int64], classes: tuple[str, ...], limit: int = COMMONEST
) -> list[Confusion]:
    """The mistakes that happen most, the commonest first."""
    mistakes = counts.copy()
    np.fill_diagonal(mistakes, 0)
    order = np.argsort(-mistakes, axis=None, kind="stable")[:limit]
    pairs = [divmod(int(place), len(classes)) for place in order]
    return [
        Confusion(classes[t], classes[a], int(mistakes[t, a])) for t, a in pairs if mistakes[t, a]
    ]


def most_wrong(probabilities: Probabilities, labels: Labels, limit: int) -> NDArray[np.int64]:
    """The rows whose true class was thought least likely, the worst first; mistakes alone."""
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    order = np.argsort(probabilities[wrong, labels[wrong]], kind="stable")
    return wrong[order][:limit]


def majority_share(labels: Labels) -> float:
    """The accuracy of always naming the commonest class of these rows."""
    return round(float(np.bincount(labels).max() / len(labels)), 6)


def compare(
    challenger_right: NDArray[np.bool_],
    champion_right: NDArray[np.bool_],
    labels: Labels,
    classes: tuple[str, ...],
) -> Paired:
    """The difference of two accuracies on the same rows, with its standard error.

    With b rows that only the challenger got right, c that only the champion did, and n rows, the
    difference is (b - c)/n and its variance (b + c - (b - c)²/n)/n², as for McNemar's test. The
    rows that both got right or wrong say nothing about which is better, which is why this is much
    sharper than comparing two accuracies. Without rows all is zero.
    """
    n = len(labels)
    size = len(classes)
    rows = np.bincount(labels, minlength=size)
    challenger_only = np.bincount(labels[challenger_right & ~champion_right], minlength=size)
    champion_only = np.bincount(labels[champion_right & ~challenger_right], minlength=size)
    by_class = {
        name: PairedClass(int(rows[i]), int(challenger_only[i]), int(champion_only[i]))
        for i, name in enumerate(classes)
        if rows[i]
    }
    b, c = int(challenger_only.sum()), int(champion_only.sum())
    if n == 0:
        return Paired(0, 0, 0, 0.0, 0.0, {})
    difference = (b - c) / n
    error = math.sqrt(max(b + c - (b - c) ** 2 / n, 0.0)) / n
    return Paired(n, b, c, round(difference, 6), round(error, 6), by_class)
