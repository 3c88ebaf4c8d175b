"""The training loop: what it learns, prints and keeps, and that a rerun goes on where it stopped.

KERAS_BACKEND=jax runs them on JAX, as `make test` does too (.ci/test.py).
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
from pigeonhole_training.errors import BadRequest, Stopped, TrainingDiverged
from pigeonhole_training.progress import StopFlag
from pigeonhole_training.recipe import Phase
from train import choose_backend

choose_backend(os.environ)

from .fitted import Seen, bars, kept, loop_of, network, recipe, weights  # noqa: E402

RICH = recipe(
    phases=(Phase(2, 0.02, "head"), Phase(2, 0.01, "base:3")),
    schedule="one-cycle",
    warmup=0.2,
    ema=0.9,
)
STEPS = 5  # in an epoch


@pytest.fixture(scope="module")
def uninterrupted() -> bytes:
    """The weights that `RICH` ends with."""
    loop = loop_of(RICH)
    loop.fit()
    return weights(loop)


def test_it_learns_and_says_so_in_the_documented_line(capsys: pytest.CaptureFixture[str]) -> None:
    seen = Seen()
    loop = loop_of(recipe(phases=(Phase(8, 0.05),)), observers=[seen])
    loop.fit()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8
    number = r"\d+\.\d{4}"
    form = (
        rf"epoch=8; train_loss={number}; train_accuracy={number}; validation_loss={number}; "
        rf"validation_accuracy={number}; seconds={number}; learning_rate=[-0-9.e]+;"
    )
    assert re.fullmatch(form, lines[-1])
    assert loop.epochs == seen.epochs
    assert (len(seen.runs), seen.ends) == (1, 1)
    best = min(loop.epochs, key=lambda epoch: epoch.validation_loss)
    assert loop.best.epoch == best.epoch
    # What is kept is the best epoch's: judged again, it is as good.
    validation = bars(30, 2)
    answers = loop.predict(validation)
    assert (answers.argmax(axis=1) == validation.labels).mean() == best.validation_accuracy > 0.9


def test_the_rate_rises_and_falls_over_all_steps_of_a_phase() -> None:
    given = recipe(phases=(Phase(4, 0.1),), schedule="one-cycle", warmup=0.5)
    loop = loop_of(given)
    loop.fit()
    # of each epoch's last step, of twenty; the highest is that of the tenth
    expected = [0.05, 0.1, 0.06, 0.01]
    assert [epoch.learning_rate for epoch in loop.epochs] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("after", [2, 3 * STEPS + 4])
def test_a_run_that_was_stopped_ends_with_the_bits_of_one_that_was_not(
    after: int, tmp_path: Path, uninterrupted: bytes
) -> None:
    stop = StopFlag()
    first = loop_of(
        RICH, checkpoints=kept(tmp_path), observers=[Seen(stop, stop_after=after)], stop=stop
    )
    with pytest.raises(Stopped):
        first.fit()
    seen = Seen()
    second = loop_of(RICH, checkpoints=kept(tmp_path), observers=[seen])
    second.fit()
    assert [step.step for step in seen.steps] == list(range(after + 1, 4 * STEPS + 1))
    assert [epoch.epoch for epoch in second.epochs] == [1, 2, 3, 4]
    assert weights(second) == uninterrupted


def test_a_stop_while_validating_is_resumed_there(tmp_path: Path, uninterrupted: bytes) -> None:
    class StopsInValidation(StopFlag):
        def check(self) -> None:
            self.set()
            super().check()

    stop = StopsInValidation()
    with pytest.raises(Stopped):
        loop_of(RICH, checkpoints=kept(tmp_path), stop=stop).fit()
    second = loop_of(RICH, checkpoints=kept(tmp_path))
    second.fit()
    assert weights(second) == uninterrupted


def test_a_finished_run_is_not_trained_again(tmp_path: Path, uninterrupted: bytes) -> None:
    loop_of(RICH, checkpoints=kept(tmp_path)).fit()
    seen = Seen()
    again = loop_of(RICH, checkpoints=kept(tmp_path), observers=[seen])
    again.fit()
    assert weights(again) == uninterrupted
    assert not seen.steps


@pytest.mark.parametrize("place", ["rows_on_device", "prefetched"])
def test_where_rows_lie_makes_no_difference(place: str, uninterrupted: bytes) -> None:
    loop = loop_of(RICH, plan={place: True})
    loop.fit()
    assert weights(loop) == uninterrupted


def test_a_phase_trains_only_its_part() -> None:
    model = network()
    base = model.get_layer("base")

    def changed_by(trainable: str) -> set[str]:
        before = [weight.numpy() for weight in model.weights]
        loop_of(recipe(phases=(Phase(1, 0.1, trainable),)), model=model).fit()
        pairs = zip(model.weights, before, strict=True)
        return {weight.path for weight, old in pairs if not np.array_equal(weight.numpy(), old)}

    in_base = {weight.path for weight in base.weights}
    by_head = changed_by("head")
    assert by_head == {weight.path for weight in model.weights} - in_base
    last = {weight.path for weight in base.layers[-1].weights}
    assert changed_by("base:1") == by_head | last


def test_a_phase_of_a_base_that_is_not_there() -> None:
    with pytest.raises(BadRequest, match="no layer named 'base'"):
        loop_of(recipe(phases=(Phase(1, 0.1, "head"),)), model=network().get_layer("base")).fit()


def test_patience_ends_a_run_that_gets_no_better() -> None:
    # at a rate of next to nothing the validation loss is decided by the statistics alone
    loop = loop_of(recipe(phases=(Phase(40, 0.3),), patience=2, schedule="constant"))
    loop.fit()
    losses = [epoch.validation_loss for epoch in loop.epochs]
    assert len(losses) < 40
    assert loop.best.epoch == len(losses) - 2 == losses.index(min(losses)) + 1


def test_a_loss_that_is_no_number_ends_training(tmp_path: Path) -> None:
    seen = Seen()
    loop = loop_of(
        recipe(phases=(Phase(2, 1e38),), optimizer="sgd"),
        checkpoints=kept(tmp_path),
        observers=[seen],
    )
    with pytest.raises(TrainingDiverged, match=r"in epoch 1: .* Try a smaller learning_rate"):
        loop.fit()
    assert not list(tmp_path.iterdir())
    # who watches has heard of the step that it ended with
    assert not np.isfinite([seen.steps[-1].loss, *seen.steps[-1].gradients.values()]).all()


def test_a_checkpoint_that_cannot_be_written_ends_nothing(
    tmp_path: Path, uninterrupted: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_bytes(b"")
    loop = loop_of(RICH, checkpoints=kept(tmp_path / "file"))
    loop.fit()
    assert weights(loop) == uninterrupted
    assert f"No checkpoint could be written after step {4 * STEPS}: " in capsys.readouterr().out


def test_measured_steps_say_where_the_time_went() -> None:
    seen = Seen()
    loop = loop_of(recipe(), observers=[seen])
    loop.fit()
    assert [step.step for step in seen.steps] == list(range(2, 16))  # the first one is compiled
    for step in seen.steps:
        assert step.rows == 16
        assert min(step.reading, step.copying, step.computing) > 0
        assert step.loss > 0
        assert len(step.gradients) == 10
        assert all(norm >= 0 for norm in step.gradients.values())
