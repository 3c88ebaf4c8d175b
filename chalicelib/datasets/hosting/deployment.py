"""Verify before traffic, go live, verify again.

`…-next`, serverless, answers the golden images first. Then the live endpoint takes the model's
config by UpdateEndpoint, which leaves no gap, and answers them itself. What fails after that goes
back to the champion (`restoring.py`).

SageMaker updates a serverless endpoint to instances, and none on instances to serverless: that
takes a new endpoint of the same name. Until it is there `…-next`, which serves that very model,
stands in for it: the status names it as the endpoint, and the API asks it.
"""

from __future__ import annotations

import math
from dataclasses import replace

from chalicelib.aws.endpoints import Endpoint, EndpointStatus, Serverless
from chalicelib.clock import iso
from chalicelib.datasets import changes
from chalicelib.datasets.content import look
from chalicelib.datasets.gate import people
from chalicelib.datasets.gate.deciding import PersonsWord
from chalicelib.datasets.hosting import answers, hosting
from chalicelib.datasets.hosting.answers import Mismatch, Model, NotYet
from chalicelib.datasets.hosting.hosting import Hosted
from chalicelib.datasets.hosting.live import Champion, after
from chalicelib.datasets.parts import Parts
from chalicelib.datasets.state import Move, Outcome, Phase, State, go, rest
from chalicelib.errors import LimitReached, RequestRefused, ResourceNotFound

TRIES = 20
TRIES_OF_MISSING = 3
LOOK_AGAIN = 30  # s; state-change events come sooner, when they come
LEFTOVERS = 2  # of a deployment: see `tidying.py`
SETTLE_SECONDS = 30  # after UpdateEndpoint, until DescribeEndpoint is believed

BROKEN = (
    EndpointStatus.FAILED,
    EndpointStatus.OUT_OF_SERVICE,
    EndpointStatus.UPDATE_ROLLBACK_FAILED,
)


def verify(parts: Parts, state: State) -> Move:
    """A serverless endpoint `…-next` answers the golden images before anybody sees the model."""
    try:
        if state.config is None or parts.names.parse_config(state.config) != state.training_job:
            changes.allowed(parts, state)
            return go(_hosted(parts, state))
        word = changes.turned_down(parts, state)
        return _verify(parts, state) if word is None else go(_turned_down(parts, state, word))
    except ResourceNotFound as error:
        return missing(parts, state, error) or go(fail(parts, state, _gone(error)))
    except RequestRefused as error:
        return go(fail(parts, state, f"SageMaker refuses it: {error}"))


def deploy(parts: Parts, state: State) -> Move:
    """The live endpoint takes the new config, and answers the golden images itself."""
    try:
        word = changes.turned_down(parts, state)
        if word is not None:
            told = state.asked_at is not None  # the live endpoint, to change
            return go((_recalled if told else _turned_down)(parts, state, word))
        return _deploy(parts, state)
    except ResourceNotFound as error:
        return missing(parts, state, error) or go(_back(parts, state, _gone(error)))
    except LimitReached as error:
        if isinstance(hosted(state).capacity, Serverless):
            raise  # another endpoint may go
        return go(_refused(parts, state, error))
    except RequestRefused as error:
        return go(_refused(parts, state, error))


def missing(parts: Parts, state: State, error: ResourceNotFound) -> Move | None:
    """Another try, since SageMaker may not see yet what was made a moment ago; None after some."""
    if state.tries >= TRIES_OF_MISSING:
        return None
    parts.logger.warning("SageMaker does not find it", job=state.training_job, reason=str(error))
    return rest(replace(state, tries=state.tries + 1), wake=LOOK_AGAIN)


def _gone(error: ResourceNotFound) -> str:
    return f"SageMaker does not find what it needs: {error}"


def _refused(parts: Parts, state: State, error: Exception) -> State:
    """Where the hosting that is asked for is new, the model goes live on the champion's."""
    reason = f"SageMaker refuses it: {error}"
    champion = state.champion
    if champion is None:
        return fail(parts, state, reason)
    known = champion.hosting
    if known is None or known == state.hosting or state.changing is not None or state.stand_in:
        return _back(parts, state, reason)
    capacity = hosting.from_json(known)
    config = hosting.config_for(parts, state.training_job or "", capacity)
    message = f"{reason}: {state.training_job} goes live on {capacity}"
    return replace(state, hosting=known, config=config, asked_at=None, tries=0, message=message)


