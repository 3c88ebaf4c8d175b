"""Watching: gradients kept by the optimizer, dead units, resources, TensorBoard, the report."""

from __future__ import annotations

import itertools
import json
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pigeonhole_training.errors import Stopped
from pigeonhole_training.watching import resources
from pigeonhole_training.watching.bounded import Bounded
from pigeonhole_training.watching.guard import Guarded
from pigeonhole_training.watching.observer import Epoch, Run, StepTimes
from pigeonhole_training.watching.profile import GIB, Machine, Sample

from tests.unit.training_job.watched import (
    CLASSES,
    Training,
    healthy_network,
    network,
    run_of,
    some_rows,
    train_watched,
)

import keras  # isort: skip - after the backend was chosen
from pigeonhole_training.reports import profile_part
from pigeonhole_training.watching.activations import Probe
from pigeonhole_training.watching.gradients import norms, watch
from pigeonhole_training.watching.job import JobWatch
from pigeonhole_training.watching.tensorboard import TensorBoard
from pigeonhole_training.watching.watch import Watch
from tensorboard.backend.event_processing.event_accumulator import (
    IMAGES,
    TENSORS,
    EventAccumulator,
)
from tensorboard.util.tensor_util import make_ndarray

layers, optimizers = keras.layers, keras.optimizers
ROWS = some_rows(64)
MAKERS: dict[str, Callable[[], keras.optimizers.Optimizer]] = {
    "sgd": lambda: optimizers.SGD(0.1, momentum=0.9),
    "adamw": lambda: optimizers.AdamW(0.01, clipnorm=1.0),
    "scaled": lambda: optimizers.LossScaleOptimizer(optimizers.Adam(0.01)),
}


