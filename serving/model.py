"""The model: loads and checks the artifact, and turns pixels into probabilities."""

from __future__ import annotations

import base64
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from serving.errors import ArtifactError

FORMATS = (1, 2)
APPLIES_TEMPERATURE = 1  # the format whose model.onnx answers before the temperature
QUICK_SECONDS = 0.001  # of one image; see Model.quick
CHUNK = 64  # rows a call at most: larger calls are no faster and fall out of the cache
CALL_VALUES = 1 << 20  # pixel values a call: 64 rows of 224 x 224 x 3 take 0.8 GB, 6 as little as 1
LEAST = 16  # rows a call: fewer are not worth a thread
FOREGROUNDS = ("light", "dark", "unknown")


@dataclass(frozen=True)
class Signature:
    """What `model.json` says about the model; images are `height` x `width` x `channels`.

    `temperature` is what remains to be applied: 1 where model.onnx has it inside (format 2).
    """

    height: int
    width: int
    channels: int
    foreground: str
    classes: tuple[str, ...]
    temperature: float
    dataset: str
    model_version: str

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C) of one image."""
        return (self.height, self.width, self.channels)

    @property
    def pixels(self) -> int:
        """Values in one image: H * W * C."""
        return self.height * self.width * self.channels


class Model:
    """A loaded artifact. `probabilities` may be called from many threads at once. `quick` says that
    an image takes less time than handing it to a thread is worth."""

    def __init__(self, folder: Path, workers: int) -> None:
        """Load and try the artifact in `folder`. Raises ArtifactError that says what is wrong."""
        self._folder = folder
        self._workers = workers
        self.signature = _signature(folder / "model.json")
        self._session = _session(folder / "model.onnx")
        self._input, self._output = _names(self._session, self.signature)
        # One thread a call and many calls at once beats many threads a call: 21,000 rows a second
        # against 13,000 on two cores, and single images are not slowed by hand-over.
        self._pool = ThreadPoolExecutor(workers, "inference") if workers > 1 else None
        self.quick = self._try() < QUICK_SECONDS

    def probabilities(self, images: NDArray[Any]) -> NDArray[np.float64]:
        """Probabilities (N, classes) of `images` (N, H, W, C), values 0-255 of any number type."""
        most = min(CHUNK, max(1, CALL_VALUES // self.signature.pixels))
        size = min(max(-(-len(images) // self._workers), LEAST), most)
        chunks = [images[start : start + size] for start in range(0, len(images), size)]
        if self._pool is None or len(chunks) == 1:
            parts = [self._run(chunk) for chunk in chunks]
        else:
            parts = list(self._pool.map(self._run, chunks))
        return _tempered(np.concatenate(parts), self.signature.temperature)

    def _run(self, images: NDArray[Any]) -> NDArray[np.float32]:
        feed = {self._input: np.ascontiguousarray(images, dtype=np.float32)}
        answer: NDArray[np.float32] = self._session.run([self._output], feed)[0]
        return answer

    def _try(self) -> float:
        """Seconds that one image takes. Warms the session up and shows what is no classifier."""
        blank = np.zeros((2, *self.signature.shape), np.float32)
        try:
            answer = self._run(blank)
        except Exception as error:  # onnxruntime raises many kinds, all of them about the model
            raise ArtifactError(f"model.onnx does not run on a blank image: {error}") from error
        expected = (2, len(self.signature.classes))
        if answer.shape != expected or not np.allclose(answer.sum(axis=1), 1, atol=1e-3):
            raise ArtifactError(
                f"model.onnx answers {answer.shape} for two images; model.json promises "
                f"probabilities {expected} that sum to 1"
            )
        start = time.perf_counter()
        self._run(blank[:1])
        return time.perf_counter() - start

    @cached_property
    def golden(self) -> list[bytes]:
        """PNG bytes of the artifact's golden images: what the model's own pictures look like."""
        path = self._folder / "golden.jsonl"
        if not path.is_file():
            return []
        lines = path.read_text(encoding="utf-8").splitlines()
        return [base64.b64decode(json.loads(line)["png"]) for line in lines if line.strip()]


def _signature(path: Path) -> Signature:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ArtifactError(
            f"{path.parent} is no model artifact: {path.name} is missing. Unpack the model.tar.gz "
            "of a training job there, or set SM_MODEL_DIR to where it is"
        ) from error
    except ValueError as error:
        raise ArtifactError(f"{path} is no JSON: {error}") from error
    try:
        if content["format"] not in FORMATS:
            raise ArtifactError(
                f"{path} has format {content['format']!r}; this container serves "
                f"{' and '.join(map(str, FORMATS))}. Deploy a newer serving image"
            )
        shape = content["input"]
        signature = Signature(
            height=int(shape["height"]),
            width=int(shape["width"]),
            channels=int(shape["channels"]),
            foreground=str(shape["foreground"]),
            classes=tuple(str(name) for name in content["classes"]),
            temperature=(
                float(content.get("temperature", 1.0))
                if content["format"] == APPLIES_TEMPERATURE
                else 1.0
            ),
            dataset=str(content["dataset"]),
            model_version=model_version(str(content["training_job"])),
        )
        value_range = list(shape.get("range", [0, 255]))
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{path} lacks or mistypes {error}") from error
    _check(path, signature, value_range)
    return signature


def _check(path: Path, signature: Signature, value_range: list[Any]) -> None:
    if min(signature.shape) < 1 or signature.channels not in (1, 3):
        raise ArtifactError(f"{path}: input {signature.shape} is no grey (1) or colour (3) image")
    if value_range != [0, 255]:
        raise ArtifactError(
            f"{path}: range {value_range}; rescaling from 0-255 belongs in the model"
        )
    if signature.foreground not in FOREGROUNDS:
        raise ArtifactError(f"{path}: foreground {signature.foreground!r} is none of {FOREGROUNDS}")
    if len(signature.classes) < 2 or len(set(signature.classes)) != len(signature.classes):
        raise ArtifactError(f"{path}: a classifier has at least two classes, each named once")
    if not 0 < signature.temperature < float("inf"):
        raise ArtifactError(f"{path}: temperature {signature.temperature} is not above 0")


def _session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors alone
    if not path.is_file():
        raise ArtifactError(f"{path.parent} is no model artifact: {path.name} is missing")
    try:
        # by name, not by bytes: these would be in memory twice while the session is made
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own kinds share no public base
        raise ArtifactError(f"{path} cannot be loaded by ONNX Runtime: {error}") from error


def _names(session: onnxruntime.InferenceSession, signature: Signature) -> tuple[str, str]:
    """Names of the one input and the first output, after a look at the input's type and shape."""
    inputs = session.get_inputs()
    found = [(value.type, value.shape) for value in inputs]
    fits = len(inputs) == 1 and inputs[0].type == "tensor(float)" and len(inputs[0].shape) == 4
    # A dynamic dimension is a string or None; only the batch dimension must be one.
    if (
        not fits
        or isinstance(inputs[0].shape[0], int)
        or any(
            isinstance(have, int) and have != want
            for have, want in zip(inputs[0].shape[1:], signature.shape, strict=True)
        )
    ):
        raise ArtifactError(
            f"model.onnx takes {found}; model.json promises one float32 input "
            f"(N, {signature.height}, {signature.width}, {signature.channels})"
        )
    return inputs[0].name, session.get_outputs()[0].name


def _tempered(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float64]:
    """p^(1/T), normalised: softmax(logits / T) computed from softmax(logits).

    Temperature scaling after Guo et al., "On Calibration of Modern Neural Networks" (2017).
    """
    exact = probabilities.astype(np.float64)
    if temperature == 1.0:
        return exact
    logs = np.log(np.maximum(exact, np.finfo(np.float64).tiny)) / temperature
    powers = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def model_version(training_job: str) -> str:
    """`<hash12>-<attempt>` at the end of a training job's name; any other name stays whole."""
    found = re.search(r"(?:^|-)([0-9a-f]{12}-\d+)$", training_job)
    return found.group(1) if found else training_job
