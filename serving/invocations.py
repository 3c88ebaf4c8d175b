"""One call to /invocations, without the HTTP around it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from serving import answers, framing, images
from serving.errors import RequestError, SettingsError, StorageError
from serving.keys import FETCHERS, Classifier, Store
from serving.model import Model
from serving.payloads import KEYS_TYPE, media_type, parse
from serving.settings import Settings

QUICK_BYTES = 16 * 1024

log = logging.getLogger("serving")


@dataclass(frozen=True)
class Answer:
    """Status, media type and bytes of a response."""

    status: int
    body: bytes
    content_type: str = "application/json"


def s3_store(settings: Settings) -> Store:
    """The bucket of the environment. Raises SettingsError when it is not named, StorageError."""
    if not settings.bucket:
        raise SettingsError("PIGEONHOLE_BUCKET is not set: no keys can be read without it")
    # botocore takes longer to import than the server to start, and endpoints never need it.
    from serving import s3  # noqa: PLC0415

    return s3.connect(settings.bucket, FETCHERS)


class Invocations:
    """Answers bodies by their type. Calls may come from several threads at once."""

    def __init__(
        self,
        model: Model,
        settings: Settings,
        open_store: Callable[[Settings], Store] = s3_store,
    ) -> None:
        """`open_store` is called at the first request of keys, in batch mode alone."""
        self._model = model
        self._settings = settings
        self._open_store = open_store
        self._classifier: Classifier | None = None
        self._lock = Lock()

    def __call__(self, content_type: str, body: bytes) -> Answer:
        """The answer to `body`. Never raises: what goes wrong becomes a 4xx or 5xx with JSON."""
        kind = media_type(content_type)
        try:
            if kind == KEYS_TYPE and self._settings.batch:
                return Answer(200, self._keys().answer(body), "application/jsonlines")
            payload = parse(kind, body, self._model.signature, self._to_pixels)
            probabilities = self._model.probabilities(payload.rows)
            if payload.single:
                return Answer(200, answers.one(probabilities[0], self._model.signature))
            return Answer(200, answers.many(probabilities, self._model.signature))
        except RequestError as error:
            return Answer(error.status, answers.error(error.code, error.message))
        except (StorageError, SettingsError) as error:
            log.error("%s", error)
            return Answer(500, answers.error("storage_failed", str(error)))
        except Exception:  # a bug of ours must answer this request and leave the server up
            log.exception("failed on a body of %d bytes, type %r", len(body), kind)
            message = "The container failed on this request; its log says why."
            return Answer(500, answers.error("internal_error", message))

    def is_quick(self, content_type: str, body: bytes) -> bool:
        """Whether a call takes a millisecond or two: a few rows, or a PNG of the model's own size.

        Such a call is not worth a thread; the answer errs towards False.
        """
        if len(body) > QUICK_BYTES or not self._model.quick:
            return False
        signature = self._model.signature
        if media_type(content_type) in ("application/x-npy", "text/csv"):
            return True
        own_size = images.png_size(body) == (signature.width, signature.height)
        return own_size and media_type(content_type) != KEYS_TYPE

    def _to_pixels(self, body: bytes) -> NDArray[np.uint8]:
        image = images.decode(body)
        signature = self._model.signature
        exact = framing.untouched(image, signature)
        return exact if exact is not None else framing.to_input(image, signature, self._fill)

    @cached_property
    def _fill(self) -> float:
        """How much of the frame the model's own figures take, looked up at the first photograph."""
        pictures = (images.decode(png) for png in self._model.golden)
        signature = self._model.signature
        own = (framing.untouched(picture, signature) for picture in pictures)
        return framing.typical_fill([picture for picture in own if picture is not None], signature)

    def _keys(self) -> Classifier:
        with self._lock:
            if self._classifier is None:
                if not self._settings.prefix:
                    raise SettingsError("PIGEONHOLE_PREFIX is not set: no keys are read without it")
                self._classifier = Classifier(
                    self._open_store(self._settings),
                    self._settings.prefix,
                    self._model,
                    self._to_pixels,
                    self._settings.workers,
                )
            return self._classifier