def _verify(parts: Parts, state: State) -> Move:  # noqa: PLR0911 - one a state of the endpoint
    job, name = state.training_job or "", parts.names.next_endpoint(state.dataset)
    endpoint = parts.endpoints.describe(name)
    model = _for_verification(parts, state)
    if endpoint is None:
        hosting.ensure(parts, state.dataset, model)
        parts.endpoints.create(name, model.config, parts.tags(state.dataset))
        return rest(replace(state, message=f"verifying {job} on {name}"), wake=LOOK_AGAIN)
    leftover = endpoint.config != model.config
    if endpoint.status in BROKEN and not leftover:
        return go(fail(parts, state, f"{name} did not start: {endpoint.reason}"))
    if endpoint.status in (*BROKEN, EndpointStatus.IN_SERVICE) and leftover:
        parts.endpoints.delete(name)  # of a run that died; ours is made when it is gone
        return rest(state, wake=LOOK_AGAIN)
    if endpoint.status != EndpointStatus.IN_SERVICE:
        return rest(state, wake=LOOK_AGAIN)
    wrong = answered(parts, state, name, job)
    if isinstance(wrong, Move):
        return wrong
    if wrong:
        return go(fail(parts, state, wrong))
    message = f"{job} answers as Keras did: going live"
    return go(replace(state, phase=Phase.DEPLOYING, tries=0, asked_at=None, message=message))


def _hosted(parts: Parts, state: State) -> State:
    """With what the model is to be hosted on, as dataset.json says now."""
    content = look(parts.storage, state.dataset)
    service = content.service
    changing = state.changing
    capacity = hosting.wanted(parts.settings, service.endpoint)
    if changing is not None and changing.hosting is not None:
        capacity = hosting.from_json(changing.hosting)
    elif not content.says_hosting or changes.gave_up(parts, state, capacity):
        # What cannot be read, or did not come up the last time: no model has to wait for it.
        present = state.champion.hosting if state.champion else None
        capacity = hosting.from_json(present) if present else capacity
    config = hosting.config_for(parts, state.training_job or "", capacity)
    return replace(
        state,
        config=config,
        hosting=hosting.as_json(capacity),
        keep_versions=service.keep_versions,
    )


def hosted(state: State) -> Hosted:
    """The state's model and what it goes live on."""
    capacity = hosting.from_json(state.hosting or {})
    return Hosted(state.training_job or "", state.package or "", state.config or "", capacity)


def _for_verification(parts: Parts, state: State) -> Hosted:
    """Serverless in any case: machines would take minutes, and money, to answer a few images."""
    model = hosted(state)
    if isinstance(model.capacity, Serverless):
        return model
    capacity = hosting.by_default(parts.settings)
    config = hosting.config_for(parts, model.job, capacity)
    return replace(model, config=config, capacity=capacity)


def _deploy(parts: Parts, state: State) -> Move:  # noqa: PLR0911 - one a state of the endpoint
    job, name = state.training_job or "", parts.names.endpoint(state.dataset)
    if state.config is None:  # an older release got this far
        return go(replace(_hosted(parts, state), asked_at=None))
    endpoint = parts.endpoints.describe(name)
    if endpoint is None:
        hosting.ensure(parts, state.dataset, hosted(state))
        parts.endpoints.create(name, state.config, parts.tags(state.dataset))
        return rest(asked(parts, state), wake=LOOK_AGAIN)
    if endpoint.status in BROKEN:
        return _broken(parts, state, endpoint)
    if endpoint.status != EndpointStatus.IN_SERVICE:
        return rest(on_its_way(parts, state, endpoint, state.config), wake=LOOK_AGAIN)
    if endpoint.config != state.config:
        return _change(parts, state, endpoint)
    wrong = answered(parts, state, name, job)
    if isinstance(wrong, Move):
        return wrong
    return go(_back(parts, state, wrong) if wrong else _live(parts, state))


def answered(parts: Parts, state: State, endpoint: str, job: str) -> Move | str:
    """Empty when the endpoint answers the job's golden images as it should, else what is wrong; or
    the move after which to ask again."""
    try:
        answers.check(parts, endpoint, Model(state.dataset, job))
    except NotYet as error:
        if state.tries >= TRIES:
            return f"{endpoint} did not answer: {error}"
        wake = min(LOOK_AGAIN, 2 + 2 * state.tries)
        return rest(replace(state, tries=state.tries + 1), wake=wake)
    except Mismatch as error:
        return f"{endpoint} is not what was trained: {error}"
    return ""


def asked(parts: Parts, state: State) -> State:
    return replace(state, asked_at=iso(parts.clock()))


def on_its_way(parts: Parts, state: State, endpoint: Endpoint, config: str) -> State:
    """With when it was asked for, also where who asked died before noting it."""
    if state.asked_at is None and endpoint.pending == config:
        return asked(parts, state)
    return state


