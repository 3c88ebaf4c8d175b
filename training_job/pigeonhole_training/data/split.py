"""Which rows train, which choose the best epoch, and which judge.

A row's side follows from its image alone: from the BLAKE2b digest of its pixels. So the same image
falls on the same side however often, in whichever file and under whichever label it is given, and
stays there when rows are added or taken away. The digests' values are as good as random, so each
class has about a fifth of its rows held out: of n rows, with 95 % probability, a fifth give or take
0.8 / sqrt(n) (100 rows: 12 to 28 %; 6,000: 19 to 21 %). No quota makes that exact, because
under a quota rows change sides as data comes.

A class of few rows may have all of them fall on one side. Where a class has at least `HANDFUL`
different images and none is held out, its image of the lowest digest is; where all of them would
be, the one of the highest digest trains. These images alone may change sides: they go back to their
own as soon as their class has another there by its digest. (That a class of 30 rows needs this
happens once in 800 times.) What is held out and what is not is all that comparisons between models
depend on. Among the rest, the rows that choose the best epoch are found in the same way by another
part of the digest: about a tenth of each class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pigeonhole_training.data.duplicates import NO_TWINS, Twins, repeated, twins
from pigeonhole_training.data.rows import Digests, Labels, Pool, Rows
from pigeonhole_training.errors import BadData

HELDOUT_BELOW = np.uint64(2**64 // 5)
VALIDATION_BELOW = np.uint64(2**64 // 10)  # of the rows that are not held out
HANDFUL = 5  # different images from which a class has some on each side


@dataclass(frozen=True)
class Split:
    """The rows by what they are used for.

    `source` is "test files" or "split". With very few rows `validation` is `training` itself.

    `both_sides` are the training rows that were taken out because the same image is held out, each
    with a held-out row; `validated_too` those that were taken out because validation files have
    the image; `judged_too` are the rows of validation files that were taken out because the image
    is held out. `repeated` are rows to train on (or to choose by, where no files are for that)
    whose image stands before them, `repeated_heldout` the same among the held-out rows: they stay.
    An image under two labels is found in any of these by `Twins.contradicting`.
    """

    training: Rows
    validation: Rows
    heldout: Rows
    source: str
    both_sides: Twins = NO_TWINS
    validated_too: Twins = NO_TWINS
    judged_too: Twins = NO_TWINS
    repeated: Twins = NO_TWINS
    repeated_heldout: Twins = NO_TWINS

    @property
    def duplicates(self) -> int:
        """Training rows that were taken out because the same image is held out."""
        return len(self.both_sides)

    @property
    def seen(self) -> Digests:
        """The digests of `training` and `validation`: the model has seen both."""
        return np.concatenate([self.training.digests, self.validation.digests])


def split_rows(given: Pool, test_pool: Pool, validation_pool: Pool | None = None) -> Split:
    """Holds out the rows of test files, or without any about a fifth of all.

    The epoch is chosen by the rows of validation files, or without any by about a tenth of those
    that train. An image that is held out neither trains nor chooses, and one that chooses does not
    train. Raises BadData when nothing is left to train on or to judge by, or nothing to tell apart.
    """
    train, test = given.rows(), test_pool.rows()
    _check_images(train)
    both_sides = validated_too = judged_too = NO_TWINS
    if len(test):
        source, heldout = "test files", test
        both_sides, train = twins(train, test)
        if not len(train):
            raise BadData("no training row is left that is not also held out")
    else:
        source = "split"
        out = chosen(train.digests, HELDOUT_BELOW, train.labels)
        heldout, train = train.where(out), train.where(~out)
    if not len(heldout):
        raise BadData(f"no row of {len(train)} is held out to judge by: add rows or a test file")
    if not len(train):
        raise BadData("no training row is left that is not also held out")
    validation = None if validation_pool is None else validation_pool.rows()
    if validation is not None and len(validation):
        judged_too, validation = twins(validation, heldout)
        validated_too, train = twins(train, validation)
        if not len(train):
            raise BadData("no training row is left that is not also among the validation files")
    if validation is None or not len(validation):
        train, validation = _validation(train)
    _check_classes(train)
    fitted = train
    if validation.pool is train.pool:
        fitted = Rows(train.pool, np.union1d(train.positions, validation.positions))
    return Split(
        training=train,
        validation=validation,
        heldout=heldout,
        source=source,
        both_sides=both_sides,
        validated_too=validated_too,
        judged_too=judged_too,
        repeated=repeated(fitted),
        repeated_heldout=repeated(heldout),
    )


def _validation(train: Rows) -> tuple[Rows, Rows]:
    # Turned by half its length, a digest's value is independent of what `HELDOUT_BELOW` looked at.
    half = np.uint64(32)
    turned = (train.digests << half) | (train.digests >> half)
    out = chosen(turned, VALIDATION_BELOW, train.labels)
    if not out.any() or out.all():
        # So few rows that a tenth of them is none: the epoch is chosen by the training rows.
        return train, train
    return train.where(~out), train.where(out)


def chosen(values: Digests, below: np.uint64, labels: Labels) -> NDArray[np.bool_]:
    """Which rows fall on the smaller side: bool `(N,)`.

    `values` are uint64 `(N,)`, the same for the same image, evenly spread; those under `below` are
    chosen, but for what the module's text says of classes with few rows.
    """
    out = values < below
    for label in np.unique(labels):
        rows = labels == label
        images = np.unique(values[rows])
        if len(images) < HANDFUL:
            continue
        # By image, not by row: one image under two labels is on one side.
        if not out[rows].any():
            out |= values == images[0]
        elif out[rows].all():
            out &= values != images[-1]
    return out


def _check_images(rows: Rows) -> None:
    if not len(rows):
        raise BadData("there is no row to train on")
    if len(np.unique(rows.digests)) == 1:
        raise BadData(
            f"all {len(rows):,} rows to train on show the same image: there is nothing to learn. "
            "Look how the files were written"
        )


def _check_classes(train: Rows) -> None:
    if len(np.unique(train.labels)) < 2:
        raise BadData(
            "the rows that are left to train on are all of one class: there is nothing to tell "
            "apart. Add rows of another"
        )
