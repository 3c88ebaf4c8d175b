"""What a step lowers, as a function of values: the same in every backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from pigeonhole_training.augment import Augment


class Outcome(NamedTuple):
    """`loss` is the batch's mean, `right` how many images are classified as labelled, both float32
    scalars; `changed` are the new values of `Objective.carried` that the batch changed, by their
    positions."""

    loss: Any
    right: Any
    changed: dict[int, Any]


class Objective:
    """The loss of a network on a batch, with the changes that training makes to images.

    `trained` are the variables that it is a function of; `carried` those that a batch may change
    otherwise (statistics of batch normalisation, states of seed generators) and frozen weights.
    """

    def __init__(self, model: keras.Model, augment: Augment, label_smoothing: float) -> None:
        self._model, self._augment, self._smoothing = model, augment, label_smoothing
        self.trained: list[keras.Variable] = list(model.trainable_variables)
        self.carried: list[keras.Variable] = [
            *model.non_trainable_variables,
            *augment.non_trainable_variables,
        ]

    def __call__(
        self, trained: Sequence[Any], carried: Sequence[Any], pixels: Any, labels: Any
    ) -> Outcome:
        """With these values of `trained` and `carried`; `pixels` uint8 `(N, H, W, C)`, `labels`
        int32 `(N,)`."""
        mapping = [
            *zip(self.trained, trained, strict=True),
            *zip(self.carried, carried, strict=True),
        ]
        with keras.StatelessScope(state_mapping=mapping, collect_losses=True) as scope:
            images = self._augment(ops.cast(pixels, "float32"), training=True)
            probabilities = ops.cast(self._model(images, training=True), "float32")
            loss = ops.mean(self._losses(labels, probabilities))
            for regularization in self._model.losses:
                loss = loss + ops.cast(regularization, "float32")
            right = ops.sum(ops.cast(ops.argmax(probabilities, -1) == labels, "float32"))
        changed = {}
        for position, (variable, before) in enumerate(zip(self.carried, carried, strict=True)):
            after = scope.get_current_value(variable)
            if after is not None and after is not before:
                changed[position] = after
        return Outcome(loss, right, changed)

    def _losses(self, labels: Any, probabilities: Any) -> Any:
        if not self._smoothing:
            return keras.losses.sparse_categorical_crossentropy(labels, probabilities)
        # Labels travel as whole numbers; only the compiled step spreads them.
        wanted = ops.one_hot(labels, probabilities.shape[-1])
        return keras.losses.categorical_crossentropy(
            wanted, probabilities, label_smoothing=self._smoothing
        )


def cross_entropy(
    probabilities: NDArray[np.float32], labels: NDArray[np.int32], label_smoothing: float
) -> float:
    """The mean of the loss that training lowers, of given probabilities `(N, classes)`."""
    epsilon = keras.config.epsilon()
    scaled = probabilities / probabilities.sum(axis=1, keepdims=True)
    logs = np.log(np.clip(scaled, epsilon, 1 - epsilon)).astype(np.float64)
    chosen = logs[np.arange(len(labels)), labels]
    smoothed = (1 - label_smoothing) * chosen + label_smoothing * logs.mean(axis=1)
    return float(-smoothed.mean())
