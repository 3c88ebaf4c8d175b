"""What people decide of models: noticed in the registry, and taken up.

A person may approve what the gate left open or turned down, and reject what it left open, by any
client of the registry. Those who do it by the API or the CLI end here too (`approval.py`).
"""

from __future__ import annotations

from dataclasses import replace

from chalicelib.aws.registry import NEWEST, Approval, Package
from chalicelib.datasets.checking import left_behind
from chalicelib.datasets.gate import deciding
from chalicelib.datasets.gate.deciding import PersonsWord
from chalicelib.datasets.jobs import publishing
from chalicelib.datasets.parts import Parts
from chalicelib.datasets.state import Move, Outcome, Phase, State, go

OPEN_TO_PEOPLE = 5  # newest models waiting for a person that are looked at in one step
LOOKED_AT = 10  # approved models of older times, too


def noticed(parts: Parts, state: State) -> Move | None:
    """What a person has decided since the last look, taken up; None where nobody did.

    One call for the list of what is approved, and one for each of the few that wait.
    """
    if state.champion is None and not any(past.package for past in state.past.values()):
        return None  # nothing was ever trained
    waiting = [
        (version, past)
        for version, past in state.past.items()
        if past.package and past.outcome == Outcome.PENDING_APPROVAL
    ]
    for version, past in waiting[-OPEN_TO_PEOPLE:]:
        package = parts.registry.describe(past.package or "")
        if package is not None and package.approval != Approval.PENDING:
            return go(_decided(parts, state, version, package))
    approved = parts.registry.approved(parts.names.group(state.dataset))
    for version, past in reversed(list(state.past.items())):
        turned_down = past.outcome in (Outcome.REJECTED, Outcome.PENDING_APPROVAL)
        if turned_down and past.package in approved:
            package = parts.registry.describe(past.package or "")
            if package is not None and package.approval == Approval.APPROVED:
                return go(_decided(parts, state, version, package))
    doubted = _live_one(parts, state, approved)
    return go(doubted) if doubted != state else _of_older_times(parts, state, approved)


def _live_one(parts: Parts, state: State, approved: list[str]) -> State:
    """The state that tells of a rejection of the live model: it stays live until it is rolled
    back, since rejecting it names no other one."""
    arn = None if state.champion is None else state.champion.model_package_arn
    if arn is None or arn in approved or len(approved) >= NEWEST:
        return replace(state, live_rejected=None)
    if state.live_rejected is not None:
        return state
    package = parts.registry.describe(arn)
    if package is None or package.approval != Approval.REJECTED:
        return state
    word = deciding.persons_word(package) or deciding.elsewhere(package)
    said = f"{word}, but it is live: `pigeonhole rollback {state.dataset}` takes it back"
    return replace(state, live_rejected=said)


def _of_older_times(parts: Parts, state: State, approved: list[str]) -> Move | None:
    """A person may approve a model that the item no longer knows of; each is looked at once.

    Remembered first, as one that waits: the next step takes the approval up.
    """
    known = {past.package for past in state.past.values()}
    known |= {None if state.champion is None else state.champion.model_package_arn}
    looked_at = {arn for arn in approved if _number(arn) in state.looked_at}
    new = [arn for arn in approved if arn not in known | looked_at][:LOOKED_AT]
    kept = tuple(sorted(_number(arn) for arn in (looked_at | set(new)) - known))
    if kept != state.looked_at:
        state = replace(state, looked_at=kept)
    for arn in new:
        package = parts.registry.describe(arn)
        # What the gate, the API or an earlier step recorded is no news.
        if package is None or package.properties.get("decision") in (None, package.approval):
            continue
        state = remembered(parts, state, package) or state
    return go(state) if new else None


def _number(arn: str) -> int:
    return int(arn.rsplit("/", 1)[-1])


def remembered(parts: Parts, state: State, package: Package) -> State | None:
    """The state that knows of the package's version, as of one that waits for a person.

    None where it is not ours. Where another attempt of that version is known, it takes its place.
    """
    version = package.properties.get("dataset_version", "")
    run = parts.names.parse_job(package.properties.get("training_job", ""))
    if run is None or run.name != state.dataset or run.hash12 != version[:12]:
        return None
    past = state.past_of(version)
    if past.package == package.arn:
        return state
    note = replace(
        past,
        by_person=False,
        attempt=run.attempt,
        outcome=Outcome.PENDING_APPROVAL,
        message="its approval is looked up in the model registry",
        package=package.arn,
        family=run.attempt,
        preset=package.properties.get("preset"),
        report=publishing.page(
            parts, state.dataset, parts.names.job(state.dataset, version, run.attempt)
        ),
    )
    return state.remember(version, note)


def _decided(parts: Parts, state: State, version: str, package: Package) -> State:
    word = deciding.persons_word(package)
    if word is None:  # an item of an older release, or the gate's own: who waits was decided on
        word = deciding.elsewhere(package)
    if package.properties.get("decision") != package.approval:
        deciding.record_person(parts, package, word)
    if word.approves:
        return approved_by(parts, state, version, word)
    return rejected_by(state, version, word)


def approved_by(parts: Parts, state: State, version: str, word: PersonsWord) -> State:
    """The model of that version on its way to the live endpoint."""
    past = state.past_of(version)
    job = parts.names.job(state.dataset, version, past.attempt)
    if state.awaits == "cost":  # of other data: it is asked for again once this model is live
        state = replace(left_behind(state, version), taken=None)
    return replace(
        state,
        phase=Phase.VERIFYING,
        version=version,
        attempt=past.attempt,
        training_job=job,
        package=past.package,
        report=past.report,
        preset=past.preset,
        instances=past.instances,
        settled=False,
        outcome=None,
        tries=0,
        asked_at=None,
        awaits=None,
        decided_by=word.who,
        decided_why=word.why or None,
        message=f"{word.who} approved {job}" + (f": {word.why}" if word.why else ""),
    )


def rejected_by(state: State, version: str, word: PersonsWord) -> State:
    """The model of that version turned down for good: no drop of the same data brings it back."""
    message = f"rejected: {word}"
    if version == state.version:
        state = replace(state, decided_by=word.who, decided_why=word.why or None)
        return state.settle(Phase.REJECTED, Outcome.REJECTED, message, by_person=True)
    note = replace(
        state.past_of(version),
        outcome=Outcome.REJECTED,
        message=message,
        by_person=True,
        decided_by=word.who,
    )
    return state.remember(version, note)


def turned_down(parts: Parts, state: State) -> PersonsWord | None:
    """Has a person rejected the model that is on its way to be live?"""
    if state.champion is not None and state.champion.training_job == state.training_job:
        return None  # it is live, and changes its hosting alone
    package = parts.registry.describe(state.package or "")
    if package is None or package.approval != Approval.REJECTED:
        return None
    word = deciding.persons_word(package)
    if word is None and "decision" not in package.properties:  # of an older release
        word = deciding.elsewhere(package)
    if word is not None and package.properties.get("decision") != package.approval:
        deciding.record_person(parts, package, word)
    return word
