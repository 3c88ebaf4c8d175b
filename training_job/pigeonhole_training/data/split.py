"""Which rows train, which choose the best epoch, and which judge.

Rows are told apart by the BLAKE2b digest of their pixel bytes, so that the same image always falls
on the same side, however often and in whichever file it is given.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pigeonhole_training.data.rows import Digests, Pool, Rows
from pigeonhole_training.errors import BadData

HELDOUT_BELOW = np.uint64(2**64 // 5)
VALIDATION_SHARE = 10  # one in ten of the training rows


@dataclass(frozen=True)
class Split:
    """The rows by what they are used for.

    `source` is "test files" or "split". `duplicates` training rows were taken out because the same
    image is held out.
    """

    training: Rows
    validation: Rows
    heldout: Rows
    source: str
    duplicates: int

    @property
    def seen(self) -> Digests:
        """The digests of `training` and `validation`: the model has seen both."""
        return np.concatenate([self.training.digests, self.validation.digests])


def split_rows(given: Pool, test_pool: Pool) -> Split:
    """Holds out the rows of test files, or without any a fifth of all by content.

    Raises BadData when nothing is left to train on or to judge by.
    """
    train, test = given.rows(), test_pool.rows()
    digests = train.digests
    if len(test):
        source, heldout = "test files", test
        seen_in_test = np.isin(digests, test.digests)
        duplicates = int(seen_in_test.sum())
        keep = ~seen_in_test
    else:
        source, duplicates = "split", 0
        keep = digests >= HELDOUT_BELOW
        heldout = train.where(~keep)
    if not len(heldout):
        raise BadData(f"no row of {len(train)} is held out to judge by: add rows or a test file")
    if not keep.any():
        raise BadData("no training row is left that is not also held out")
    fit_on, digests = train.where(keep), digests[keep]
    # The low digits are independent of the high ones that `HELDOUT_BELOW` looks at.
    chosen = digests % np.uint64(VALIDATION_SHARE) == 0
    if not chosen.any() or chosen.all():
        # So few rows that a tenth of them is none: the epoch is chosen by the training rows.
        return Split(fit_on, fit_on, heldout, source, duplicates)
    return Split(fit_on.where(~chosen), fit_on.where(chosen), heldout, source, duplicates)
