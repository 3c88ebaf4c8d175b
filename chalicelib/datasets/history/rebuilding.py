"""What can be known of a dataset whose item is not there: never made, or lost."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.clock import iso
from chalicelib.datasets.history import records
from chalicelib.datasets.history.timeline import Kind
from chalicelib.datasets.hosting.deployment import LEFTOVERS
from chalicelib.datasets.hosting.live import Champion
from chalicelib.datasets.jobs import publishing
from chalicelib.datasets.parts import Parts
from chalicelib.datasets.state import REMEMBERED, Outcome, State
from chalicelib.errors import Unavailable


def rebuilt(parts: Parts, name: str) -> State:
    """The versions' notes are in their records; the champion is what the live endpoint serves.

    Raises Unavailable while that is being updated.
    """
    state = State(name)
    for version in reversed(records.newest(parts.storage, name)[:REMEMBERED]):
        state = records.recalled(parts.storage, state, version)
    return _champion(parts, state)


def _champion(parts: Parts, state: State) -> State:
    name = state.dataset
    endpoint = parts.endpoints.describe(parts.names.endpoint(name))
    if endpoint is not None and endpoint.pending:
        raise Unavailable(f"{endpoint.name} is being updated: what will be live is not known yet")
    job = None if endpoint is None else parts.names.parse_config(endpoint.config)
    run = None if job is None else parts.names.parse_job(job)
    if endpoint is None or job is None or run is None:
        return state
    package = parts.registry.find(parts.names.group(name), {"training_job": job})
    if package is None:
        parts.logger.warning("the live model is in no registry", endpoint=endpoint.name)
        return state
    accuracy = package.properties.get("accuracy")
    version = package.properties["dataset_version"]
    champion = Champion(
        version,
        job,
        package.arn,
        None if accuracy is None else float(accuracy),
        _since(state, version, job) or iso(parts.clock()),
        endpoint.config,
    )
    past = replace(
        state.past_of(version),
        attempt=run.attempt,
        outcome=Outcome.LIVE,
        package=package.arn,
        report=publishing.page(parts, name, job),
    )
    # A run that died with the item may have left its verification endpoint, and configs.
    return replace(state, champion=champion, untidy=LEFTOVERS).remember(version, past)


def _since(state: State, version: str, job: str) -> str | None:
    """When the record says that it went live."""
    found = [
        event.at
        for event in state.past_of(version).events
        if event.kind == Kind.LIVE and event.job == job
    ]
    return found[-1] if found else None
