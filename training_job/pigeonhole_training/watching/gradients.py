"""The norm of each variable's gradient, kept by the optimizer itself.

Gradients live inside a compiled step and are gone when it returns. What a step may leave behind is
variables; so a watched optimizer has one scalar more per trained variable, and sets it in
`update_step`, the method that every Keras optimizer writes: after the loss scale is taken out,
after all devices' gradients are summed, after clipping, on every backend.

    optimizer = watch(keras.optimizers.Adam(schedule))  # before it is built
    …
    norms(optimizer)          # {"conv2d/kernel": 0.031, …}, of the last step
    norms(optimizer, values)  # JAX: `values` as stateless_apply gave them

Everything else stays as it was: the class is saved under its own name, the saved state is that of
the plain optimizer (so checkpoints of watched and plain ones are the same), and `variables` has the
norms after all others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
from keras import ops

from pigeonhole_training.watching.observer import StepTimes


def watch(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Makes `optimizer` keep its gradients' norms and returns it.

    Of a LossScaleOptimizer the inner one keeps them: a step that was skipped because a gradient was
    not finite leaves the norms of the step before. Raises ValueError when it is built already.
    """
    inner = _inner(optimizer)
    if isinstance(inner, _Watched):
        return optimizer
    if inner.built:
        raise ValueError("watch the optimizer before it is built")
    # Not rebuilt from its config: schedules of one's own and what is excluded from weight decay
    # would have to survive that.
    inner.__class__ = _mixed(_Watched, type(inner))
    if inner is not optimizer:
        optimizer.__class__ = _mixed(_SavedAsPlain, type(optimizer))
    return optimizer


def is_watched(optimizer: Any) -> bool:
    """Whether `norms` has an answer."""
    return optimizer is not None and isinstance(_inner(optimizer), _Watched)


def norms(
    optimizer: keras.optimizers.Optimizer, values: Sequence[Any] | None = None
) -> dict[str, float]:
    """The L2 norm of each variable's gradient in the last step, by the variable's path.

    `values` are those of `optimizer.variables` where the optimizer does not hold them itself (JAX's
    stateless steps). NaN and infinity are given as they are; a variable without a gradient has 0.
    Waits for the device. Empty before the first step.
    """
    inner = _inner(optimizer)
    if not isinstance(inner, _Watched):
        raise ValueError("this optimizer is not watched")
    if not inner.built:
        return {}
    paths = [variable.path for variable in inner._trainable_variables]
    if values is None:
        kept: Sequence[Any] = inner.gradient_norms
    else:
        kept = list(values)[len(values) - len(paths) :]
    return {
        path: float(ops.convert_to_numpy(value)) for path, value in zip(paths, kept, strict=True)
    }


def measured(times: StepTimes, model: keras.Model) -> StepTimes:
    """`times` with the gradients of its step, where they are not in it and `model.optimizer` is
    watched and holds them."""
    optimizer = getattr(model, "optimizer", None)
    if times.gradients or not is_watched(optimizer):
        return times
    return replace(times, gradients=norms(optimizer))


class _SavedAsPlain(keras.optimizers.Optimizer):
    """Mixed in before an optimizer's own class: what is stored has no norms."""

    def save_own_variables(self, store: Any) -> None:
        for i, variable in enumerate(self._lasting()):
            store[str(i)] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        lasting = self._lasting()
        if len(store.keys()) != len(lasting):
            super().load_own_variables(store)  # says how many it has and how many were stored
            return
        for i, variable in enumerate(lasting):
            variable.assign(store[str(i)])

    def _lasting(self) -> list[keras.Variable]:
        kept = len(_inner(self).gradient_norms) if self.built else 0
        return self.variables[: len(self.variables) - kept]


class _Watched(_SavedAsPlain):
    gradient_norms: list[keras.Variable]

    def build(self, variables: list[keras.Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        self.gradient_norms = [
            self.add_variable((), dtype="float32", name=f"gradient_norm_{i}")
            for i in range(len(variables))
        ]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        # float16 would overflow at 256
        squares = ops.square(ops.cast(gradient, "float32"))
        norm = self.gradient_norms[self._get_variable_index(variable)]
        self.assign(norm, ops.sqrt(ops.sum(squares)))
        super().update_step(gradient, variable, learning_rate)


def _mixed(
    mixed_in: type[_SavedAsPlain], plain: type[keras.optimizers.Optimizer]
) -> type[keras.optimizers.Optimizer]:
    # Keras writes a class' module and name into saved models; it shall find the plain one there.
    public = getattr(keras.optimizers, plain.__name__, None) is plain
    module = "keras.optimizers" if public else plain.__module__
    return type(plain.__name__, (mixed_in, plain), {"__module__": module})


def _inner(optimizer: Any) -> Any:
    return getattr(optimizer, "inner_optimizer", optimizer)
