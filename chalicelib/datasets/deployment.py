"""Verify before traffic, go live, verify again."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

from chalicelib import names
from chalicelib.aws.endpoints import Endpoint, EndpointStatus
from chalicelib.clock import iso
from chalicelib.datasets import hosting
from chalicelib.datasets.artifact import Golden, read_golden
from chalicelib.datasets.hosting import Hosted
from chalicelib.datasets.parts import Parts
from chalicelib.datasets.state import Champion, Move, Outcome, Phase, State, go, rest
from chalicelib.errors import InputRefused, ModelError, RequestRefused, Unavailable

TOLERANCE = 1e-3  # of a probability: ONNX Runtime against Keras
TRIES = 20
LOOK_AGAIN = 30  # s; state-change events come sooner, when they come
SETTLE_SECONDS = 30  # after UpdateEndpoint, until DescribeEndpoint is believed

_BROKEN = (
    EndpointStatus.FAILED,
    EndpointStatus.OUT_OF_SERVICE,
    EndpointStatus.UPDATE_ROLLBACK_FAILED,
)


class Mismatch(Exception):
    """The endpoint does not answer as Keras did."""


class NotYet(Exception):
    """The endpoint does not answer yet: a cold start, or the former model still."""


def verify(parts: Parts, state: State) -> Move:
    """A serverless endpoint `…-next` answers the golden images before anybody sees the model."""
    try:
        return _verify(parts, state)
    except RequestRefused as error:
        return go(_fail(parts, state, f"SageMaker refuses it: {error}"))


def _verify(parts: Parts, state: State) -> Move:
    job, name = state.training_job or "", parts.names.next_endpoint(state.dataset)
    endpoint = parts.endpoints.describe(name)
    if endpoint is None:
        _ensure_config(parts, state, job)
        parts.endpoints.create(name, job, parts.tags(state.dataset))
        return rest(replace(state, message=f"verifying {job} on {name}"), wake=LOOK_AGAIN)
    leftover = endpoint.config != job
    if endpoint.status in _BROKEN and not leftover:
        return go(_fail(parts, state, f"{name} did not start: {endpoint.reason}"))
    if endpoint.status in (*_BROKEN, EndpointStatus.IN_SERVICE) and leftover:
        parts.endpoints.delete(name)  # of a run that died; ours is made when it is gone
        return rest(state, wake=LOOK_AGAIN)
    if endpoint.status != EndpointStatus.IN_SERVICE:
        return rest(state, wake=LOOK_AGAIN)
    waiting = _answers(parts, state, name)
    if isinstance(waiting, Move):
        return waiting
    return go(
        replace(
            state,
            phase=Phase.DEPLOYING,
            tries=0,
            asked_at=None,
            message=f"{job} answers as Keras did: going live",
        )
    )


def deploy(parts: Parts, state: State) -> Move:
    """The live endpoint takes the new config, and answers the golden images itself."""
    try:
        return _deploy(parts, state)
    except RequestRefused as error:
        return go(_fail(parts, state, f"SageMaker refuses it: {error}"))


def _deploy(parts: Parts, state: State) -> Move:
    job, name = state.training_job or "", parts.names.endpoint(state.dataset)
    endpoint = parts.endpoints.describe(name)
    if endpoint is None:
        _ensure_config(parts, state, job)
        parts.endpoints.create(name, job, parts.tags(state.dataset))
        return rest(_asked(parts, state), wake=LOOK_AGAIN)
    if endpoint.status in _BROKEN:
        return _broken(parts, state, endpoint)
    if endpoint.status != EndpointStatus.IN_SERVICE:
        return rest(state, wake=LOOK_AGAIN)
    if endpoint.config != job:
        return _change(parts, state, endpoint)
    waiting = _answers(parts, state, name)
    return waiting if isinstance(waiting, Move) else go(_live(parts, state))


def _asked(parts: Parts, state: State) -> State:
    return replace(state, asked_at=iso(parts.clock()))


def _ensure_config(parts: Parts, state: State, job: str) -> None:
    capacity = hosting.by_default(parts.settings)
    hosting.ensure(parts, state.dataset, Hosted(job, state.package or "", job, capacity))


def _broken(parts: Parts, state: State, endpoint: Endpoint) -> Move:
    """A live endpoint that failed takes no update. One that never served is made anew."""
    if state.asked_at is None and endpoint.status != EndpointStatus.UPDATE_ROLLBACK_FAILED:
        parts.endpoints.delete(endpoint.name)
        return rest(state, wake=LOOK_AGAIN)
    if state.champion is None:
        parts.endpoints.delete(endpoint.name)
    return go(_fail(parts, state, f"{endpoint.name} is {endpoint.status}: {endpoint.reason}"))


def _change(parts: Parts, state: State, endpoint: Endpoint) -> Move:
    """In service with another config: ask for ours; once asked, this is a silent rollback."""
    job = state.training_job or ""
    if state.asked_at is None:
        _ensure_config(parts, state, job)
        parts.endpoints.update(endpoint.name, job)
        return rest(_asked(parts, state), wake=LOOK_AGAIN)
    left = SETTLE_SECONDS - parts.seconds_since(state.asked_at)
    if left > 0 and not endpoint.reason:
        return rest(state, wake=math.ceil(left))
    reason = (
        f"{endpoint.name} went back to {endpoint.config} by itself: "
        f"{endpoint.reason or 'SageMaker gave no reason'}"
    )
    return go(_fail(parts, state, reason))


def _live(parts: Parts, state: State) -> State:
    job = state.training_job or ""
    accuracy = _accuracy(parts, state)
    parts.endpoints.delete(parts.names.next_endpoint(state.dataset))
    champion = Champion(
        version=state.version or "",
        training_job=job,
        model_package_arn=state.package or "",
        accuracy=accuracy,
        since=iso(parts.clock()),
    )
    measured = "" if accuracy is None else f": held-out accuracy {accuracy:.4f}"
    state = replace(state, champion=champion)
    return state.settle(Phase.LIVE, Outcome.LIVE, f"{job} is live{measured}")


def _accuracy(parts: Parts, state: State) -> float | None:
    package = parts.registry.describe(state.package or "")
    text = package.properties.get("accuracy") if package else None
    return None if text is None else float(text)


def _fail(parts: Parts, state: State, reason: str) -> State:
    """The champion stays; what verified the challenger goes."""
    parts.endpoints.delete(parts.names.next_endpoint(state.dataset))
    return state.settle(Phase.FAILED, Outcome.FAILED, f"not live: {reason}")


def _answers(parts: Parts, state: State, endpoint: str) -> Move | None:
    """None when the endpoint answers as Keras did; else what to do."""
    try:
        key = names.model_key(state.dataset, state.training_job or "")
        version = f"{(state.version or '')[:12]}-{state.attempt}"
        for golden in read_golden(parts.storage, key):
            _check_answer(_ask(parts, endpoint, golden), golden, version)
    except NotYet as error:
        if state.tries >= TRIES:
            return go(_back(parts, state, f"{endpoint} did not answer: {error}"))
        wake = min(LOOK_AGAIN, 2 + 2 * state.tries)
        return rest(replace(state, tries=state.tries + 1), wake=wake)
    except (Mismatch, InputRefused) as error:
        return go(_back(parts, state, f"{endpoint} is not what was trained: {error}"))
    return None


def _back(parts: Parts, state: State, reason: str) -> State:
    """The challenger is on the live endpoint and must not stay there."""
    if state.phase is Phase.DEPLOYING:
        live = parts.names.endpoint(state.dataset)
        if state.champion is None:
            parts.endpoints.delete(live)
        else:
            parts.endpoints.update(live, state.champion.training_job)
    return _fail(parts, state, reason)


def _ask(parts: Parts, endpoint: str, golden: Golden) -> Any:
    try:
        answer = parts.runtime.invoke(
            endpoint, golden.png, "application/x-image", "application/json"
        )
        return json.loads(answer.body)
    except ModelError as error:
        if 400 <= error.status < 500 and error.status != 429:
            raise Mismatch(f"it refuses a golden image: {error.body or error}") from error
        raise NotYet(str(error)) from error
    except Unavailable as error:
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