def _broken(parts: Parts, state: State, endpoint: Endpoint) -> Move:
    """A live endpoint that failed takes no update. One that never served is made anew."""
    if state.asked_at is None and endpoint.status != EndpointStatus.UPDATE_ROLLBACK_FAILED:
        return _made_anew(parts, state, endpoint)
    reason = f"{endpoint.name} is {endpoint.status}: {endpoint.reason}"
    return go(_back(parts, state, reason))


def _change(parts: Parts, state: State, endpoint: Endpoint) -> Move:
    """In service with another config: ask for ours; once asked, this is a silent rollback."""
    if state.asked_at is None:
        hosting.ensure(parts, state.dataset, hosted(state))
        if isinstance(hosted(state).capacity, Serverless) and not endpoint.serverless:
            return _made_anew(parts, state, endpoint)
        parts.endpoints.update(endpoint.name, state.config or "")
        return rest(asked(parts, state), wake=LOOK_AGAIN)
    left = SETTLE_SECONDS - parts.seconds_since(state.asked_at)
    if left > 0 and not endpoint.reason:
        return rest(state, wake=math.ceil(left))
    reason = (
        f"{endpoint.name} went back to {endpoint.config} by itself: "
        f"{endpoint.reason or 'SageMaker gave no reason'}"
    )
    return go(_back(parts, state, reason))


def _made_anew(parts: Parts, state: State, endpoint: Endpoint) -> Move:
    """The live endpoint takes no update to what is wanted: it goes, and comes again."""
    if not state.stand_in and stand_in(parts, state):
        message = f"{parts.names.next_endpoint(state.dataset)} stands in for {endpoint.name}"
        return go(replace(state, stand_in=True, message=message))
    parts.endpoints.delete(endpoint.name)
    return rest(state, wake=LOOK_AGAIN)


def stand_in(parts: Parts, state: State) -> bool:
    """Can the verification endpoint answer for the live one?"""
    beside = parts.endpoints.describe(parts.names.next_endpoint(state.dataset))
    return beside is not None and beside.status == EndpointStatus.IN_SERVICE


def _live(parts: Parts, state: State) -> State:
    job, before, now = state.training_job or "", state.champion, iso(parts.clock())
    accuracy = _accuracy(parts, state)
    same = before is not None and before.training_job == job
    champion = Champion(
        version=state.version or "",
        training_job=job,
        model_package_arn=state.package or "",
        accuracy=accuracy,
        since=before.since if same and before else now,
        config=state.config,
        hosting=state.hosting,
    )
    measured = "" if accuracy is None else f": held-out accuracy {accuracy:.4f}"
    changes.tell_registry(parts, state)
    left = {one.training_job for one in state.changing.leaving} if state.changing else set()
    former = after(state.former, before, champion, now, left)
    state = replace(state, champion=champion, former=former, untidy=LEFTOVERS, live_problem=None)
    return changes.ended(parts, state.settle(Phase.LIVE, Outcome.LIVE, f"{job} is live{measured}"))


def _accuracy(parts: Parts, state: State) -> float | None:
    package = parts.registry.describe(state.package or "")
    text = package.properties.get("accuracy") if package else None
    return None if text is None else float(text)


def _turned_down(parts: Parts, state: State, word: PersonsWord) -> State:
    """A person rejected it before it got any traffic."""
    settled = people.rejected_by(state, state.version or "", word)
    return changes.ended(parts, replace(settled, untidy=LEFTOVERS))


def _recalled(parts: Parts, state: State, word: PersonsWord) -> State:
    """A person rejected it while the live endpoint was taking it."""
    decided = replace(state, decided_by=word.who, decided_why=word.why or None, recalled=True)
    return _back(parts, decided, str(word))


def fail(parts: Parts, state: State, reason: str) -> State:
    """The champion stays; what verified the challenger goes, with all that is left of it."""
    if state.recalled:
        settled = state.settle(
            Phase.REJECTED, Outcome.REJECTED, f"rejected: {reason}", by_person=True
        )
    else:
        settled = state.settle(Phase.FAILED, Outcome.FAILED, f"not live: {reason}")
    return changes.ended(parts, replace(settled, untidy=LEFTOVERS))


def _back(parts: Parts, state: State, reason: str) -> State:
    """The challenger may be on the live endpoint and must not stay there."""
    if state.champion is None:
        parts.endpoints.delete(parts.names.endpoint(state.dataset))
        return fail(parts, state, reason)
    message = f"not live: {reason}: back to {state.champion.training_job}"
    return replace(state, because=reason, asked_at=None, tries=0, message=message)
