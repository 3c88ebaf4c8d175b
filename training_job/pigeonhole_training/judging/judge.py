"""A trained network, judged: calibrated first, then asked about every row that was held out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pigeonhole_training.data.rows import Probabilities
from pigeonhole_training.data.split import Split
from pigeonhole_training.export.served import in_float32, with_temperature
from pigeonhole_training.judging.calibrate import Calibration, fit_temperature, tempered
from pigeonhole_training.judging.exact import full_precision
from pigeonhole_training.judging.predict import predict
from pigeonhole_training.progress import StopFlag

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Calibrated:
    """`model` as it is served: in float32, the temperature inside. `validation` are its
    probabilities of the rows that the temperature was fitted on."""

    model: keras.Model
    calibration: Calibration
    validation: Probabilities


def calibrate(model: keras.Model, split: Split, stop: StopFlag) -> Calibrated:
    """Fits a temperature on the validation rows, which fitted no weight and judge nothing.

    Raises Stopped.
    """
    model = in_float32(model)
    with full_precision():
        plain = predict(model, split.validation, stop)
    if split.validation is split.training:
        reason = "so few rows are there that none is left to fit a temperature on"
        return Calibrated(model, Calibration(1.0, 0, reason), plain)
    calibration = fit_temperature(plain, split.validation.labels)
    temperature = calibration.temperature
    served = with_temperature(model, temperature)
    return Calibrated(served, calibration, tempered(plain, temperature))


def judge(calibrated: Calibrated, split: Split, stop: StopFlag) -> Probabilities:
    """What the model as it is served answers to the held-out rows. Raises Stopped."""
    with full_precision():
        return predict(calibrated.model, split.heldout, stop)
