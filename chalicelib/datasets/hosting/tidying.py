"""After a deployment: `…-next` goes, and so do endpoint configs and models that nobody needs.

Those of what is live, of what the endpoints serve, and of the last few former champions stay.
Configs are deleted behind the write, so that nobody does it who has not seen what began since. A
deletion that is lost is made up for after the next deployment.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from chalicelib.aws.endpoints import EndpointStatus
from chalicelib.datasets.parts import Parts
from chalicelib.datasets.state import Move, Phase, State, go
from chalicelib.errors import AccessDenied, RequestRefused, Unavailable

AT_ONCE = 40  # configs
BESIDE, OLD = 2, 1  # what `State.untidy` speaks of
_BUSY = (EndpointStatus.CREATING, EndpointStatus.UPDATING, EndpointStatus.DELETING)


def step(parts: Parts, state: State) -> Move | None:
    """What to do about what lies about; None when there is nothing to be done now."""
    if not state.untidy or _in_use(state):
        return None
    name = parts.names.next_endpoint(state.dataset)
    beside = parts.endpoints.describe(name)
    if beside is not None and beside.status in _BUSY:
        return None  # its event comes, or the sweep
    if state.untidy == BESIDE:
        try:
            _tried(parts, lambda: parts.endpoints.delete(name))
        except Unavailable as error:
            parts.logger.warning("tried again in a while", reason=str(error))
            return None
        return go(replace(state, untidy=OLD))
    old = _old(parts, state)
    return Move(replace(state, untidy=0), again=True, then=partial(_delete, parts, old))


def unfinished(state: State) -> bool:
    """Is `…-next` still to be deleted? On instances it costs money every hour."""
    return state.untidy == BESIDE and not _in_use(state)


def _in_use(state: State) -> bool:
    return bool(state.stand_in) or state.phase in (Phase.VERIFYING, Phase.DEPLOYING)


def _tried(parts: Parts, delete: Callable[[], None]) -> None:
    """What may not be deleted stops nothing. Raises Unavailable."""
    try:
        delete()
    except (AccessDenied, RequestRefused) as error:
        parts.logger.warning("left lying about", reason=str(error))


def _old(parts: Parts, state: State) -> list[tuple[str, str | None]]:
    """Configs to delete, the oldest first, each with its model where that goes too."""
    listed = parts.endpoints.configs(parts.names.configs(state.dataset))
    both = (parts.names.endpoint(state.dataset), parts.names.next_endpoint(state.dataset))
    found = [parts.endpoints.describe(name) for name in both]
    serving = {name for one in found if one is not None for name in (one.config, one.pending)}
    if state.champion is not None:
        serving.add(state.champion.served_by)
    most = state.keep_versions or parts.settings.keep_versions
    kept = {one.training_job for one in state.former[-most:]}
    needed = kept | {parts.names.parse_config(name) for name in serving}
    old: list[tuple[str, str | None]] = []
    for name in listed:
        job = parts.names.parse_config(name)
        run = parts.names.parse_job(job or "")
        if run is None or run.name != state.dataset:  # another dataset's name begins like ours
            continue
        if name not in serving and job not in kept:
            old.append((name, None if job in needed else job))
    return old[:AT_ONCE]


def _delete(parts: Parts, old: Sequence[tuple[str, str | None]]) -> None:
    """A model goes before its config, which tells of it: who dies between the two is made up
    for. Neither costs anything, so nobody waits for them."""
    for config, model in old:
        try:
            if model is not None:
                _tried(parts, partial(parts.endpoints.delete_model, model))
            _tried(parts, partial(parts.endpoints.delete_config, config))
        except Unavailable as error:
            parts.logger.warning("left lying about", reason=str(error))
