"""Which earlier model people mean when they roll back."""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.aws.registry import Approval, Package
from chalicelib.datasets.hosting.live import Left
from chalicelib.datasets.parts import Parts
from chalicelib.datasets.state import Phase, State
from chalicelib.errors import Conflict

FEWEST = 4  # hex digits of a version


def find(parts: Parts, state: State, to: str | None) -> Left:
    """The model that `to` names: a training job, the beginning of a dataset version, what answers
    carry as `model_version`; None is the champion before. Raises Conflict with what to do."""
    champion = state.champion
    if champion is None:
        raise Conflict(f"{state.dataset} has no model yet, so there is nothing to roll back")
    live = Left(champion.version, champion.training_job, champion.model_package_arn)
    if to is None:
        going_live = state.phase in (Phase.VERIFYING, Phase.DEPLOYING) and state.changing is None
        return live if going_live else _before(parts, state)
    found = [*_of_item(state), live]
    fitting = [one for one in found if fits(one.version, one.training_job, to)]
    if not fitting:
        fitting = [_once_approved(state, found) for found in _in_registry(parts, state, to)]
    jobs = {one.training_job: one for one in fitting}
    versions = {one.version for one in fitting}
    if len(versions) > 1:
        choices = ", ".join(sorted(version[:16] for version in versions))
        raise Conflict(f"{to!r} fits several versions of {state.dataset}: {choices}")
    if not jobs:
        raise Conflict(
            f"{state.dataset} has no model of {to!r}: name a version ({FEWEST} hex digits at "
            f"least) or a training job; GET /datasets/{state.dataset} lists former champions"
        )
    return list(jobs.values())[-1]


def check(parts: Parts, state: State, target: Left) -> None:
    """Raises Conflict where the model can no longer be deployed."""
    if parts.registry.describe(target.package) is None:
        raise Conflict(
            f"{target.training_job} cannot be brought back: {target.package} is no longer in the "
            f"model registry. `pigeonhole history {state.dataset}` lists the others"
        )


def _before(parts: Parts, state: State) -> Left:
    """The champion before: one that was replaced, and not itself rolled back from."""
    assert state.champion is not None
    present = state.champion.training_job
    target = state.changing.training_job if state.changing else present
    for one in reversed(state.former):
        if not one.rolled_back and one.training_job not in (present, target):
            return Left(one.version, one.training_job, one.model_package_arn)
    # An item that was lost, or an older release's, does not know: the registry does.
    group, passed = parts.names.group(state.dataset), False
    known = {one.training_job for one in state.former}
    for arn in parts.registry.approved(group):
        package = parts.registry.describe(arn)
        job = package.properties.get("training_job") if package else None
        if package is None or job is None:
            continue
        if passed and job not in known:
            return _left(package)
        passed = passed or job in (present, target)
    raise Conflict(
        f"{state.dataset} has no champion before {present}: name the version or the training job "
        "to roll back to"
    )


def _of_item(state: State) -> Iterator[Left]:
    """Models that were live."""
    for one in state.former:
        yield Left(one.version, one.training_job, one.model_package_arn)


def _in_registry(parts: Parts, state: State, to: str) -> list[Package]:
    """The newest packages of what `to` names, one a version at least."""
    group = parts.names.group(state.dataset)
    found: list[Package] = []

    def meant(package: Package) -> bool:
        own = package.properties
        if fits(own.get("dataset_version", ""), own.get("training_job", ""), to):
            found.append(package)
        return False

    parts.registry.search(group, meant)
    approved = [package for package in found if package.approval == Approval.APPROVED]
    return (approved or found)[::-1]  # the newest last


def _once_approved(state: State, package: Package) -> Left:
    if package.approval != Approval.APPROVED:
        job = package.properties.get("training_job")
        raise Conflict(
            f"{job} is {package.approval} and was never live: approve it first "
            f"(`pigeonhole approve {state.dataset}`, or in the model registry)"
        )
    return _left(package)


def _left(package: Package) -> Left:
    own = package.properties
    return Left(own.get("dataset_version", ""), own.get("training_job", ""), package.arn)


def fits(version: str, job: str, to: str) -> bool:
    """Does `to` name this version or this training job?"""
    if to == job or (job.endswith(f"-{to}") and to.count("-") == 1):
        return True
    return len(to) >= FEWEST and version.startswith(to.lower())
