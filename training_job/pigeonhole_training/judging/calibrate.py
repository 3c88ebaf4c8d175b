"""Calibration: probabilities that mean what they say.

Of the rows that a calibrated model answers with probability 0.8, eight in ten are right. Networks
that fit their training rows closely promise more than that. Dividing the logits by one number, the
temperature, puts most of it right and changes no answer (Guo et al., "On Calibration of Modern
Neural Networks", ICML 2017). Plain NumPy: the backend has nothing to do with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pigeonhole_training.data.rows import Labels, Probabilities

LOWEST, HIGHEST = 0.2, 10.0
BINS = 15  # as Guo et al.
TINY = float(np.finfo(np.float32).tiny)  # a probability of 0 is one that float32 could not hold
MOST_VALUES = 20_000_000  # rows x classes that the fit looks at: 160 MB an array


@dataclass(frozen=True)
class Calibration:
    """`temperature` was fitted on `rows` rows; `reason` is a sentence for people."""

    temperature: float
    rows: int
    reason: str


@dataclass(frozen=True)
class Bin:
    """The rows whose answer has a probability above `low`, up to `high`. `confidence` is their mean
    probability, `accuracy` the share that is right; both None without rows."""

    low: float
    high: float
    rows: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Reliability:
    """`log_loss` is the mean of -ln(probability of the true class); `ece` the mean distance of a
    row's bin from its accuracy (expected calibration error, Naeini et al., AAAI 2015)."""

    log_loss: float
    ece: float
    bins: tuple[Bin, ...]


def fit_temperature(probabilities: Probabilities, labels: Labels) -> Calibration:
    """The temperature that makes `probabilities` `(N, classes)` of held-out rows likeliest.

    A model that makes no mistake on them would ask for certainty, which no number of rows proves.
    So one row more is counted on which the model is wrong and its second choice right (the targets
    of Platt, "Probabilistic outputs for support vector machines", 1999). A temperature must
    also explain the rows by more than chance lets any one parameter do (1 nat: Akaike's criterion);
    else it is 1.
    """
    count, classes = probabilities.shape
    step = max(1, -(-count * classes // MOST_VALUES))
    logs = _logs(probabilities[::step])
    labels = labels[::step]
    rows = len(logs)
    if rows == 0:
        return Calibration(1.0, 0, "no rows were held out to fit a temperature on")
    true = logs[np.arange(rows), labels]
    others = logs.copy()
    others[np.arange(rows), labels] = -np.inf
    target = true + (others.max(axis=1) - true) / (rows + 2)

    def loss(temperature: float) -> float:
        scaled = logs / temperature
        top = scaled.max(axis=1)
        normaliser = top + np.log(np.exp(scaled - top[:, np.newaxis]).sum(axis=1))
        return float((normaliser - target / temperature).sum())

    # The loss is convex in 1/T, so that it has one minimum in T too.
    from scipy.optimize import minimize_scalar  # noqa: PLC0415

    found = minimize_scalar(
        lambda s: loss(float(np.exp(s))),
        bounds=(np.log(LOWEST), np.log(HIGHEST)),
        method="bounded",
        options={"xatol": 1e-4},
    )
    temperature = round(float(np.exp(found.x)), 4)
    gain = loss(1.0) - loss(temperature)
    if not gain > 1:
        reason = f"{rows} rows do not show that another temperature than 1 is better"
        return Calibration(1.0, rows, reason)
    fault = "sure of itself" if temperature > 1 else "unsure of itself"
    reason = f"the model was too {fault} on {rows} rows that it was not fitted to"
    return Calibration(temperature, rows, reason)


def tempered(probabilities: Probabilities, temperature: float) -> Probabilities:
    """softmax(logits / temperature), from softmax(logits)."""
    if temperature == 1.0:
        return probabilities
    out = np.empty_like(probabilities)
    size = max(1, MOST_VALUES // probabilities.shape[1])
    for start in range(0, len(probabilities), size):
        scaled = _logs(probabilities[start : start + size]) / temperature
        powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        out[start : start + size] = powers / powers.sum(axis=1, keepdims=True)
    return out


def reliability(probabilities: Probabilities, labels: Labels, bins: int = BINS) -> Reliability:
    """How far `probabilities` `(N, classes)` can be believed, on rows of these `labels`."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    of_truth = probabilities[np.arange(len(labels)), labels]
    # (0, 1/15] is bin 0: a bin holds its upper edge
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    counts = np.bincount(place, minlength=bins)
    promised = np.bincount(place, confidence, bins)
    kept = np.bincount(place, right, bins)
    ece = np.abs(promised - kept).sum() / max(1, len(labels))
    return Reliability(
        log_loss=round(float(abs(_logs(of_truth).mean())), 6),  # never -0.0
        ece=round(float(ece), 6),
        bins=tuple(
            Bin(
                low=round(i / bins, 4),
                high=round((i + 1) / bins, 4),
                rows=int(counts[i]),
                confidence=round(float(promised[i] / counts[i]), 6) if counts[i] else None,
                accuracy=round(float(kept[i] / counts[i]), 6) if counts[i] else None,
            )
            for i in range(bins)
        ),
    )


def _logs(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.log(np.maximum(probabilities, TINY, dtype=np.float64))
