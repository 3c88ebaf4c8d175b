"""Rows that may be wrong: outliers, and labels that model or neighbours do not believe.

- Likely label errors: confident learning. C. Northcutt, L. Jiang, I. Chuang, "Confident Learning:
  Estimating Uncertainty in Dataset Labels", JAIR 70 (2021). It needs probabilities of rows that
  the model was not fitted on.
- Outliers: the distance to the k-th nearest neighbour. S. Ramaswamy, R. Rastogi, K. Shim,
  "Efficient Algorithms for Mining Outliers from Large Data Sets", SIGMOD 2000. Here over the median
  of the row's class, as some classes vary more than others.
- Training rows whose neighbours all bear another label: after D. Wilson, "Asymptotic Properties of
  Nearest Neighbor Rules Using Edited Data", IEEE Trans. SMC 2 (1972).

Neighbours are found by pixels (shrunk to at most 32x32, 32 principal components) in a sample of at
most `NEIGHBOUR_ROWS` rows: seconds, and some 100 MB, however large the data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pigeonhole_training.data.rows import Labels, Pixels, Probabilities
from pigeonhole_training.reports.sides import Sides

NEIGHBOUR_ROWS = 10_000
NEIGHBOUR_BYTES = 384 * 2**20  # of pixels that are read for it
SIDE, COMPONENTS, NEIGHBOURS = 32, 32, 10
MOST_VALUES = 10_000_000  # rows x classes at a time
OUTLIER_FACTOR = 2.0  # times the class' median distance
TRUSTED_NEIGHBOURS = 0.8  # neighbours' vote must be right this often to say anything of labels


@dataclass(frozen=True)
class LabelErrors:
    """Rows that are likely to bear a wrong label, the likeliest first.

    `rows` are positions among the rows that were given, `suggested` the class that the model sees
    instead; `margin` is p(label) - p(suggested), from -1 (surely wrong) to 0.
    """

    rows: NDArray[np.int64]
    suggested: Labels
    margin: NDArray[np.float64]


def label_errors(probabilities: Probabilities, labels: Labels) -> LabelErrors:
    """Confident learning's off-diagonal rows, ranked by normalized margin.

    A class' threshold is the mean probability of that class over the rows that bear its label. A
    row counts towards the class of largest probability among those whose threshold it reaches; if
    that is not its label, it is a likely error. `probabilities` float `(N, classes)` of rows that
    the model was not fitted on.
    """
    count = probabilities.shape[1]
    rows = np.arange(len(labels))
    own = probabilities[rows, labels].astype(np.float64)
    known = np.bincount(labels, minlength=count)
    thresholds = np.full(count, np.inf)  # a class that no row bears is nobody's
    present = known > 0
    thresholds[present] = np.bincount(labels, own, count)[present] / known[present]
    best = np.empty(len(labels), np.int32)
    reached = np.empty(len(labels), bool)
    step = max(1, MOST_VALUES // count)
    for start in range(0, len(labels), step):
        some = slice(start, start + step)
        confident = np.where(probabilities[some] >= thresholds, probabilities[some], -1.0)
        best[some] = confident.argmax(axis=1)
        reached[some] = confident.max(axis=1) >= 0
    found = np.flatnonzero(reached & (best != labels))
    # a tie between own and other class is no evidence
    margin = own[found] - probabilities[found, best[found]]
    keep = margin < 0
    found, margin = found[keep], margin[keep]
    order = np.argsort(margin, kind="stable")
    return LabelErrors(found[order], best[found[order]], margin[order])


@dataclass(frozen=True)
class Neighbourhood:
    """What the nearest neighbours in a sample say. Numbers are those of `Sides`.

    `outliers` are the farthest from their neighbours, `factor` how many times their class' median;
    `doubted` training rows have neighbours of one other class, `suggested`, alone. `agreement` is
    how often the neighbours' vote is the row's label; where it is below `TRUSTED_NEIGHBOURS`
    nothing is doubted.
    """

    looked_at: int
    outliers: NDArray[np.int64]
    factor: NDArray[np.float64]
    doubted: NDArray[np.int64]
    suggested: Labels
    agreement: float


def neighbourhood(sides: Sides, most: int = NEIGHBOUR_ROWS) -> Neighbourhood:
    """Looks at up to `most` rows of all sides."""
    from sklearn.decomposition import PCA  # noqa: PLC0415 - a second
    from sklearn.neighbors import NearestNeighbors  # noqa: PLC0415

    affordable = NEIGHBOUR_BYTES // int(np.prod(sides.rows[0].image_shape))
    # each image once: a copy would be its own nearest neighbour
    _, first = np.unique(sides.digests, return_index=True)
    sample = np.sort(first)
    if len(sample) > min(most, affordable):
        chosen = np.random.default_rng(0).choice(len(sample), min(most, affordable), replace=False)
        sample = sample[np.sort(chosen)]
    nothing = np.zeros(0, np.int64)
    if len(sample) <= NEIGHBOURS:
        return Neighbourhood(len(sample), nothing, np.zeros(0), nothing, np.zeros(0, np.int32), 0.0)
    features = _features(sides, sample)
    components = min(COMPONENTS, *features.shape)
    reduced = PCA(components, svd_solver="randomized", random_state=0).fit_transform(features)
    search = NearestNeighbors(n_neighbors=NEIGHBOURS, algorithm="brute").fit(reduced)
    distances, neighbours = search.kneighbors()
    labels = sides.labels[sample]

    farthest = distances[:, -1].astype(np.float64)
    medians = np.zeros(labels.max() + 1)
    for label in np.unique(labels):
        medians[label] = np.median(farthest[labels == label])
    typical = np.maximum(medians[labels], 1e-9 + 0.1 * np.median(farthest))
    factor = farthest / typical
    far = np.flatnonzero(factor > OUTLIER_FACTOR)
    far = far[np.argsort(-factor[far], kind="stable")]

    votes = labels[neighbours]
    first_vote = votes[:, 0]
    unanimous = (votes == first_vote[:, None]).all(axis=1)
    tally = np.zeros((len(sample), len(medians)), np.uint8)
    np.add.at(tally, (np.arange(len(sample))[:, None], votes), 1)
    agreement = float((tally.argmax(axis=1) == labels).mean())
    in_training = sample < len(sides.rows[0])
    doubted = np.flatnonzero(unanimous & (first_vote != labels) & in_training)
    if agreement < TRUSTED_NEIGHBOURS:
        doubted = nothing
    doubted = doubted[np.argsort(distances[doubted].mean(axis=1), kind="stable")]
    return Neighbourhood(
        looked_at=len(sample),
        outliers=sample[far],
        factor=factor[far],
        doubted=sample[doubted],
        suggested=first_vote[doubted].astype(np.int32),
        agreement=agreement,
    )


def _features(sides: Sides, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
    """float32 `(N, values)`: the pixels, block means where images are larger than `SIDE`."""
    step = max(1, 2**24 // int(np.prod(sides.rows[0].image_shape)))
    parts = [_shrunk(sides.take(numbers[i : i + step])) for i in range(0, len(numbers), step)]
    return np.concatenate(parts)


def _shrunk(pixels: Pixels) -> NDArray[np.float32]:
    out = pixels.astype(np.float32)
    for axis in (1, 2):
        length = out.shape[axis]
        if length > SIDE:
            edges = np.linspace(0, length, SIDE, endpoint=False).astype(int)
            widths = np.diff([*edges, length]).reshape([-1 if a == axis else 1 for a in range(4)])
            out = np.add.reduceat(out, edges, axis=axis) / widths
    return out.reshape(len(out), -1).astype(np.float32)
