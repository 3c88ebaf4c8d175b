"""How rows come to the devices, and how the network is asked about many of them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from pigeonhole_training.data.rows import Pixels, Probabilities, Rows
from pigeonhole_training.fitting.engine import Forward, HostBatch

T = TypeVar("T")

AHEAD = 3  # batches that wait to be used
PREDICT_ROWS = 512
PREDICT_BYTES = 64 << 20  # of float32 pixels in a batch


class Prefetched(Generic[T]):
    """Iterates over `items`, which a thread of its own makes a few ahead of their use.

    What making them raises is raised where they are used. `close` ends the thread.
    """

    def __init__(self, items: Iterable[T]) -> None:
        self._queue: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(AHEAD)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._make, args=(iter(items),), daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        item, error = self._queue.get()
        if error is not None:
            self._over.set()
            raise error
        return item  # type: ignore[return-value]

    def close(self) -> None:
        """Ends the thread; nothing more is to be asked for."""
        self._over.set()
        self._thread.join()

    def _make(self, items: Iterator[T]) -> None:
        try:
            for item in items:
                if not self._put(item, None):
                    return
            self._put(None, StopIteration())
        except BaseException as error:  # raised where the items are used
            self._put(None, error)

    def _put(self, item: T | None, error: BaseException | None) -> bool:
        while not self._over.is_set():
            try:
                self._queue.put((item, error), timeout=0.1)
            except queue.Full:
                continue
            return True
        return False


class Plain(Generic[T]):
    """Iterates over `items` as they are asked for; `close` as `Prefetched` has it."""

    def __init__(self, items: Iterable[T]) -> None:
        self._items = iter(items)

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        return next(self._items)

    def close(self) -> None:
        """Nothing is under way."""


def batches(
    rows: Rows, order: NDArray[np.int32], on_device: bool, prefetched: bool
) -> Prefetched[HostBatch] | Plain[HostBatch]:
    """The batches at `order` (int32 `(steps, batch)`, positions among `rows`)."""
    if on_device:
        return Plain(HostBatch(positions) for positions in order)
    labels = rows.labels
    read = (HostBatch(p, rows.take(p), labels[p]) for p in order)
    return Prefetched(read) if prefetched else Plain(read)


def predict(forward: Forward, rows: Rows, classes: int, check: Callable[[], None]) -> Probabilities:
    """float32 `(N, classes)`: what the network says of `rows`, read a batch at a time.

    `check` is called between batches, and ends it all by raising.
    """
    answers = np.empty((len(rows), classes), np.float32)
    size = max(
        1, min(PREDICT_ROWS, len(rows), PREDICT_BYTES // (4 * int(np.prod(rows.image_shape))))
    )
    starts = range(0, len(rows), size)
    with closing(Prefetched(rows.take(slice(s, s + size)) for s in starts)) as read:
        for start, pixels in zip(starts, read, strict=True):
            check()
            count = len(pixels)
            # One shape, so that it is compiled once.
            answers[start : start + count] = forward(_filled(pixels, size))[:count]
    return answers


def _filled(pixels: Pixels, size: int) -> Pixels:
    if len(pixels) == size:
        return pixels
    return np.concatenate([pixels, np.zeros((size - len(pixels), *pixels.shape[1:]), np.uint8)])
