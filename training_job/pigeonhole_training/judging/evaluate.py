"""Judging predictions: accuracy, recall by class, and two models on the same rows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pigeonhole_training.data.rows import Labels


@dataclass(frozen=True)
class Score:
    """`recall` by class name; a class without held-out rows is not in it."""

    accuracy: float
    recall: dict[str, float]


@dataclass(frozen=True)
class Paired:
    """Two models on rows that neither was trained on; `difference` is challenger minus champion."""

    rows: int
    only_challenger_right: int
    only_champion_right: int
    difference: float
    standard_error: float


def score(right: NDArray[np.bool_], labels: Labels, classes: tuple[str, ...]) -> Score:
    """`right[i]`: was row `i` classified as `labels[i]`. There is at least one row."""
    recall = {
        name: round(float(right[labels == index].mean()), 6)
        for index, name in enumerate(classes)
        if (labels == index).any()
    }
    return Score(accuracy=round(float(right.mean()), 6), recall=recall)


def majority_share(labels: Labels) -> float:
    """The accuracy of always naming the commonest class of these rows."""
    return round(float(np.bincount(labels).max() / len(labels)), 6)


def compare(challenger_right: NDArray[np.bool_], champion_right: NDArray[np.bool_]) -> Paired:
    """The difference of two accuracies on the same rows, with its standard error.

    With b rows that only the challenger got right, c that only the champion did, and n rows, the
    difference is (b - c)/n and its variance (b + c - (b - c)²/n)/n², as for McNemar's test. The
    rows that both got right or wrong say nothing about which is better, which is why this is much
    sharper than comparing two accuracies. Without rows all is zero.
    """
    n = len(challenger_right)
    b = int((challenger_right & ~champion_right).sum())
    c = int((champion_right & ~challenger_right).sum())
    if n == 0:
        return Paired(0, 0, 0, 0.0, 0.0)
    difference = (b - c) / n
    error = math.sqrt(max(b + c - (b - c) ** 2 / n, 0.0)) / n
    return Paired(n, b, c, round(difference, 6), round(error, 6))
