"""The order of rows follows from seed and epoch, and every row has its turn."""

from __future__ import annotations

import numpy as np
import pytest
from pigeonhole_training.fitting.order import Order


@pytest.mark.parametrize(("rows", "batch"), [(72, 16), (64, 16), (5, 16), (1, 1), (17, 16)])
def test_every_row_comes_in_batches_of_one_size(rows: int, batch: int) -> None:
    order = Order.of(rows, batch, seed=3)
    epoch = order.epoch(0)
    assert epoch.shape == (-(-rows // batch), min(batch, rows)) == (order.steps, order.batch)
    counts = np.bincount(epoch.ravel(), minlength=rows)
    assert counts.min() == 1
    assert counts.sum() - rows < order.batch  # only the last batch is filled up


def test_the_same_seed_and_epoch_give_the_same_order_and_no_other_does() -> None:
    def of(seed: int, epoch: int) -> bytes:
        return Order.of(500, 50, seed).epoch(epoch).tobytes()

    assert of(3, 1) == of(3, 1)
    assert len({of(3, 0), of(3, 1), of(4, 0), of(4, 1)}) == 4


def test_a_batch_divides_among_devices() -> None:
    order = Order.of(72, 16, seed=0, shares=3)
    assert order.batch == 18
    assert Order.of(1, 16, seed=0, shares=2).epoch(0).tolist() == [[0, 0]]
