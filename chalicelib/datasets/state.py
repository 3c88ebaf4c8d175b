"""What is remembered of a dataset between two calls, and how the API shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from chalicelib.clock import iso
from chalicelib.datasets.cost.memory import Costs
from chalicelib.datasets.history.outbox import Notice
from chalicelib.datasets.history.timeline import Event, shorten
from chalicelib.datasets.hosting.live import SHOWN_FORMER, Champion, Change, Former
from chalicelib.datasets.next_steps import advice
from chalicelib.datasets.settings.service_settings import parse_rate

REMEMBERED = 30  # versions whose outcome is kept

Awaits = Literal["model", "cost"]
LONGEST_MESSAGE = 4000  # bytes, as JSON writes them
LONGEST_NOTE = 1200  # of a version's message


class Phase(StrEnum):
    """Where a dataset stands."""

    WAITING = "Waiting"
    CHECKING = "Checking"
    REFUSED = "Refused"
    TRAINING = "Training"
    FAILED = "Failed"
    JUDGING = "Judging"
    PENDING_APPROVAL = "PendingApproval"
    REJECTED = "Rejected"
    VERIFYING = "Verifying"
    DEPLOYING = "Deploying"
    LIVE = "Live"


class Outcome(StrEnum):
    """How the last version taken up ended."""

    LIVE = "Live"
    ALREADY_TRAINED = "AlreadyTrained"
    REFUSED = "Refused"
    FAILED = "Failed"
    REJECTED = "Rejected"
    PENDING_APPROVAL = "PendingApproval"


@dataclass(frozen=True)
class Past:
    """What became of a version: its newest attempt."""

    attempt: int = 0
    outcome: str | None = None
    message: str = ""
    package: str | None = None
    report: str | None = None
    by_person: bool = False  # a person, not the gate, rejected it
    decided_by: str | None = None  # who, where the phase spoke of another version
    family: int = 0  # the first of the attempts that share checkpoints with the newest
    preset: str | None = None  # of the newest attempt, and on what it ran
    instances: str | None = None
    events: tuple[Event, ...] = ()  # what happened to it, the newest; all are in its record

    def to_json(self) -> dict[str, Any]:
        raw = asdict(replace(self, events=()))
        raw["message"] = shorten(self.message, LONGEST_NOTE)
        raw["events"] = [event.to_json() for event in self.events]
        return raw

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Past:
        values = _known(cls, raw)
        values["events"] = tuple(Event.from_json(event) for event in raw.get("events", ()))
        return cls(**values)


@dataclass(frozen=True)
class State:
    """One dataset. Times are ISO 8601.

    `taken` is the version of the data that was last taken up; `version` the one that the
    phase speaks of: another one while a person's approval brings an older model live.
    """

    dataset: str
    phase: Phase = Phase.WAITING
    message: str = "nothing has been dropped yet"
    version: str | None = None
    attempt: int = 0
    training_job: str | None = None
    ready: str | None = None
    settled: bool = True
    outcome: Outcome | None = None
    report: str | None = None
    champion: Champion | None = None
    updated: str | None = None

    taken: str | None = None
    retrain: bool = False  # train the present version once more
    retrain_by: str | None = None  # who asked for that
    package: str | None = None  # the model package of `training_job`
    check: int = 0  # counts preflights, so that an old report is not taken for the new one
    lease_until: str | None = None  # when what the work function was asked for is asked for again
    asked_at: str | None = None  # when the live endpoint was told to change
    pieces: int = 0  # of the check under way, where it is cut, and how many of them are done
    pieces_done: int = 0
    tries: int = 0  # of the phase's own step
    seen: str | None = None  # version last seen while waiting for quiet, and since when
    seen_at: str | None = None
    listed_at: str | None = None  # when a large dataset was listed for nothing
    requests: tuple[str, ...] = ()  # to train once more: the newest that were taken
    schedule: str | None = None  # that dataset.json wants, and when a training last began
    trained_at: str | None = None
    wake_at: str | None = None  # a delayed message is on its way
    preset: str | None = None  # of `training_job`, and on what it runs
    instances: str | None = None
    publishing: str | None = None  # the job whose reports are being published
    publish_until: str | None = None  # when the flow goes on without them; None: it has
    report_problem: str | None = None  # why a job has no report, or not all of it
    costs: Costs = field(default_factory=Costs)
    awaits: Awaits | None = None  # what a person is asked for (PendingApproval)
    decided_by: str | None = None  # who decided on the version's model: "gate", or a person
    decided_why: str | None = None
    live_rejected: str | None = None  # what a person said who rejected the live model
    looked_at: tuple[int, ...] = ()  # older packages whose approval is known: their versions
    set_aside: int = 0  # bad rows that the newest check set aside
    outbox: tuple[Notice, ...] = ()  # what people are to be told
    told: tuple[Notice, ...] = ()  # what they were told last
    telling_until: str | None = None  # somebody is at it
    tell_after: str | None = None  # the topic did not answer: not again before then
    config: str | None = None  # of the endpoint, that `training_job` is verified and deployed with
    hosting: Mapping[str, Any] | None = None  # what that config runs on
    because: str | None = None  # why the live endpoint goes back to the champion
    recalled: bool = False  # that is a person's word
    live_problem: str | None = None  # why the live endpoint does not serve the champion
    stand_in: bool = False  # the verification endpoint answers while the live one is made anew
    untidy: int = 0  # 2: `…-next` may be left over; 1: old endpoint configs and models
    keep_versions: int | None = None  # former champions whose configs are kept
    former: tuple[Former, ...] = ()  # former champions, the oldest first
    change: Change | None = None  # the newest rollback or change of hosting
    paused: Mapping[str, Any] | None = None  # the run that goes on after the change
    unrecorded: tuple[str, ...] = ()  # versions whose newest events are not in S3 yet
    past: Mapping[str, Past] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As the table holds it."""
        plain = replace(self, past={})  # asdict copies all that it finds, which is a lot
        raw = {**asdict(plain), "unsettled": self.unsettled, "due": self.next_training}
        raw["message"] = shorten(self.message, LONGEST_MESSAGE)
        raw["past"] = {version: past.to_json() for version, past in self.past.items()}
        return raw

    @property
    def unsettled(self) -> bool:
        """Is something under way, or left to a person's approval, whose event may be lost?"""
        waits = any(past.outcome == Outcome.PENDING_APPROVAL for past in self.past.values())
        under_way = not self.settled or self.retrain or bool(self.untidy)
        return under_way or self.outcome is Outcome.PENDING_APPROVAL or waits or self.owes_something

    @property
    def changing(self) -> Change | None:
        """The rollback or change of hosting that is under way."""
        return self.change if self.change and self.change.outcome is None else None

    @property
    def next_training(self) -> str | None:
        """When the schedule has the present version trained once more. None: never, or not while a
        person is asked, or before it was trained for the first time."""
        rate = parse_rate(self.schedule)
        began = self.trained_at or (self.champion.since if self.champion else None)
        trained = self.past_of(self.taken).attempt or (
            self.training_job is not None and self.version == self.taken
        )
        if rate is None or began is None or self.taken is None or not trained:
            return None
        if self.outcome in (Outcome.PENDING_APPROVAL, Outcome.REFUSED):
            return None
        return iso(datetime.fromisoformat(began) + timedelta(seconds=rate.seconds))

    @property
    def owes_something(self) -> bool:
        """Is there something that people or the record in S3 have not been told?"""
        return bool(self.outbox or self.unrecorded)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> State:
        """From the table; what an older release did not write takes its default, and what only a
        newer one knows is dropped."""
        values = _known(cls, raw)
        values["phase"] = Phase(raw["phase"])
        values["costs"] = Costs.from_json(raw.get("costs") or {})
        values["outcome"] = None if raw.get("outcome") is None else Outcome(raw["outcome"])
        champion = raw.get("champion")
        values["champion"] = None if champion is None else Champion.from_json(champion)
        change = raw.get("change")
        values["change"] = None if change is None else Change.from_json(change)
        values["former"] = tuple(Former.from_json(one) for one in raw.get("former", ()))
        past = raw.get("past", {})
        values["past"] = {version: Past.from_json(note) for version, note in past.items()}
        for name in ("outbox", "told"):
            values[name] = tuple(Notice.from_json(notice) for notice in raw.get(name, ()))
        values["looked_at"] = tuple(raw.get("looked_at", ()))
        values["unrecorded"] = tuple(raw.get("unrecorded", ()))
        values["requests"] = tuple(raw.get("requests", ()))
        return cls(**values)

    def status(self, endpoint: str) -> dict[str, Any]:
        """The dataset status of docs/architecture.md."""
        return {
            "dataset": self.dataset,
            "phase": self.phase,
            "message": self.message + self._remark() + advice(self),
            "version": self.version,
            "attempt": self.attempt,
            "training_job": self.training_job,
            "preset": self.preset,
            "instances": self.instances,
            "instances_refused": dict(self.costs.refused),
            "cost": None if self.costs.quote is None else self.costs.quote.to_status(),
            "ready": self.ready,
            "settled": self.settled and not self.retrain,
            "outcome": self.outcome,
            "awaits": self.awaits,
            "waiting": self.waiting(),
            "decided_by": self.decided_by,
            "decided_why": self.decided_why,
            "report": self.report,
            "champion": None if self.champion is None else asdict(self.champion),
            "former": [asdict(one) for one in self.former[: -SHOWN_FORMER - 1 : -1]],
            "change": None if self.change is None else self.change.status(),
            "next_training": self.next_training,
            "endpoint": endpoint,
            "updated": self.updated,
        }

    def _remark(self) -> str:
        """What people should know besides, once all is settled."""
        if not self.settled:
            return ""
        said = (self.live_rejected, self.live_problem)
        return self._of_the_report() + "".join(f"; {remark}" for remark in said if remark)

    def _of_the_report(self) -> str:
        if self.publishing is not None:
            return "; its report is still being published"
        return f"; its report: {self.report_problem}" if self.report_problem else ""

    def waiting(self) -> list[dict[str, str]]:
        """Versions that wait for a person, the oldest first: their models, or what one costs."""
        return [
            {
                "version": version,
                "what": "cost" if self.awaits == "cost" and version == self.version else "model",
                "message": past.message,
            }
            for version, past in self.past.items()
            if past.outcome == Outcome.PENDING_APPROVAL
        ]

    def past_of(self, version: str | None) -> Past:
        return self.past.get(version or "", Past())

    def remember(self, version: str, past: Past) -> State:
        """Note what became of a version; the oldest notes go first.

        What is live and what has not been recorded in S3 yet stays.
        """
        notes = {known: note for known, note in self.past.items() if known != version}
        notes[version] = past
        live = None if self.champion is None else self.champion.version
        kept = {version, self.version, live, *self.unrecorded[-REMEMBERED:]}
        for oldest in [known for known in notes if known not in kept]:
            if len(notes) <= REMEMBERED:
                break
            del notes[oldest]
        return replace(self, past=notes)

    def settle(
        self,
        phase: Phase,
        outcome: Outcome,
        message: str,
        *,
        by_person: bool = False,
        awaits: Awaits | None = None,
    ) -> State:
        """End the run of `version` and note its outcome. `awaits`: what a person is asked for."""
        settled = replace(
            self,
            phase=phase,
            outcome=outcome,
            message=message,
            settled=True,
            lease_until=None,
            asked_at=None,
            tries=0,
            awaits=awaits,
            config=None,
            hosting=None,
            because=None,
            recalled=False,
            stand_in=False,
        )
        if self.version is None:
            return settled
        note = replace(
            self.past_of(self.version),
            outcome=outcome,
            message=message,
            report=self.report,
            by_person=by_person,
        )
        if self.package:  # of the attempt that the run was about: a rollback's is an earlier one
            note = replace(
                note,
                package=self.package,
                attempt=self.attempt,
                preset=self.preset or note.preset,
                instances=self.instances or note.instances,
            )
        return settled.remember(self.version, note)


def _known(cls: type, raw: Mapping[str, Any]) -> dict[str, Any]:
    names = {f.name for f in fields(cls)}
    return {name: value for name, value in raw.items() if name in names}


@dataclass(frozen=True)
class Move:
    """What a step comes to: the state to write, when to be woken (s), whether to go on at once.

    `then` is called once the state is written: of several at once, one alone gets there. The state
    must see to it that a call that never came is made up for.
    """

    state: State
    wake: int | None = None
    again: bool = False
    then: Callable[[], None] | None = None


def go(state: State) -> Move:
    """On to the next step."""
    return Move(state, again=True)


def rest(state: State, wake: int | None = None, then: Callable[[], None] | None = None) -> Move:
    """Until an event, or for `wake` seconds at most."""
    return Move(state, wake, then=then)
