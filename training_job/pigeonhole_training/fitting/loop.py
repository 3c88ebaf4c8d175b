"""The training loop: phases of epochs of steps, resumed wherever they were interrupted.

Everything that a step depends on is either in the checkpoint (weights, the optimizer's state, the
states of seed generators) or follows from seed, epoch and step (the order of the rows). So a run
that was interrupted and resumed does the same steps as one that was not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, astuple, dataclass, replace
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from pigeonhole_training.augment import Augment
from pigeonhole_training.data.rows import Probabilities, Rows
from pigeonhole_training.errors import Stopped, TrainingDiverged
from pigeonhole_training.fitting import feeding
from pigeonhole_training.fitting.checkpoints import Checkpoint, Checkpoints
from pigeonhole_training.fitting.devices import Plan
from pigeonhole_training.fitting.engine import Engine, Step
from pigeonhole_training.fitting.objective import Objective, cross_entropy
from pigeonhole_training.fitting.optimizer import learning_rate, make_optimizer, set_trainable
from pigeonhole_training.fitting.order import Order
from pigeonhole_training.progress import StopFlag, say
from pigeonhole_training.watching.gradients import norms
from pigeonhole_training.watching.observer import Epoch, Observer, Run, StepTimes

# Measuring a step waits for the device before and after it. One in fifty costs a device that runs
# ahead at most a fiftieth of what running ahead gains; short runs get at least some twenty.
MEASURED_EVERY = 50
MEASURED_AT_LEAST = 20
# Within an epoch a checkpoint is written once a minute, less often when it takes long.
SAVE_SECONDS = 60.0
SAVING_SHARE = 0.05

_WORSE, _BETTER, _STOPPED, _DIVERGED = range(4)  # verdicts on an epoch


@dataclass(frozen=True)
class Place:
    """Where a run stands: `steps` steps of epoch `epoch` (from 0, over all phases) are done, of
    `done` in all. `over`: the phase has no epoch left. `waited` epochs brought no lower loss.
    `seconds` of this epoch are gone."""

    phase: int = 0
    epoch: int = 0
    steps: int = 0
    done: int = 0
    over: bool = False
    waited: int = 0
    seconds: float = 0.0

    @property
    def numbers(self) -> list[float]:
        """For hosts to agree on."""
        return [float(value) for value in astuple(self)]

    @classmethod
    def of(cls, numbers: Sequence[float]) -> Place:
        """What `numbers` gave."""
        phase, epoch, steps, done, over, waited, seconds = numbers
        return cls(int(phase), int(epoch), int(steps), int(done), bool(over), int(waited), seconds)


@dataclass
class Best:
    """The best epoch so far, by validation loss, with the weights of `Model.weights`."""

    epoch: int = 0
    loss: float = math.inf
    weights: Sequence[NDArray[Any]] = ()


class Loop:
    """Trains `run.model` in place. `checkpoints` None: nothing is kept and nothing resumed."""

    def __init__(
        self,
        run: Run,
        engine: Engine,
        plan: Plan,
        order: Order,
        *,
        checkpoints: Checkpoints | None = None,
        observers: Sequence[Observer] = (),
        stop: StopFlag | None = None,
    ) -> None:
        self._run, self._recipe, self.model = run, run.recipe, run.model
        self._engine, self._plan, self._order = engine, plan, order
        self._stop = stop or StopFlag()
        first = engine.host == 0
        self._checkpoints = checkpoints if first else None
        self._observers = observers if first else ()
        self._forward = engine.forward(run.model, plan.compiled)
        self.epochs: list[Epoch] = []
        self.best = Best()
        self._next_save = self._next_epoch_save = 0.0
        self._step: Step

    def fit(self) -> None:
        """Ends with the weights of the epoch of lowest validation loss.

        Raises TrainingDiverged, DeviceFull, HostLost, and, after a checkpoint, Stopped.
        """
        place, state = self._found()
        if self._plan.rows_on_device:
            self._engine.hold(self._run.training.take(slice(None)), self._run.training.labels)
        for observer in self._observers:
            observer.started(self._run)
        for number, phase in enumerate(self._recipe.phases):
            if number < place.phase or not phase.epochs:
                continue
            if number > place.phase:
                place = Place(number, place.epoch, done=place.done)
            begins = sum(p.epochs for p in self._recipe.phases[:number])
            place = replace(place, epoch=max(place.epoch, begins))
            self._begin(number, state)
            state = None
            self._wait_to_save(0.0)
            while not place.over:
                place = self._epoch(place)
            self._adopt_best()
        if self._engine.host == 0:
            for observer in self._observers:
                observer.ended()

    def predict(self, rows: Rows) -> Probabilities:
        """float32 `(N, classes)`, with the weights that the network has now."""
        classes = len(self._run.classes)
        return feeding.predict(self._forward, rows, classes, self._stop.check)

    # ---- phases and epochs ----

    def _begin(self, number: int, state: Sequence[NDArray[Any]] | None) -> None:
        """Makes the phase's optimizer and step, and takes up `state` where there is one."""
        phase = self._recipe.phases[number]
        set_trainable(self.model, phase.trainable)
        steps = phase.epochs * self._order.steps
        scale_loss = self._plan.precision == "mixed_float16"
        optimizer = make_optimizer(self._recipe, phase, steps, self.model, scale_loss)
        # JAX's seeds have 32 bits
        augment = Augment(self._recipe.augment, seed=(self._recipe.seed + number) % 2**32)
        objective = Objective(self.model, augment, self._recipe.label_smoothing)
        self._step = Step(objective, optimizer, self._recipe.ema)
        if state is not None:
            for variable, value in zip(self._step.state, state, strict=True):
                variable.assign(value)
        # Observers find it there; it is taken away again before the model is saved.
        self.model.optimizer = optimizer
        self._engine.compile(self._step, self._plan.compiled)
        self._engine.spread()
        self._engine.reload()

    def _epoch(self, place: Place) -> Place:
        """The rest of an epoch, its validation, and where that leads."""
        begins = time.perf_counter() - place.seconds
        order = self._order.epoch(place.epoch)
        mine = order.reshape(len(order), self._engine.hosts, -1)[place.steps :, self._engine.host]
        reading = feeding.batches(
            self._run.training, mine, self._plan.rows_on_device, self._plan.prefetched
        )
        with closing(reading) as batches:
            for _ in range(place.steps, len(order)):
                self._one_step(place, batches)
                place = replace(place, steps=place.steps + 1, done=place.done + 1)
                place = replace(place, seconds=time.perf_counter() - begins)
                self._between_steps(place)
        self._engine.settle()
        return self._judged(place, begins)

    def _one_step(self, place: Place, batches: Any) -> None:
        measured = self._is_measured(place.done)
        if measured:
            self._engine.wait()
        asked = time.perf_counter()
        rows = next(batches)
        read = time.perf_counter()
        batch = self._engine.put(rows)
        copied = time.perf_counter()
        self._engine.run(batch, self._stop.is_set)
        if measured:
            self._engine.wait()
            computed = time.perf_counter()
            self._engine.settle()
            times = StepTimes(
                step=place.done + 1,
                rows=self._order.batch // self._engine.hosts,
                reading=read - asked,
                copying=copied - read,
                computing=computed - copied,
                loss=float(self._totals()[2]),
                gradients=norms(self._step.optimizer),
            )
            # They hear of the step that ends the run, too: its gradients say what went wrong.
            for observer in self._observers:
                observer.stepped(times)
            self._check_finite(place)

    def _is_measured(self, done: int) -> bool:
        in_all = self._order.steps * self._recipe.epochs
        every = max(1, min(MEASURED_EVERY, in_all // MEASURED_AT_LEAST))
        # never the first step, which is compiled
        return done % every == every - 1 and done > 0

    def _between_steps(self, place: Place) -> None:
        one_host = self._engine.hosts == 1
        if self._stop.is_set if one_host else self._engine.asked_to_stop():
            self._save(place)
            raise Stopped
        if time.perf_counter() >= self._next_save:
            self._save(place)

    def _judged(self, place: Place, begins: float) -> Place:
        """After an epoch's last step: the first host validates and tells the others the verdict."""
        failure: Exception | None = None
        verdict = _WORSE
        if self._engine.host == 0:
            try:
                verdict = _BETTER if self._validate(place, begins) else _WORSE
            except (Stopped, TrainingDiverged) as error:
                failure = error
                verdict = _STOPPED if isinstance(error, Stopped) else _DIVERGED
        (verdict,) = map(int, self._engine.agree([verdict]))
        if verdict == _STOPPED:
            self._save(place)
            raise failure or Stopped()
        if verdict == _DIVERGED:
            raise failure or _diverged(place)
        waited = 0 if verdict == _BETTER else place.waited + 1
        epochs = sum(phase.epochs for phase in self._recipe.phases[: place.phase + 1])
        over = place.epoch + 1 == epochs or 0 < self._recipe.patience <= waited
        self._step.totals.assign(np.zeros(3, np.float32))
        self._engine.reload()
        place = Place(place.phase, place.epoch + 1, 0, place.done, over, waited)
        if over or time.perf_counter() >= self._next_epoch_save:
            self._save(place)
        return place

    def _validate(self, place: Place, begins: float) -> bool:
        """Notes and prints the epoch; whether its validation loss is the lowest so far."""
        totals = self._check_finite(place)
        phase = self._recipe.phases[place.phase]
        steps_before = sum(p.epochs for p in self._recipe.phases[: place.phase]) * self._order.steps
        last_step = (place.epoch + 1) * self._order.steps - steps_before - 1
        rate = learning_rate(self._recipe, phase, phase.epochs * self._order.steps)(last_step)
        rows = self._run.validation
        with self._averaged():
            probabilities = self.predict(rows)
            loss = cross_entropy(probabilities, rows.labels, self._recipe.label_smoothing)
            if not math.isfinite(loss):
                raise _diverged(place)
            better = loss < self.best.loss
            if better:
                self.best = Best(place.epoch + 1, loss, _values(self.model.weights))
        done = Epoch(
            epoch=place.epoch + 1,
            train_loss=float(totals[0]) / self._order.steps,
            train_accuracy=float(totals[1]) / (self._order.steps * self._order.batch),
            validation_loss=loss,
            validation_accuracy=float((probabilities.argmax(axis=1) == rows.labels).mean()),
            learning_rate=float(rate),
            seconds=time.perf_counter() - begins,
        )
        self.epochs.append(done)
        say(done.line())
        for observer in self._observers:
            observer.epoch_ended(done)
        return better

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """Within it the weights are their moving averages, where the recipe keeps them."""
        trained = self._step.objective.trained[: len(self._step.averages)]
        held = _values(trained)
        for variable, average in zip(trained, self._step.averages, strict=True):
            variable.assign(average)
        try:
            yield
        finally:
            for variable, value in zip(trained, held, strict=True):
                variable.assign(value)

    def _adopt_best(self) -> None:
        """The weights of the best epoch, with which a next phase begins."""
        for variable, value in zip(self.model.weights, self.best.weights, strict=False):
            variable.assign(value)
        self.model.optimizer = None

    def _totals(self) -> NDArray[np.float32]:
        totals: NDArray[np.float32] = keras.ops.convert_to_numpy(self._step.totals)
        return totals

    def _check_finite(self, place: Place) -> NDArray[np.float32]:
        totals = self._totals()
        if not np.isfinite(totals).all():
            raise _diverged(place)
        return totals

    # ---- checkpoints ----

    def _save(self, place: Place) -> None:
        if self._checkpoints is None:
            return
        begins = time.perf_counter()
        self._engine.settle()
        self._check_finite(place)
        best = {"epoch": self.best.epoch, "loss": self.best.loss if self.best.epoch else None}
        document = {
            "place": asdict(place),
            "best": best,
            "epochs": [asdict(epoch) for epoch in self.epochs],
        }
        state = _values(self._step.state)
        try:
            self._checkpoints.save(Checkpoint(place.done, document, state, self.best.weights))
        except OSError as error:  # a full disk: the run itself lacks nothing
            say(f"No checkpoint could be written after step {place.done}: {error}")
        self._wait_to_save(time.perf_counter() - begins)

    def _wait_to_save(self, took: float) -> None:
        self._next_epoch_save = time.perf_counter() + took / SAVING_SHARE
        self._next_save = max(self._next_epoch_save, time.perf_counter() + SAVE_SECONDS)

    def _found(self) -> tuple[Place, Sequence[NDArray[Any]] | None]:
        """Where to go on, on every host as the first one says."""
        place, state = Place(), None
        found = self._checkpoints.newest() if self._checkpoints else None
        if found is not None:
            document = found.place
            place, state = Place(**document["place"]), found.state
            self.epochs = [Epoch(**epoch) for epoch in document["epochs"]]
            best = document["best"]
            if best["epoch"]:
                self.best = Best(best["epoch"], best["loss"], found.best)
            say(f"Resuming after step {place.steps} of epoch {place.epoch + 1}")
        return Place.of(self._engine.agree(place.numbers)), state


def _diverged(place: Place) -> TrainingDiverged:
    return TrainingDiverged(
        f"training diverged in epoch {place.epoch + 1}: the loss is not a number. "
        "Try a smaller learning_rate."
    )


def _values(variables: Sequence[keras.Variable]) -> list[NDArray[Any]]:
    return [np.array(variable.numpy()) for variable in variables]