def trained(optimizer: keras.optimizers.Optimizer, steps: int) -> keras.Model:
    keras.utils.set_random_seed(0)
    model = network(layers.Flatten(), layers.Dense(4, activation="relu", name="hidden"))
    model.compile(optimizer, loss="sparse_categorical_crossentropy", run_eagerly=True)
    pixels = ROWS.take(slice(None)).astype(np.float32)
    for _ in range(steps):
        model.train_on_batch(pixels, ROWS.labels)
    return model


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_a_watched_optimizer_trains_and_is_saved_as_the_plain_one(
    maker: Callable[[], keras.optimizers.Optimizer], tmp_path: Path
) -> None:
    plain, watched = trained(maker(), 3), trained(watch(maker()), 3)
    for one, other in zip(plain.weights, watched.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    watched.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer) is type(plain.optimizer)
    for one, other in zip(plain.optimizer.variables, loaded.optimizer.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_norms_are_those_of_the_gradients_however_the_loss_is_scaled() -> None:
    start = trained(optimizers.SGD(0.0), 0)
    before = {v.path.split("/", 1)[1]: v.numpy() for v in start.trainable_variables}
    for maker in (
        lambda: optimizers.SGD(1.0),
        lambda: optimizers.LossScaleOptimizer(optimizers.SGD(1.0)),
    ):
        optimizer = watch(maker())
        model = trained(optimizer, 1)
        for variable in model.trainable_variables:
            # with a rate of 1 a step takes the gradient itself away
            gradient = before[variable.path.split("/", 1)[1]] - variable.numpy()
            norm = norms(optimizer)[variable.path]
            assert norm == pytest.approx(float(np.linalg.norm(gradient)), rel=1e-3, abs=1e-7)


def test_norms_come_back_with_the_variables_of_a_checkpoint() -> None:
    first = watch(optimizers.Adam(0.01))
    trained(first, 2)
    saved = [variable.numpy() for variable in first.variables]
    second = watch(optimizers.Adam(0.01))
    trained(second, 1)
    for variable, value in zip(second.variables, saved, strict=True):
        variable.assign(value)
    assert list(norms(second).values()) == list(norms(first).values())
    assert list(norms(first, saved).values()) == list(norms(first).values())


def test_an_optimizer_is_watched_before_it_is_built() -> None:
    optimizer = optimizers.SGD(0.1)
    trained(optimizer, 1)
    with pytest.raises(ValueError, match="before it is built"):
        watch(optimizer)


def test_dead_units_are_counted_in_networks_inside_networks() -> None:
    low = keras.initializers.Constant(-1e4)
    inner_input = keras.Input((8, 8, 1))
    x = layers.Conv2D(4, 3, name="alive")(inner_input)
    x = layers.ReLU(name="fires")(x)
    x = layers.Conv2D(6, 3, bias_initializer=low, activation="relu", name="silent")(x)
    base = keras.Model(inner_input, x, name="base")
    model = network(base, layers.Flatten(), layers.Dense(5, activation="relu", name="head"))
    counted = {unit.layer: unit for unit in Probe(model, ROWS).count(3)}
    assert counted.keys() == {"fires", "silent", "head"}
    assert (counted["silent"].units, counted["silent"].dead) == (6, 6)
    assert (counted["head"].units, counted["head"].epoch) == (5, 3)
    assert counted["fires"].dead < 4


def test_a_record_of_any_length_stays_within_its_bound() -> None:
    record: Bounded[int] = Bounded(10)
    for number in range(100_000):
        record.add(number)
        assert len(record) <= 10
    kept = record.entries
    assert kept[0] == 0
    assert len(kept) >= 5
    assert len({b - a for a, b in itertools.pairwise(kept)}) == 1


def test_limits_of_the_container_count(tmp_path: Path) -> None:
    everything = resources.memory_limit(tmp_path)
    assert everything > GIB // 4
    (tmp_path / "memory.max").write_text("1048576\n")
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert resources.memory_limit(tmp_path) == 1048576
    assert resources.usable_cpus(tmp_path) == 0.5
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert resources.memory_limit(tmp_path) == everything
    assert resources.usable_cpus(tmp_path) >= 1


def test_the_meter_sees_this_process_work() -> None:
    meter = resources.Meter(cpus=1)
    for _ in range(40):  # about a second of work, less where the machine is free
        np.sort(np.random.default_rng(0).random(200_000))
    sample = meter.sample()
    assert 0 < sample.cpu <= 1
    assert 0 <= sample.others <= 1
    assert sample.memory > 10_000_000


class _Failing:
    """An observer that cannot do its work."""

    def __init__(self, error: Exception) -> None:
        self.error, self.calls = error, 0

    def started(self, run: Run) -> None:
        """Fails."""

    def stepped(self, times: StepTimes) -> None:
        """Fails."""
        self.calls += 1
        raise self.error

    def epoch_ended(self, epoch: Epoch) -> None:
        """Fails."""

    def ended(self) -> None:
        """Fails."""


def test_an_observer_that_fails_is_heard_of_once_and_the_run_goes_on() -> None:
    said: list[str] = []
    failing = _Failing(OSError("disk full"))
    guarded = Guarded(failing, "Watching", said.append)
    for step in range(3):
        guarded.stepped(StepTimes(step, 1, 0, 0, 0))
    guarded.ended()
    assert failing.calls == 1
    assert said == ["Watching has ended early, the training goes on without it: OSError: disk full"]
    with pytest.raises(Stopped):
        Guarded(_Failing(Stopped()), "Watching", said.append).stepped(StepTimes(1, 1, 0, 0, 0))


def test_a_gradient_that_is_no_number_is_said_at_once_and_once() -> None:
    said: list[str] = []
    watching = Watch(machine=Machine(2, 8 * GIB), tell=said.append)
    watching.started(run_of(healthy_network(), Training(ROWS)))
    for step in (1, 2, 3):
        watching.stepped(StepTimes(step, 32, 0, 0, 1, np.nan, {"a/kernel": np.nan, "b/kernel": 1}))
    watching.close()
    (line,) = said
    assert line.startswith("Watching: At step 1 the gradient of a/kernel was no longer a finite")


def test_an_epoch_of_many_steps_takes_no_more_memory_than_one_of_few() -> None:
    watching = Watch(machine=Machine(2, 8 * GIB), tell=lambda _: None)
    watching.started(run_of(network(layers.Flatten()), Training(ROWS)))
    gradients = {f"layer {i}": 1.0 for i in range(100)}

    def taken(steps: int) -> int:
        for step in range(steps):
            watching.stepped(StepTimes(step, 32, 0, 0, 1, 1.0, gradients))
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    before = taken(2_000)
    after = taken(20_000)
    tracemalloc.stop()
    watching.close()
    assert after - before < 200_000


def test_a_job_goes_on_when_judging_its_profile_fails(capsys: pytest.CaptureFixture[str]) -> None:
    watching = JobWatch(None)
    one_class = ROWS.where(ROWS.labels == 0)
    (observer,) = watching.observers
    observer.started(run_of(healthy_network(), Training(one_class)))
    assert watching.profile({}) is not None
    assert watching.profile(dict.fromkeys(CLASSES)) is None  # type: ignore[arg-type]
    watching.close()
    assert "The report has no profile: judging it failed: TypeError" in capsys.readouterr().out


class _ShareOfAGpu:
    """NVML where it tells less than of a whole GPU."""

    def nvmlInit(self) -> None:
        """There is a driver."""

    def nvmlShutdown(self) -> None:
        """Nothing is held."""

    def nvmlDeviceGetCount(self) -> int:
        return 1

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetName(self, _: int) -> str:
        return "a share"

    def nvmlDeviceGetMemoryInfo(self, _: int) -> None:
        raise RuntimeError("Not Supported")


def test_a_gpu_that_tells_nothing_is_none() -> None:
    gpus = resources.Gpus(_ShareOfAGpu())
    assert (gpus.describe(), gpus.use()) == ((), ())
    gpus.close()


def test_the_sampler_ends_with_what_it_raises() -> None:
    failed: list[Exception] = []
    ended = threading.Event()

    def take(_: Sample) -> None:
        raise OSError("gone")

    def give_up(error: Exception) -> None:
        failed.append(error)
        ended.set()

    sampler = resources.Sampler(resources.Meter(1), take, give_up, interval=0.01)
    assert ended.wait(10)
    sampler.close()
    assert [str(error) for error in failed] == ["gone"]


def test_event_files_are_what_tensorboard_reads_and_the_report_what_a_page_holds(
    tmp_path: Path,
) -> None:
    board = TensorBoard(tmp_path / "events")
    how = Training(some_rows(320), epochs=2)
    profile = train_watched(healthy_network(), how, board.guarded)
    board.sampled(Sample(7.0, 0.5, 0.1, GIB))
    labels = np.array([0, 1, 2, 2], np.int32)
    board.judged(labels, np.array([0, 1, 2, 1], np.int32), ("$a$", *CLASSES[1:]))

    # what is there is read while the file is still open, as a sync would copy it
    events = EventAccumulator(str(tmp_path / "events"), {TENSORS: 0, IMAGES: 0}).Reload()
    accuracy = events.Tensors("accuracy/validation")
    assert [event.step for event in accuracy] == [10, 20]
    assert make_ndarray(accuracy[-1].tensor_proto) == pytest.approx(
        profile.epochs[-1].validation_accuracy
    )
    assert len(events.Tensors("step seconds/computing")) == 20
    assert len(events.Tensors("gradient norm/all")) == 20
    path = profile.kernels[0]
    assert len(events.Tensors(f"gradient norm/{path}")) == 2
    assert make_ndarray(events.Tensors("accuracy/held out")[0].tensor_proto) == 0.75
    assert events.Tensors("machine/CPU")[0].step == 7
    assert "| batch size | 32 |" in str(make_ndarray(events.Tensors("recipe")[0].tensor_proto))
    for tag in ("training images", "confusion matrix"):
        (image,) = events.Images(tag)
        assert image.encoded_image_string.startswith(b"\x89PNG")
        assert image.width > 50
    board.close()

    shown = str(profile_part.render(tmp_path, profile))
    assert shown.count("<svg") == 5
    assert "11 rules, 0 fired" in shown
    assert "not judged: there is no GPU" in shown
    assert "could not be drawn" not in shown
    document = json.loads((tmp_path / "profile" / "profile.json").read_text(encoding="utf-8"))
    assert document["epoch_times"][0]["steps"] == 10
    assert document["findings"] == []
