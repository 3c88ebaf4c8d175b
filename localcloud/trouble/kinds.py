"""Which kinds of trouble there are: the one list that the code, the command and the docs share."""

from __future__ import annotations

from dataclasses import dataclass, replace

ONCE = 1
UNTIL_CLEARED = None

SPARED = "pigeonhole-local-cloud"  # in the User-Agent of the local cloud's own calls

_CALLS = "an operation: CreateTrainingJob of any service, or sqs:SendMessage, s3:*, execute-api:*"
_INSTANCES = "an instance type: ml.g5.xlarge, ml.g*"
_EVENTS = (
    "the event's type: SageMaker Endpoint State Change, s3:ObjectCreated:Put; "
    "or the type, a space, and the resource's name or the object's key"
)
_WHEN = ("before", "after")
_MOST = 1_000_000_000
_DAY = 86_400


@dataclass(frozen=True)
class KindOfTrouble:
    """One kind.

    on: what a rule's pattern is matched against
    says: what happens, in a sentence
    options: what its rules take besides pattern, times and skip
    times: how often it strikes unless the rule says so; None: until cleared
    seconds: the default of that option, and what it means
    """

    name: str
    on: str
    says: str
    options: tuple[str, ...] = ()
    times: int | None = ONCE
    seconds: float = 0.0
    seconds_are: str = ""


KINDS = {
    kind.name: kind
    for kind in (
        KindOfTrouble(
            "throttle",
            _CALLS,
            "The call is refused as the service throttles (ThrottlingException; S3: SlowDown).",
            ("by", "about", "message"),
        ),
        KindOfTrouble(
            "error-500",
            _CALLS,
            "The call fails with the service's internal error, and has no effect.",
            ("by", "about", "message"),
        ),
        KindOfTrouble(
            "lose-reply",
            _CALLS,
            "The call takes effect, then the connection is closed without an answer.",
            ("by", "about"),
        ),
        KindOfTrouble(
            "slow",
            _CALLS,
            "The call waits before it is carried out.",
            ("by", "about", "seconds"),
            seconds=5.0,
            seconds_are="how long",
        ),
        KindOfTrouble(
            "kill-caller",
            _CALLS,
            "The Lambda function that makes the call is killed, before the call took effect or "
            "after; so are its other invocations that run.",
            ("by", "about", "when"),
        ),
        KindOfTrouble(
            "quota",
            _INSTANCES,
            "The account's limit for the instance type is 0: ResourceLimitExceeded.",
            ("message",),
            times=UNTIL_CLEARED,
        ),
        KindOfTrouble(
            "capacity",
            _INSTANCES,
            "AWS has no such instance free: the job fails with CapacityError; a managed spot "
            "training job waits instead.",
            ("message", "seconds"),
            seconds_are="how long a spot job waits; 0: until its MaxWaitTimeInSeconds is over",
        ),
        KindOfTrouble(
            "interrupt",
            "a training job's name",
            "The instances of a managed spot training job are taken away; it begins again, from "
            "its checkpoints.",
            ("seconds",),
            seconds_are="how long after training began",
        ),
        KindOfTrouble(
            "rollback",
            "an endpoint's name",
            "The update is rolled back silently: InService, with the old configuration.",
            ("message",),
        ),
        KindOfTrouble(
            "slow-start",
            "an endpoint's name",
            "A container of the endpoint takes long to start.",
            ("seconds",),
            seconds=10.0,
            seconds_are="how long",
        ),
        KindOfTrouble("events-twice", _EVENTS, "The event is delivered twice."),
        KindOfTrouble(
            "events-late",
            _EVENTS,
            "The event is delivered late.",
            ("seconds",),
            seconds=30.0,
            seconds_are="how late",
        ),
        KindOfTrouble(
            "events-reorder",
            _EVENTS,
            "The event is held until the next one of its type (S3: of its bucket) has gone.",
            ("seconds",),
            seconds=60.0,
            seconds_are="how long it is held at most",
        ),
        KindOfTrouble("events-never", _EVENTS, "The event is lost."),
        KindOfTrouble(
            "function-dies",
            "a Lambda function's name",
            "The invocation ends as a crashed runtime's does: before the handler ran, or after, "
            "when what it did is done and nobody hears of it.",
            ("when",),
        ),
    )
}


class BadRule(ValueError):
    """A rule of no kind, or with what its kind does not take; the message says what there is."""


@dataclass(frozen=True)
class Rule:
    """Trouble of one kind for the next `times` subjects that match `pattern`.

    pattern: as a shell's: `*`, `?`, `[abc]`; upper and lower case differ
    times: None: until cleared; 0: as often as the kind has it by default
    seconds: None: the kind's default
    message: instead of AWS's own words
    by: only calls of a principal whose ARN, or a part of it between slashes, matches
    about: only calls in whose path, query or body this text stands
    when: `before` or `after` the function ran
    skip: so many matching subjects are spared first
    number, used: set by `Rules`
    """

    kind: str
    pattern: str = "*"
    times: int | None = 0
    seconds: float | None = None
    message: str = ""
    by: str = "*"
    when: str = ""
    skip: int = 0
    about: str = ""
    number: int = 0
    used: int = 0

    def whole(self) -> Rule:
        """The rule with its kind's defaults. Raises BadRule."""
        kind = KINDS.get(self.kind)
        if kind is None:
            raise BadRule(f"There is no trouble {self.kind!r}. There is: {', '.join(KINDS)}.")
        given = {
            "seconds": self.seconds is not None,
            "message": bool(self.message),
            "by": self.by != "*",
            "when": bool(self.when),
            "about": bool(self.about),
        }
        for option, is_given in given.items():
            if is_given and option not in kind.options:
                takes = ", ".join(("times", "skip", *kind.options))
                raise BadRule(f"{kind.name} takes no {option}. It takes: {takes}.")
        if self.when and self.when not in _WHEN:
            raise BadRule(f"when is one of {', '.join(_WHEN)}, not {self.when!r}.")
        if not (0 <= (self.times or 0) <= _MOST and 0 <= self.skip <= _MOST):
            raise BadRule(f"times and skip are from 0 to {_MOST:,}.")
        if not 0 <= (self.seconds or 0) <= _DAY:
            raise BadRule("seconds are from 0 to 86,400, a day.")
        if not self.pattern:
            raise BadRule(f"The pattern is empty. It names {kind.on}.")
        return replace(
            self,
            times=kind.times if self.times == 0 else self.times,
            seconds=kind.seconds if self.seconds is None else self.seconds,
            when=self.when or ("before" if "when" in kind.options else ""),
        )
