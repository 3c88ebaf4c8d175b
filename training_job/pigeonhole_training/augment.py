"""Changes to training images that leave their class as it is.

`Augment` is a layer of its own beside the network, so that what is exported never has it:

    augment = Augment(("flip", "crop:2", "erase:0.5"), seed)
    predictions = network(augment(pixels, training=True), training=True)

It works on whole batches where the network computes, in any backend, and draws from a Keras seed
generator, whose state is a variable of the layer: saved with a checkpoint, it goes on where it was.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

BRIGHTEST = 255.0
# Random erasing (Zhong et al. 2017, arXiv:1708.04896): the rectangle's share of the image, and its
# height to its width.
ERASED_SHARE = (0.02, 0.4)
ERASED_ASPECT = (0.3, 1 / 0.3)

Change = Callable[[Any], Any]


class Augment(keras.layers.Layer):
    """Float32 pixels `(N, H, W, C)`, 0-255, in and out; outside training they pass unchanged.

    `names`, done in order:

    - `flip`: half of the images are mirrored left to right;
    - `crop:K`: every image is shifted by up to K pixels either way, up or down and left or right;
      what comes in is 0;
    - `erase:P`: in a share P of the images a rectangle is filled with noise.

    Raises ValueError for any other name.
    """

    def __init__(self, names: tuple[str, ...], seed: int = 0, **options: Any) -> None:
        # In float32 whatever the network computes in: 255 steps are more than bfloat16 can tell.
        super().__init__(dtype="float32", **options)
        self.names = tuple(names)
        self.seed = seed
        self._seeds = keras.random.SeedGenerator(seed)
        self._changes = [self._change(name) for name in self.names]

    def call(self, pixels: Any, training: bool = False) -> Any:
        """The changed pixels."""
        if training:
            for change in self._changes:
                pixels = change(pixels)
        return pixels

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """As the input's."""
        return input_shape

    def _change(self, name: str) -> Change:
        kind, _, amount = name.partition(":")
        try:
            if kind == "flip" and not amount:
                return self._flip
            if kind == "crop" and (pixels := int(amount)) > 0:
                return lambda images: self._crop(images, pixels)
            if kind == "erase" and 0 < (share := float(amount)) <= 1:
                return lambda images: self._erase(images, share)
        except ValueError:
            pass
        raise ValueError(f"there is no augmentation {name!r}; there are flip, crop:2 and erase:0.5")

    def _uniform(self, shape: tuple[Any, ...], low: float = 0.0, high: float = 1.0) -> Any:
        return keras.random.uniform(shape, low, high, dtype="float32", seed=self._seeds)

    def _flip(self, images: Any) -> Any:
        mirrored = self._uniform((ops.shape(images)[0], 1, 1, 1)) < 0.5
        return ops.where(mirrored, ops.flip(images, axis=2), images)

    def _crop(self, images: Any, pixels: int) -> Any:
        count, height, width, _ = ops.shape(images)
        by = ops.floor(self._uniform((count, 2), -pixels, pixels + 1))
        # One matrix of ones and zeros an image picks its rows, one its columns: the same small
        # products in every backend, where gathering by a batch of indices is slow in some.
        rows = _picked(height, by[:, 0])
        columns = _picked(width, by[:, 1])
        shifted = ops.einsum("nij,njwc->niwc", rows, images)
        return ops.einsum("nij,nhjc->nhic", columns, shifted)

    def _erase(self, images: Any, share: float) -> Any:
        count, height, width, _ = ops.shape(images)
        each = (count, 1)
        area = self._uniform(each, *ERASED_SHARE)
        aspect = ops.exp(self._uniform(each, *map(math.log, ERASED_ASPECT)))
        rows = self._between(height, ops.sqrt(area * aspect))
        columns = self._between(width, ops.sqrt(area / aspect))
        chosen = self._uniform((count, 1, 1, 1)) < share
        inside = chosen & rows[:, :, None, None] & columns[:, None, :, None]
        return ops.where(inside, self._uniform(ops.shape(images), 0.0, BRIGHTEST), images)

    def _between(self, side: int, share: Any) -> Any:
        """bool `(N, side)`: a stretch of `share` of the side (float `(N, 1)`), anywhere in it."""
        length = ops.clip(ops.round(share * side), 1, side)
        start = ops.floor(self._uniform(ops.shape(share)) * (side - length + 1))
        at = ops.cast(ops.arange(side), "float32")[None]
        return (at >= start) & (at < start + length)


def _picked(side: int, by: Any) -> Any:
    """float32 `(N, side, side)`: [n, i, j] is 1 where j = i + by[n]."""
    at = ops.cast(ops.arange(side), "float32")
    wanted = at[None, :, None] + by[:, None, None]
    return ops.cast(ops.equal(wanted, at[None, None, :]), "float32")
