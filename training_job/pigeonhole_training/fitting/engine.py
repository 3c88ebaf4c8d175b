"""What the loop needs of a backend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

import keras
import numpy as np
from numpy.typing import NDArray

from pigeonhole_training.data.rows import Labels, Pixels, Probabilities
from pigeonhole_training.fitting.devices import Device
from pigeonhole_training.fitting.objective import Objective

Forward: TypeAlias = Callable[[Pixels], Probabilities]


class Engine(Protocol):
    """Runs steps on all devices of this host, and with those of other hosts.

    Between `run` and `settle` a backend may hold the weights itself; the Keras variables are
    right after `settle`, and what is assigned to them counts after `reload`.
    """

    host: int
    hosts: int
    devices: tuple[Device, ...]

    @property
    def shares(self) -> int:
        """Into how many equal shares all hosts' devices divide a batch."""

    def hold(self, pixels: Pixels, labels: Labels) -> None:
        """Copies all training rows to each device, where batches of positions pick them."""

    def compile(self, step: Step, jit: bool) -> None:
        """Makes the step that `run` runs."""

    def put(self, batch: HostBatch) -> Any:
        """Copies this host's share of a batch to the devices."""

    def run(self, batch: Any, stop: bool) -> None:
        """One step, which may still be under way when this returns. `stop` tells all hosts that
        this one was asked to stop."""

    def wait(self) -> None:
        """Until the last step is done."""

    def asked_to_stop(self) -> bool:
        """Whether `stop` was true on any host in the last step. False where there is one host."""

    def settle(self) -> None:
        """Brings what the steps did into the Keras variables."""

    def reload(self) -> None:
        """Takes the values that the Keras variables have now."""

    def spread(self) -> None:
        """Gives every host the Keras variables' values of the first one."""

    def agree(self, values: Sequence[float]) -> list[float]:
        """The first host's `values`, on every host; each waits for the others."""

    def forward(self, model: keras.Model, jit: bool) -> Forward:
        """`model` as a function of uint8 images `(N, H, W, C)` with the weights that its variables
        have when it is called, on one device."""


class Step:
    """What a compiled step is made of: the objective, the optimizer, the weights' averages.

    `totals` float32 `(3,)`: the sum of the losses and of the right answers of an epoch's batches so
    far, and the last batch's loss. `averages`
    follow the trained weights with `decay`, which rises to it as min(decay, (1 + t) / (10 + t)), so
    that the first weights are forgotten.
    """

    def __init__(
        self, objective: Objective, optimizer: keras.optimizers.Optimizer, decay: float
    ) -> None:
        self.objective, self.optimizer, self.decay = objective, optimizer, decay
        self.totals = keras.Variable(np.zeros(3, np.float32), trainable=False, name="totals")
        self.averages = [
            keras.Variable(keras.ops.convert_to_numpy(v), trainable=False, name="average")
            for v in (objective.trained if decay else [])
        ]

    @property
    def state(self) -> list[keras.Variable]:
        """Everything that a step may change, in an order that depends on the network alone."""
        objective = self.objective
        return [
            *objective.trained,
            *objective.carried,
            *self.optimizer.variables,
            *self.averages,
            self.totals,
        ]

    def decay_at(self, step: Any) -> Any:
        """The averages' decay in step `step`, from 0."""
        done = keras.ops.cast(step, "float32")
        return keras.ops.minimum(self.decay, (1.0 + done) / (10.0 + done))


class HostBatch:
    """A batch on its way to the devices: positions among the rows that an engine holds, or, where
    it holds none, pixels uint8 `(N, H, W, C)` and labels int32 `(N,)`."""

    def __init__(
        self,
        positions: NDArray[np.int32],
        pixels: Pixels | None = None,
        labels: Labels | None = None,
    ) -> None:
        self.positions, self.pixels, self.labels = positions, pixels, labels
