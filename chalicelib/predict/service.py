"""Ask the champion."""

from __future__ import annotations

from collections.abc import Callable

from chalicelib.aws.endpoints import Answer, Runtime
from chalicelib.errors import ModelError, ModelNotReady, ResourceNotFound, Throttled, Unavailable
from chalicelib.predict import payload
from chalicelib.predict.choice import Champion, Choice
from chalicelib.predict.patience import Patience
from chalicelib.predict.payload import Payload


class Predictor:
    """Flow 2. `runtime` gives one whose calls end within so many seconds.

    An endpoint starts, is throttled, or changes models: what passes is asked again for as long as
    the caller can wait, and whom to ask is looked up each time.
    """

    def __init__(
        self, choice: Choice, runtime: Callable[[float], Runtime], patience: Patience | None = None
    ) -> None:
        self._choice = choice
        self._runtime = runtime
        self._patience = patience or Patience()

    def predict(self, dataset: str | None, body: bytes, content_type: str) -> Answer:
        """The container's own answer.

        Raises what `payload.read` and `Choice.champion` raise, ModelError for a request that the
        container refused (4xx, with its JSON), and Unavailable for all that is worth another try.
        """
        asked = payload.read(body, content_type)
        return self._patience.ask(lambda left: self._ask(dataset, asked, left))

    def _ask(self, dataset: str | None, asked: Payload, seconds: float) -> Answer:
        champion = self._choice.champion(dataset)
        runtime = self._runtime(seconds)
        try:
            return runtime.invoke(champion.endpoint, asked.body, asked.content_type, payload.JSON)
        except ModelError as error:
            if 400 <= error.status < 500 and error.status != 429:
                raise
            raise _told(champion, error) from error
        except (ResourceNotFound, Unavailable) as error:
            raise _told(champion, error) from error


def _told(champion: Champion, error: Exception) -> Unavailable:
    """The error in words for people, of the kind that says how soon to come back."""
    whose, endpoint = champion.dataset, champion.endpoint
    if isinstance(error, ModelError):
        return Unavailable(
            f"The model of {whose} failed on this request (status {error.status}). "
            "Try again in a few seconds; if it stays so, look into the log group "
            f"/aws/sagemaker/Endpoints/{endpoint}."
        )
    if isinstance(error, ResourceNotFound):
        return Unavailable(
            f"{whose} has a model, but its endpoint {endpoint} is not there: "
            "try again in a few minutes. Where somebody deleted it, "
            f"`pigeonhole rollback {whose} {champion.training_job}` makes it anew."
        )
    if isinstance(error, ModelNotReady):
        return ModelNotReady(
            f"The model of {whose} is starting, as it does after a time without "
            "calls: try again in a few seconds."
        )
    if isinstance(error, Throttled):
        return Throttled(
            f"More calls at once than the endpoint of {whose} takes: try again in a second."
        )
    return Unavailable(
        f"The model of {whose} did not answer in time, as it may after a time without "
        "calls: try again in a few seconds."
    )
