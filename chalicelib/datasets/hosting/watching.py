"""Does the live endpoint still serve the champion, once all is settled?

Somebody may delete or update it by hand, and what could not be brought back after a failed update
is broken. It is told, and not mended: who changes an endpoint by hand has a reason, and a stack
that is taken down deletes them all. A rollback to the champion itself mends it.
"""

from __future__ import annotations

from dataclasses import replace

from chalicelib.aws.endpoints import EndpointStatus
from chalicelib.datasets.hosting import answers
from chalicelib.datasets.hosting.answers import Mismatch, Model, NotYet
from chalicelib.datasets.hosting.deployment import BROKEN
from chalicelib.datasets.hosting.live import Champion
from chalicelib.datasets.parts import Parts
from chalicelib.datasets.state import State


def noticed(parts: Parts, state: State) -> State:
    """The state that tells what is wrong with the live endpoint. One call while all is well."""
    champion = state.champion
    if champion is None or not state.settled or state.changing is not None:
        return state
    name = parts.names.endpoint(state.dataset)
    endpoint = parts.endpoints.describe(name)
    if endpoint is None:
        wrong = f"the live endpoint {name} is not there"
    elif endpoint.status in BROKEN:
        wrong = f"the live endpoint {name} is {endpoint.status}: {endpoint.reason}"
    elif endpoint.status != EndpointStatus.IN_SERVICE:
        return state  # its event comes, or the sweep
    elif endpoint.config != champion.served_by:
        wrong = f"the live endpoint {name} serves {endpoint.config}, not {champion.served_by}"
    elif state.live_problem is None or _answers(parts, name, champion, state.dataset):
        return replace(state, live_problem=None)
    else:
        return state
    return replace(state, live_problem=told(state, champion, wrong))


def told(state: State, champion: Champion, wrong: str) -> str:
    """What is wrong, and what to do about it."""
    mend = f"`pigeonhole rollback {state.dataset} {champion.training_job}` brings it back"
    return f"{wrong}: {mend}"


def _answers(parts: Parts, endpoint: str, champion: Champion, dataset: str) -> bool:
    try:
        answers.check(parts, endpoint, Model(dataset, champion.training_job))
    except (Mismatch, NotYet):
        return False
    return True
