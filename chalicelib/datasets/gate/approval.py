"""People's decisions that come by the API or the CLI.

They end where those of every other client do, in the model registry, from where the reconciler
takes them up; what can be said at once stands in the item at once. What waits for its cost to be
approved has no model yet: that is decided in the item.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from chalicelib.aws.registry import Approval, Package
from chalicelib.datasets.cost import budget
from chalicelib.datasets.gate import deciding
from chalicelib.datasets.gate.deciding import PersonsWord
from chalicelib.datasets.gate.earlier import FEWEST, fits
from chalicelib.datasets.gate.people import approved_by, rejected_by, remembered
from chalicelib.datasets.parts import Parts
from chalicelib.datasets.state import Outcome, Phase, State
from chalicelib.errors import Conflict, VersionNotFound

_ON_ITS_WAY = (Phase.JUDGING, Phase.VERIFYING, Phase.DEPLOYING)


@dataclass(frozen=True)
class Taken:
    """The state to write. `again`: written first, then the decision is carried out."""

    state: State
    again: bool = False


def carry_out(parts: Parts, state: State, word: PersonsWord, which: str | None) -> Taken:
    """What becomes of a dataset by a person's word.

    which: the beginning of a version, a training job, or what answers carry as `model_version`;
    None is the one that waits, else the newest that it can be said of.
    Raises VersionNotFound, Conflict with what to do.
    """
    if _is_about_cost(state, which):
        decide = budget.approve if word.approves else budget.turn_down
        return Taken(decide(parts, state, word.who, word.why))
    version = _version(state, word, which)
    if version is None:
        return _of_older_times(parts, state, which or "")
    package = _package(parts, state, version)
    job = package.properties.get("training_job", "")
    going_live = state.phase in (Phase.VERIFYING, Phase.DEPLOYING)
    if state.champion is not None and state.champion.training_job == job and not going_live:
        return _about_the_live_one(state, word, job)
    if not _said_already(package, word):
        deciding.record_person(parts, package, word)
    if state.version == version and state.phase in _ON_ITS_WAY:
        return Taken(state)  # its own step looks into the registry
    if not word.approves:
        return Taken(rejected_by(state, version, word))
    return Taken(
        approved_by(parts, state, version, word) if state.settled else _later(state, version)
    )


def _later(state: State, version: str) -> State:
    """What is under way comes first; then the registry is looked into for what waits, and for what
    was turned down."""
    past = state.past_of(version)
    if past.outcome in (Outcome.PENDING_APPROVAL, Outcome.REJECTED):
        return state
    return state.remember(version, replace(past, outcome=Outcome.PENDING_APPROVAL))


def _is_about_cost(state: State, which: str | None) -> bool:
    aside = state.paused or {}
    if aside.get("awaits") == "cost" and (
        which is None or fits(str(aside["version"]), str(aside["training_job"]), which)
    ):
        raise Conflict(
            f"{state.dataset} is just being changed ({state.message}); the training that waits for "
            "its cost to be approved waits for that, too: try again in a few minutes"
        )
    if state.awaits != "cost":
        return False
    return which is None or fits(state.version or "", state.training_job or "", which)


def _version(state: State, word: PersonsWord, which: str | None) -> str | None:
    """The version that is meant; None where the item knows of none such."""
    if which is None:
        return _the_one_that_waits(state, word)
    found = [version for version in state.past if fits(version, "", which)]
    found += [version for version in state.past if _is_its_job(state, version, which)]
    if len(set(found)) > 1:
        choices = ", ".join(sorted(version[:16] for version in set(found)))
        raise Conflict(f"{which!r} fits several versions of {state.dataset}: {choices}")
    return found[0] if found else None


def _is_its_job(state: State, version: str, which: str) -> bool:
    newest = f"{version[:12]}-{state.past[version].attempt}"
    if which.endswith(newest):
        return True
    if f"{version[:12]}-" in which:
        raise Conflict(
            f"the data of {which} was trained once more since: decide on {newest}, or go back "
            f"with `pigeonhole rollback {state.dataset} {which}` if it was live"
        )
    return False


def _the_one_that_waits(state: State, word: PersonsWord) -> str:
    if state.version is not None and state.phase in _ON_ITS_WAY:
        return state.version
    waiting = [v for v, past in state.past.items() if past.outcome == Outcome.PENDING_APPROVAL]
    if state.version in waiting:
        return state.version or ""
    if waiting:
        return waiting[-1]
    ended = state.outcome in (Outcome.REJECTED, Outcome.FAILED)
    if word.approves and state.version and ended and state.past_of(state.version).package:
        return state.version
    if not word.approves and state.champion is not None:
        _about_the_live_one(state, word, state.champion.training_job)
    raise Conflict(
        f"no model of {state.dataset} waits for a person. Name the version that is meant: "
        f"`pigeonhole history {state.dataset}` lists them"
    )


def _package(parts: Parts, state: State, version: str) -> Package:
    """The model of a version that the item knows. Raises Conflict."""
    past = state.past_of(version)
    if past.package is None:
        under_way = version == state.version and not state.settled
        why = "it is still on its way" if under_way else past.message or "it was never trained"
        raise Conflict(f"version {version[:12]} of {state.dataset} has no model: {why}")
    package = parts.registry.describe(past.package)
    if package is None:
        raise Conflict(
            f"{past.package} is no longer in the model registry: "
            f"`pigeonhole retrain {state.dataset}` makes another one"
        )
    return package


def _of_older_times(parts: Parts, state: State, which: str) -> Taken:
    """The item learns of it again out of the registry; the decision is carried out after that."""

    def meant(package: Package) -> bool:
        own = package.properties
        return fits(own.get("dataset_version", ""), own.get("training_job", ""), which)

    found = parts.registry.search(parts.names.group(state.dataset), meant)
    known = None if found is None else remembered(parts, state, found)
    if known is None or known == state:
        raise VersionNotFound(
            f"{state.dataset} has no model of {which!r}: name a version ({FEWEST} hex digits at "
            f"least) or a training job; `pigeonhole history {state.dataset}` lists them"
        )
    return Taken(known, again=True)


def _about_the_live_one(state: State, word: PersonsWord, job: str) -> Taken:
    if word.approves:
        return Taken(state)
    raise Conflict(
        f"{job} is live, and stays so until another model is: "
        f"`pigeonhole rollback {state.dataset}` goes back to the one before it"
    )


def _said_already(package: Package, word: PersonsWord) -> bool:
    """Of two people who say the same, the first one's word stays; a person's counts for more than
    the gate's, unless the gate let it pass."""
    if package.approval != word.approval or package.properties.get("decision") != word.approval:
        return False
    return word.approval is Approval.APPROVED or deciding.persons_word(package) is not None
