"""Back to the champion, with its own config, and see that it answers."""

from __future__ import annotations

import math
from dataclasses import replace

from chalicelib.aws.endpoints import Endpoint, EndpointStatus, Serverless
from chalicelib.aws.registry import Approval, Package
from chalicelib.datasets.hosting import deployment, hosting, watching
from chalicelib.datasets.hosting.deployment import BROKEN, LOOK_AGAIN, SETTLE_SECONDS
from chalicelib.datasets.hosting.hosting import Hosted
from chalicelib.datasets.hosting.live import Champion
from chalicelib.datasets.parts import Parts
from chalicelib.datasets.state import Move, State, go, rest
from chalicelib.errors import LimitReached, RequestRefused, ResourceNotFound

ASKS = 3  # of SageMaker, for the champion's config
_LENT = "approved_until_live"  # property of a rejected champion that is being brought back
ASK_AGAIN = 300  # s; where the account has reached a limit


def deploy(parts: Parts, state: State) -> Move:
    """The step of Deploying: forwards, or back to the champion."""
    return deployment.deploy(parts, state) if state.because is None else step(parts, state)


def step(parts: Parts, state: State) -> Move:
    """The live endpoint serves the champion again, or it is said that it does not."""
    champion = state.champion
    assert champion is not None
    try:
        return _step(parts, state, champion)
    except ResourceNotFound as error:
        return deployment.missing(parts, state, error) or _lost(parts, state, champion, str(error))
    except (RequestRefused, LimitReached) as error:
        return _refused(parts, state, champion, error)


def _refused(parts: Parts, state: State, champion: Champion, error: Exception) -> Move:
    """A limit may pass, and nothing else would bring the champion back."""
    if isinstance(error, LimitReached) and state.tries + 1 < ASKS:
        return rest(replace(state, tries=state.tries + 1), wake=ASK_AGAIN)
    return _lost(parts, state, champion, f"SageMaker refuses it: {error}")


def _step(  # noqa: PLR0911 - one a state of the endpoint
    parts: Parts, state: State, champion: Champion
) -> Move:
    name = parts.names.endpoint(state.dataset)
    endpoint = parts.endpoints.describe(name)
    if endpoint is None:
        _allow(parts, champion)
        _ensure(parts, state, champion)
        parts.endpoints.create(name, champion.served_by, parts.tags(state.dataset))
        return rest(deployment.asked(parts, state), wake=LOOK_AGAIN)
    if endpoint.status in BROKEN:
        return _anew(parts, state, champion, endpoint)
    if endpoint.status != EndpointStatus.IN_SERVICE:
        known = deployment.on_its_way(parts, state, endpoint, champion.served_by)
        return rest(known, wake=LOOK_AGAIN)
    if endpoint.config != champion.served_by:
        return _change(parts, state, champion, endpoint)
    wrong = deployment.answered(parts, state, name, champion.training_job)
    if isinstance(wrong, Move):
        return wrong
    if wrong:
        return _lost(parts, state, champion, wrong)
    _disallow(parts, champion)
    reason = f"{state.because}; {champion.training_job} is live as before"
    return go(deployment.fail(parts, state, reason))


def _ensure(parts: Parts, state: State, champion: Champion) -> None:
    """Its config is there, unless somebody deleted it."""
    capacity = (
        hosting.by_default(parts.settings)
        if champion.hosting is None
        else hosting.from_json(champion.hosting)
    )
    model = Hosted(champion.training_job, champion.model_package_arn, champion.served_by, capacity)
    hosting.ensure(parts, state.dataset, model)


def _allow(parts: Parts, champion: Champion) -> None:
    """SageMaker deploys no model that is rejected, not even one that is to stay live until people
    roll back. Its status alone changes, and only until it is live again."""
    package = parts.registry.describe(champion.model_package_arn)
    if package is not None and package.approval == Approval.REJECTED:
        _say(parts, package, Approval.APPROVED)


def _disallow(parts: Parts, champion: Champion) -> None:
    package = parts.registry.describe(champion.model_package_arn)
    if package is not None and _LENT in package.properties:
        _say(parts, package, Approval.REJECTED)


def _say(parts: Parts, package: Package, approval: Approval) -> None:
    lent = approval is Approval.APPROVED
    parts.registry.decide(
        package.arn,
        approval,
        package.description or str(Approval.REJECTED),
        {_LENT: "true"} if lent else None,
        () if lent else (_LENT,),
    )


def _change(parts: Parts, state: State, champion: Champion, endpoint: Endpoint) -> Move:
    if state.asked_at is not None:
        left = SETTLE_SECONDS - parts.seconds_since(state.asked_at)
        if left > 0 and not endpoint.reason:
            return rest(state, wake=math.ceil(left))
        if state.tries + 1 >= ASKS:
            why = f"{endpoint.name} stays with {endpoint.config}: {endpoint.reason}"
            return _lost(parts, state, champion, why)
        return go(replace(state, asked_at=None, tries=state.tries + 1))
    _ensure(parts, state, champion)
    to_serverless = isinstance(parts.endpoints.capacity(champion.served_by), Serverless)
    if to_serverless and not endpoint.serverless:
        return _anew(parts, state, champion, endpoint)
    _allow(parts, champion)
    parts.endpoints.update(endpoint.name, champion.served_by)
    return rest(deployment.asked(parts, state), wake=LOOK_AGAIN)


def _anew(parts: Parts, state: State, champion: Champion, endpoint: Endpoint) -> Move:
    """What failed takes no update, and what runs on instances none to serverless."""
    if endpoint.status in BROKEN and state.asked_at is not None:
        if state.tries + 1 >= ASKS:
            why = f"{endpoint.name} is {endpoint.status}: {endpoint.reason}"
            return _lost(parts, state, champion, why)
        return go(replace(state, asked_at=None, tries=state.tries + 1))
    if not state.stand_in and deployment.stand_in(parts, state):
        return go(replace(state, stand_in=True))
    parts.endpoints.delete(endpoint.name)
    return rest(state, wake=LOOK_AGAIN)


def _lost(parts: Parts, state: State, champion: Champion, why: str) -> Move:
    """Nothing more can be done without people."""
    _disallow(parts, champion)
    name = parts.names.endpoint(state.dataset)
    reason = (
        f"{state.because}; and the champion {champion.training_job} could not be brought back: "
        f"{why}. See the log group /aws/sagemaker/Endpoints/{name}"
    )
    parts.logger.error("the champion does not answer", dataset=state.dataset, reason=reason)
    lost = deployment.fail(parts, replace(state, recalled=False), reason)
    problem = watching.told(state, champion, f"{champion.training_job} could not be brought back")
    return go(replace(lost, stand_in=state.stand_in, live_problem=problem))
