"""The network as it is served, whatever its last layer is and in whatever it was trained."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from pigeonhole_training.data.rows import Pool
from pigeonhole_training.data.split import Split
from pigeonhole_training.errors import BadExport, Stopped
from pigeonhole_training.export.convert import convert
from pigeonhole_training.export.export import export
from pigeonhole_training.export.onnx_model import OnnxModel, check_export
from pigeonhole_training.export.served import in_float32, with_temperature
from pigeonhole_training.judging.calibrate import tempered
from pigeonhole_training.judging.exact import full_precision
from pigeonhole_training.judging.judge import calibrate, judge
from pigeonhole_training.judging.predict import predict
from pigeonhole_training.models.default import build_network
from pigeonhole_training.progress import StopFlag

PIXELS = np.random.default_rng(0).integers(0, 256, (700, 4, 4, 1), dtype=np.uint8)
LABELS = np.random.default_rng(1).integers(0, 3, 700).astype(np.int32)
ROWS = Pool.of(PIXELS, LABELS).rows()


def small(end: str) -> keras.Model:
    """A classifier of 4 x 4 grey images into three whose last layer is `end`."""
    keras.utils.set_random_seed(1)
    image = keras.Input((4, 4, 1), name="image")
    x = layers.Flatten()(layers.Rescaling(1 / 16)(image))
    if end == "wide":  # with enough weights for half of their bytes to be worth something
        x = layers.Dense(64, "relu")(x)
    if end in ("dense", "wide"):
        return keras.Model(image, layers.Dense(3, "softmax", name="probabilities")(x))
    x = layers.Dense(3)(x)
    if end == "activation":
        return keras.Model(image, layers.Activation("softmax", name="probabilities")(x))
    if end == "softmax":
        return keras.Model(image, layers.Softmax(name="probabilities")(x))
    if end == "operation":
        return keras.Model(image, keras.ops.softmax(x))
    parts = [keras.Input((4, 4, 1)), layers.Rescaling(1 / 16), layers.Flatten()]
    return keras.Sequential([*parts, layers.Dense(3, "softmax")])


@pytest.mark.parametrize("end", ["dense", "activation", "softmax", "operation", "sequential"])
def test_a_temperature_divides_the_logits_whatever_the_last_layer_is(end: str) -> None:
    model = small(end)
    plain = predict(model, ROWS, StopFlag())
    served = with_temperature(model, 2.5)
    np.testing.assert_allclose(predict(served, ROWS, StopFlag()), tempered(plain, 2.5), atol=1e-6)
    np.testing.assert_array_equal(predict(model, ROWS, StopFlag()), plain)  # it is left as it was
    assert "temperature" in [layer.name for layer in served.layers]
    assert with_temperature(model, 1.0) is model


@pytest.mark.parametrize(("quantize", "precision"), [("none", "float32"), ("fp16", "float16")])
def test_the_calibrated_network_is_what_both_files_hold(
    tmp_path: Path, quantize: str, precision: str
) -> None:
    served = with_temperature(small("wide"), 2.5)
    ours = predict(served, ROWS, StopFlag())
    exported = export(
        served, tmp_path, quantize=quantize, training=ROWS, heldout=ROWS, answers=ours
    )
    assert exported.difference < 1e-5
    assert exported.choice.precision == precision
    # what is judged and shown as golden is what the file answers
    np.testing.assert_allclose(
        exported.heldout, OnnxModel(tmp_path / "model.onnx").predict(ROWS), atol=1e-5
    )
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(predict(loaded, ROWS, StopFlag()), ours)


@pytest.mark.filterwarnings("error:The structure of")
def test_a_calibrated_network_takes_an_array_as_it_did_before() -> None:
    served = with_temperature(small("dense"), 2.5)
    assert np.asarray(served(PIXELS[:2].astype(np.float32))).shape == (2, 3)


def test_rows_are_answered_in_order_however_they_are_cut() -> None:
    model = small("dense")
    at_once = np.asarray(model(PIXELS.astype(np.float32)))
    np.testing.assert_allclose(predict(model, ROWS, StopFlag()), at_once, atol=1e-6)


def test_a_stop_ends_a_long_prediction() -> None:
    stop = StopFlag()
    stop.set()
    with pytest.raises(Stopped):
        predict(small("dense"), ROWS, stop)


def test_a_network_of_mixed_precision_is_served_in_float32() -> None:
    from pigeonhole_training.data.version import Shape  # noqa: PLC0415

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = build_network(Shape(12, 12, 1), 3)
    finally:
        keras.config.set_dtype_policy(before)
    pixels = np.random.default_rng(0).integers(0, 256, (8, 12, 12, 1), dtype=np.uint8)
    rows = Pool.of(pixels, np.zeros(8, np.int32)).rows()
    wide = in_float32(mixed)
    assert {layer.compute_dtype for layer in wide.layers} == {"float32"}
    exact, rounded = predict(wide, rows, StopFlag()), predict(mixed, rows, StopFlag())
    np.testing.assert_allclose(exact, rounded, atol=0.02)
    assert not np.array_equal(exact, rounded)
    assert in_float32(wide) is wide


def test_the_temperature_is_fitted_on_the_validation_rows_alone() -> None:
    model = with_temperature(small("dense"), 4)
    honest = predict(model, ROWS, StopFlag())
    sides = np.random.default_rng(0).random((len(honest), 1))
    drawn = (honest.cumsum(axis=1) < sides).sum(axis=1).clip(0, 2)
    half = np.arange(350)
    pool = Pool.of(PIXELS, drawn.astype(np.int32))
    sure = with_temperature(model, 0.4)  # more sure of itself than it should be
    split = Split(pool.rows(half[:10]), pool.rows(half), pool.rows(half + 350), "split")
    found = calibrate(sure, split, StopFlag())
    assert found.calibration.temperature == pytest.approx(2.5, rel=0.2)
    assert found.calibration.rows == 350
    heldout = judge(found, split, StopFlag())
    np.testing.assert_allclose(
        heldout, tempered(honest[350:], found.calibration.temperature * 0.4), atol=1e-5
    )
    np.testing.assert_allclose(
        found.validation, tempered(honest[:350], found.calibration.temperature * 0.4), atol=1e-5
    )


def test_rows_that_were_fitted_do_not_calibrate() -> None:
    split = Split(ROWS, ROWS, ROWS, "split")  # too few rows to put any aside
    found = calibrate(small("dense"), split, StopFlag())
    assert (found.calibration.temperature, found.calibration.rows) == (1.0, 0)
    assert "so few rows" in found.calibration.reason


def test_another_backends_model_is_exported_by_a_process_with_tensorflow(tmp_path: Path) -> None:
    served = with_temperature(small("dense"), 2.5)
    ours = predict(served, ROWS, StopFlag())
    served.save(tmp_path / "model.keras")
    convert(tmp_path / "model.keras", tmp_path / "model.onnx")
    assert check_export(ours, OnnxModel(tmp_path / "model.onnx").predict(ROWS)) < 1e-5
    with pytest.raises(BadExport, match="cannot be exported"):
        convert(tmp_path / "missing.keras", tmp_path / "model.onnx")


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's own switch")
def test_a_gpu_does_not_round_while_the_model_is_judged() -> None:
    import tensorflow as tf  # noqa: PLC0415

    rounds = tf.config.experimental.tensor_float_32_execution_enabled
    before = rounds()
    with full_precision():
        assert not rounds()
    assert rounds() == before
