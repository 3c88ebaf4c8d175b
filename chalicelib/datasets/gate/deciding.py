"""Decisions on models, as the model registry keeps them: the status, who, why, and the numbers.

The registry is where all of them end, the gate's and those of people by whatever way: the CLI, the
API, the SageMaker console or any other client. The gate and the API write beside the status, into
the package's CustomerMetadataProperties, what they decided (`decision`) and who did (`decided_by`).
A status that differs from that is another client's: a person's.
"""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.aws.registry import Approval, Package, metadata
from chalicelib.clock import iso
from chalicelib.datasets.gate.gate import Decision, Verdict
from chalicelib.datasets.parts import Parts

GATE = "gate"
LONGEST_REASON = 700  # characters of a person's; an ApprovalDescription has 1,024 with the name
_BY_GATE = "The gate "
_SAID = {
    Verdict.APPROVE: (Approval.APPROVED, "approves"),
    Verdict.REJECT: (Approval.REJECTED, "rejects"),
    Verdict.ASK: (Approval.PENDING, "asks a person"),
    Verdict.COMPARE: (Approval.PENDING, "asks a person"),
}
# Properties of a decision that another one may not have.
_OF_A_COMPARISON = ("compared_with", "judged_by", "paired_rows", "difference", "standard_error")


@dataclass(frozen=True)
class PersonsWord:
    """A person's decision: `approval` is Approved or Rejected; `why` may be empty."""

    approval: Approval
    who: str
    why: str

    @classmethod
    def of(cls, approval: Approval, who: str, why: str) -> PersonsWord:
        """With a reason on one line, of a length that the registry keeps."""
        return cls(approval, who, " ".join(why.split())[:LONGEST_REASON])

    @property
    def approves(self) -> bool:
        return self.approval is Approval.APPROVED

    def __str__(self) -> str:
        """`anna approved it: the bags are fine`."""
        verb = "approved" if self.approves else "rejected"
        return f"{self.who} {verb} it" + (f": {self.why}" if self.why else "")


def before_the_gate() -> dict[str, str]:
    """Properties of a model that nobody has decided on."""
    return {"decision": str(Approval.PENDING)}


def record_gate(parts: Parts, package: Package, decision: Decision) -> None:
    """Write the gate's decision into the registry."""
    approval, said = _SAID[decision.verdict]
    properties = {
        **{name: f"{value:.6g}" for name, value in decision.numbers.items()},
        "decision": str(approval),
        "decided_by": GATE,
        "decided_at": iso(parts.clock()),
    }
    if decision.compared_with is not None:
        properties["compared_with"] = metadata(decision.compared_with)
    if decision.judged_by is not None:
        properties["judged_by"] = metadata(decision.judged_by)
    stale = [name for name in _OF_A_COMPARISON if name in package.properties.keys() - properties]
    parts.registry.decide(
        package.arn, approval, f"{_BY_GATE}{said}: {decision.reason}", properties, stale
    )


def record_person(parts: Parts, package: Package, word: PersonsWord, **more: str) -> None:
    """Write a person's decision into the registry; the gate's numbers stay there. `more` are
    further properties."""
    verb = "Approved" if word.approves else "Rejected"
    properties = {
        "decision": str(word.approval),
        "decided_by": metadata(word.who),
        "decided_at": iso(parts.clock()),
        **more,
    }
    why = f": {word.why}" if word.why else ""
    parts.registry.decide(package.arn, word.approval, f"{verb} by {word.who}{why}", properties)


def persons_word(package: Package) -> PersonsWord | None:
    """What a person decided of the model; None where it is the gate's decision, or nobody's."""
    if package.approval not in (Approval.APPROVED, Approval.REJECTED):
        return None
    recorded = package.properties.get("decision")
    by = package.properties.get("decided_by")
    if recorded == package.approval and by != GATE:
        _, _, said = package.description.partition(" by ")
        who, _, why = said.partition(": ")
        return PersonsWord(Approval(package.approval), who or by or "somebody", why)
    if recorded is not None and recorded != package.approval:
        return elsewhere(package)
    return None


def elsewhere(package: Package) -> PersonsWord:
    """The decision of a client that wrote no more than the status, and perhaps a reason."""
    why = "" if package.description.startswith(_BY_GATE) else package.description
    who = package.modified_by or "somebody with access to the model registry"
    return PersonsWord(Approval(package.approval), who, why)
