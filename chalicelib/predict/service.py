"""Ask the champion."""

from __future__ import annotations

from chalicelib import names
from chalicelib.aws.endpoints import Answer, Runtime
from chalicelib.errors import ModelError, ModelNotReady, ResourceNotFound, Throttled, Unavailable
from chalicelib.predict import payload
from chalicelib.predict.choice import Choice


class Predictor:
    """Flow 2. `runtime` has a read timeout below API Gateway's 29 s."""

    def __init__(self, stage: str, choice: Choice, runtime: Runtime) -> None:
        self._names = names.SageMakerNames(stage)
        self._choice = choice
        self._runtime = runtime

    def predict(self, dataset: str | None, body: bytes, content_type: str) -> Answer:
        """The container's own answer.

        Raises what `payload.read` and `Choice.champion` raise, ModelError for a request that the
        container refused (4xx, with its JSON), and Unavailable for all that is worth another try.
        """
        asked = payload.read(body, content_type)
        champion = self._choice.champion(dataset)
        endpoint = self._names.endpoint(champion.dataset)
        try:
            return self._runtime.invoke(endpoint, asked.body, asked.content_type, payload.JSON)
        except ModelError as error:
            if 400 <= error.status < 500:
                raise
            raise Unavailable(
                f"The model of {champion.dataset} failed on this request (status {error.status}). "
                "Try again in a few seconds; if it stays so, look into the log group "
                f"/aws/sagemaker/Endpoints/{endpoint}."
            ) from error
        except ResourceNotFound as error:
            raise Unavailable(
                f"{champion.dataset} has a model, but its endpoint {endpoint} is not there: "
                "try again in a few minutes. Where somebody deleted it, "
                f"POST /datasets/{champion.dataset}/retrain makes it anew."
            ) from error
        except ModelNotReady as error:
            raise ModelNotReady(
                f"The model of {champion.dataset} is starting, as it does after a time without "
                "calls: try again in a few seconds."
            ) from error
        except Throttled as error:
            raise Throttled(
                f"More calls at once than the endpoint of {champion.dataset} takes: "
                "try again in a second."
            ) from error
        except Unavailable as error:
            raise Unavailable(
                f"The model of {champion.dataset} did not answer in time, as it may after a time "
                "without calls: try again in a few seconds."
            ) from error
