"""Temperatures, on rows whose true probabilities are known because they are drawn from them."""

from __future__ import annotations

import numpy as np
import pytest
from pigeonhole_training.judging.calibrate import fit_temperature, reliability, tempered


def drawn(rows: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Honest probabilities of that many rows, and labels that were drawn from them."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (rows, classes))
    honest = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([rng.choice(classes, p=p) for p in honest], np.int32)
    return honest.astype(np.float32), labels


@pytest.mark.parametrize("true", [0.5, 1.7, 4.0])
def test_the_temperature_that_was_taken_away_is_found(true: float) -> None:
    honest, labels = drawn(3000, 10)
    given = tempered(honest, 1 / true)  # as sure of itself as a network that overfits
    found = fit_temperature(given, labels)
    assert found.temperature == pytest.approx(true, rel=0.06)
    assert found.rows == 3000
    assert ("too sure" in found.reason) == (true > 1)
    calibrated = reliability(tempered(given, found.temperature), labels)
    before = reliability(given, labels)
    assert calibrated.log_loss < before.log_loss
    assert calibrated.ece < before.ece / 3
    np.testing.assert_allclose(tempered(given, true), honest, atol=2e-5)


def test_honest_probabilities_keep_temperature_one() -> None:
    found = [fit_temperature(*drawn(400, 5, seed)).temperature for seed in range(10)]
    assert found.count(1.0) >= 7  # Akaike's criterion lets one in six by that chance brings


def test_few_rows_prove_nothing() -> None:
    honest, labels = drawn(6, 4)
    assert fit_temperature(honest, labels).temperature == 1.0
    none = fit_temperature(honest[:0], labels[:0])
    assert (none.temperature, none.rows) == (1.0, 0)


def test_rows_without_a_mistake_do_not_make_the_model_certain() -> None:
    labels = np.zeros(1000, np.int32)
    perfect = np.tile(np.array([[0.97, 0.02, 0.01]], np.float32), (1000, 1))
    found = fit_temperature(perfect, labels)
    # a thousand right answers make an error in a thousand credible, not one in a million
    assert 0.2 < found.temperature < 1
    assert 0.99 < tempered(perfect, found.temperature)[0, 0] < 0.9995
    certain = np.tile(np.array([[1.0, 0.0, 0.0]], np.float32), (1000, 1))
    assert np.isfinite(fit_temperature(certain, labels).temperature)


def test_a_model_that_is_sure_and_wrong_gets_the_highest_temperature_at_most() -> None:
    certain = np.tile(np.array([[1.0, 0.0]], np.float32), (100, 1))
    found = fit_temperature(certain, np.ones(100, np.int32))
    assert found.temperature == pytest.approx(10, abs=0.01)
    assert np.isfinite(tempered(certain, found.temperature)).all()


def test_tempering_keeps_the_answers_and_sums_to_one() -> None:
    honest, _ = drawn(500, 8)
    for temperature in (0.3, 2.5):
        changed = tempered(honest, temperature)
        np.testing.assert_array_equal(changed.argmax(axis=1), honest.argmax(axis=1))
        np.testing.assert_allclose(changed.sum(axis=1), 1, atol=1e-5)
        assert changed.dtype == np.float32


def test_reliability_against_a_worked_example() -> None:
    probabilities = np.array([[7, 1], [7, 1], [5, 3], [3, 5]], np.float32) / 8
    labels = np.array([0, 1, 0, 1], np.int32)
    found = reliability(probabilities, labels, bins=8)
    rows = {(each.low, each.high): each for each in found.bins if each.rows}
    assert set(rows) == {(0.75, 0.875), (0.5, 0.625)}  # a bin holds its upper edge
    assert rows[0.75, 0.875].confidence == 0.875
    assert rows[0.75, 0.875].accuracy == 0.5
    assert rows[0.5, 0.625].accuracy == 1.0
    assert found.ece == pytest.approx((2 * 0.375 + 2 * 0.375) / 4)
    expected = -np.log([7 / 8, 1 / 8, 5 / 8, 5 / 8]).mean()
    assert found.log_loss == pytest.approx(expected, abs=1e-6)
    assert all(each.confidence is None for each in found.bins if not each.rows)


def test_a_model_that_is_certain_and_right_has_a_loss_of_plain_zero() -> None:
    certain = np.array([[1, 0], [0, 1]], np.float32)
    assert str(reliability(certain, np.array([0, 1], np.int32)).log_loss) == "0.0"
