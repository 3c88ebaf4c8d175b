"""Does an endpoint answer a model's golden images as Keras did?"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from chalicelib import names
from chalicelib.aws.endpoints import Runtime
from chalicelib.datasets.artifact import Golden, read_golden
from chalicelib.datasets.parts import Parts
from chalicelib.errors import InputRefused, ModelError, ResourceNotFound, Unavailable

TOLERANCE = 1e-3  # of a probability: ONNX Runtime against Keras


class Mismatch(Exception):
    """The endpoint does not answer as Keras did, and will not."""


class NotYet(Exception):
    """The endpoint does not answer yet: a cold start, or the former model still."""


@dataclass(frozen=True)
class Model:
    """Whose golden images they are: a training job, and what its answers carry as
    `model_version`."""

    dataset: str
    job: str

    @property
    def version(self) -> str:
        return "-".join(self.job.rsplit("-", 2)[1:])


def check(parts: Parts, endpoint: str, model: Model) -> None:
    """Ask all golden images. Raises Mismatch or NotYet."""
    try:
        images = read_golden(parts.storage, names.model_key(model.dataset, model.job))
    except InputRefused as error:
        raise Mismatch(str(error)) from error
    for golden in images:
        _check_answer(_ask(parts.runtime, endpoint, golden), golden, model.version)


def _ask(runtime: Runtime, endpoint: str, golden: Golden) -> Any:
    try:
        answer = runtime.invoke(endpoint, golden.png, "application/x-image", "application/json")
        return json.loads(answer.body)
    except ModelError as error:
        if 400 <= error.status < 500 and error.status != 429:
            raise Mismatch(f"it refuses a golden image: {error.body or error}") from error
        raise NotYet(str(error)) from error
    except (ResourceNotFound, Unavailable) as error:
        raise NotYet(str(error)) from error
    except ValueError as error:
        raise Mismatch(f"its answer is not JSON: {error}") from error


def _check_answer(answer: Any, golden: Golden, version: str) -> None:
    """Raises Mismatch, or NotYet while the former model still answers."""
    try:
        given = {str(name): float(p) for name, p in answer["probabilities"].items()}
        model_version = str(answer["model_version"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Mismatch(f"its answer lacks probabilities or model_version: {error}") from error
    if model_version != version:
        raise NotYet(f"model {model_version} answers, not {version}")
    if given.keys() != golden.probabilities.keys():
        raise Mismatch("its classes are not those of the model")
    apart = max(abs(given[name] - p) for name, p in golden.probabilities.items())
    if not apart <= TOLERANCE:
        raise Mismatch(f"probabilities are {apart:.4f} apart from Keras', over {TOLERANCE}")
