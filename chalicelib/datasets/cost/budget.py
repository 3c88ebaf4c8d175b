"""What training costs: told before a job starts, held to the caps, counted when it has ended.

    admit      before CreateTrainingJob: the job is entered in the month's ledger, waits for others,
               or waits for a person (phase PendingApproval, `awaits` cost)
    approve, turn_down   what the person says
    billed     after its end: what was billed takes the place of the most it could have cost
    withdraw   of a job that was never made
    set_apart, count     of other jobs, which compare models

A cap is a stage's (`PIGEONHOLE_BUDGET_…`) or a dataset's (`budget` in dataset.json): both hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chalicelib.aws.training import ENDED, JobStatus, TrainingJob
from chalicelib.clock import iso
from chalicelib.datasets.checking import read_report, start_attempt, with_former
from chalicelib.datasets.content import Content
from chalicelib.datasets.cost import effort, shortage
from chalicelib.datasets.cost.caps import GRACE_SECONDS, Asked, Caps, Verdict, Weighed, money, weigh
from chalicelib.datasets.cost.choices import Choices, Instances, candidates
from chalicelib.datasets.cost.ledger import Entry, Month, month_of
from chalicelib.datasets.cost.memory import Quote, Timed
from chalicelib.datasets.cost.prices import Prices, read_prices
from chalicelib.datasets.parts import Parts
from chalicelib.datasets.state import Move, Outcome, Phase, State, go, rest
from chalicelib.errors import Conflict

WAIT_SECONDS = 60  # until the month is looked at again, where jobs under way hold its rest
AUDITED = 20  # jobs of the ledger that are looked up at once
NEVER_MADE_SECONDS = 86400  # after so long nobody is about to make a job that was entered


def admit(parts: Parts, state: State, chosen: Choices, content: Content) -> Move:
    """Enter the state's job in this month's ledger, or say why it does not start."""
    job, name = state.training_job or "", month_of(parts.clock())
    prices = read_prices(parts.storage)
    asked, took = _asked(parts, state, chosen, prices)
    caps = _caps(parts, content)
    if state.costs.quote is not None and state.costs.quote.month != name:
        withdraw(parts, state)  # the month ended before the job began
    weighed = _entered(parts, state, asked, caps, name)
    if weighed.verdict is not Verdict.START and _audited(parts, name):
        weighed = _entered(parts, state, asked, caps, name)
    quote = Quote(
        job=job,
        month=name,
        estimated_seconds=asked.seconds,
        estimated_usd=asked.estimated,
        most_usd=asked.most(weighed.runtime_seconds),
        runtime_seconds=weighed.runtime_seconds,
        capped=weighed.runtime_seconds < asked.longest_seconds,
        work=took.work,
        basis="; ".join(filter(None, (took.basis, prices.source, prices.problem))),
    )
    noted = shortage.note(state.costs.refused)
    about = f"about {money(asked.estimated)} ({took.basis}) on {chosen.instances}{noted}"
    if weighed.verdict is Verdict.WAIT:
        message = f"{job}, {about}, waits: {weighed.reason}"
        return rest(replace(state, message=message), wake=WAIT_SECONDS)
    costs = replace(state.costs, quote=quote)
    if weighed.verdict is Verdict.ASK:
        costs = replace(costs, asked_usd=quote.most_usd)
        message = (
            f"a person must approve the cost of {job}: {about}, {weighed.reason}. "
            f"`pigeonhole approve {state.dataset}` starts it, for {money(quote.most_usd)} at most; "
            f"`pigeonhole reject {state.dataset}` drops it"
        )
        return go(_waits(replace(state, costs=costs), message))
    message = f"{job} is about to start: {about}, {money(quote.most_usd)} at most"
    return go(replace(state, costs=costs, message=message))


def is_admitted(parts: Parts, state: State) -> bool:
    """Is the state's job in this month's ledger?"""
    quote = state.costs.quote
    return (
        quote is not None
        and quote.job == state.training_job
        and quote.month == month_of(parts.clock())
    )


def withdraw(parts: Parts, state: State) -> None:
    """Take the state's job, which was not made, out of the ledger. Twice is as good as once.

    Also where whoever entered it died before the state could say so.
    """
    job, quote = state.training_job or "", state.costs.quote
    months = {month_of(parts.clock())} | ({quote.month} if quote and quote.job == job else set())
    for name in months:
        _withdraw(parts, name, job)


def billed(parts: Parts, state: State, job: TrainingJob) -> State:
    """The state and the ledger with what a job that has ended was billed. Twice is once."""
    quote = state.costs.quote
    if quote is not None and quote.job == job.name and quote.spent_seconds is not None:
        return state
    known = quote is not None and quote.job == job.name
    usd = count(parts, job, month=quote.month if quote and known else None)
    if quote is None or not known:
        return state
    allowed = state.costs.allowed_usd
    costs = replace(
        state.costs,
        quote=replace(quote, spent_usd=usd, spent_seconds=job.billable_seconds),
        # Should it be tried again, that may cost what is left of it.
        allowed_usd=None if allowed is None else max(0.0, allowed - (usd or 0.0)),
    )
    # Of an attempt that went on from another one's checkpoint nothing is learnt.
    whole = state.past_of(state.version).family == state.attempt
    if job.status == JobStatus.COMPLETED and whole and job.training_seconds:
        kind = effort.key(state.preset or "", _instances(job))
        costs = costs.took(kind, Timed(quote.work, float(job.training_seconds)))
    return replace(state, costs=costs)


def count(parts: Parts, job: TrainingJob, month: str | None = None) -> float | None:
    """Enter what a job that has ended was billed, once, whoever asked for it; the US dollars.

    `month` is the one that it was entered in; else it counts where it was created.
    """
    price = read_prices(parts.storage).of(job.instance_type)
    usd = None if price is None else price * job.instance_count * job.billable_seconds / 3600
    when = job.created or parts.clock()
    fresh = Entry(_owner(parts, job.name), None, None, iso(when))

    def entered(found: Month) -> Month:
        entry = found.jobs.get(job.name, fresh)
        return found.with_job(job.name, replace(entry, spent=usd, seconds=job.billable_seconds))

    parts.ledger.change(month or month_of(when), entered)
    return usd


def set_apart(parts: Parts, request: Mapping[str, Any]) -> None:
    """Enter a job that nobody is asked about (a judging job: minutes on a CPU) before it is made.

    It is never refused, but what it may cost is not there for others meanwhile.
    """
    resources = request["ResourceConfig"]
    price = read_prices(parts.storage).of(resources["InstanceType"])
    runtime = request["StoppingCondition"]["MaxRuntimeInSeconds"]
    name = request["TrainingJobName"]
    job = Asked(
        job=name,
        dataset=_owner(parts, name),
        seconds=effort.FIXED_SECONDS,
        usd_per_hour=None if price is None else price * resources["InstanceCount"],
        longest_seconds=runtime,
    )
    entry = Entry(job.dataset, job.estimated, job.most(runtime), iso(parts.clock()))
    parts.ledger.change(
        month_of(parts.clock()),
        lambda month: None if name in month.jobs else month.with_job(name, entry),
    )


def forget(parts: Parts, job: str) -> None:
    """Of a job that was set apart for, and then not made."""
    parts.ledger.change(month_of(parts.clock()), lambda month: month.without(job))


def stopped_by_cap(parts: Parts, state: State, job: TrainingJob) -> State | None:
    """The state that asks whether to go on with a job that ran as long as its cap lasted."""
    quote = state.costs.quote
    if job.secondary != "MaxRuntimeExceeded" or quote is None or not quote.capped:
        return None
    most = None
    if quote.most_usd is not None:
        longer = parts.settings.training_max_runtime_seconds + GRACE_SECONDS
        most = quote.most_usd * longer / (quote.runtime_seconds + GRACE_SECONDS)
    message = (
        f"{job.name} was stopped at its cap, when it had cost {money(quote.spent_usd)}. "
        f"`pigeonhole approve {state.dataset}` goes on from its checkpoint, for {money(most)} more "
        f"at most; `pigeonhole reject {state.dataset}` drops it"
    )
    return _waits(replace(state, costs=replace(state.costs, asked_usd=most)), message)


def approve(parts: Parts, state: State, who: str, reason: str) -> State:
    """Start the job whose cost a person was asked for, caps or not.

    Raises Conflict where nobody was asked.
    """
    _check_asked(state)
    quote = state.costs.quote
    costs = replace(state.costs, allowed_usd=state.costs.asked_usd or 0.0, asked_usd=None)
    because = f": {reason}" if reason else ""
    state = replace(
        state,
        phase=Phase.TRAINING,
        settled=False,
        outcome=None,
        awaits=None,
        trained_at=iso(parts.clock()),
        decided_by=who,
        decided_why=reason or None,
        message=f"{who} approved the cost of {state.training_job}{because}",
    )
    if quote is not None and quote.spent_seconds is not None:  # it ran until its cap was used up
        approved = replace(state, costs=replace(costs, quote=None))
        return start_attempt(parts, approved, state.attempt + 1)
    state = replace(state, costs=replace(costs, quote=None))
    version = state.version or ""
    return state.remember(version, replace(state.past_of(version), outcome=None))


def turn_down(parts: Parts, state: State, who: str, reason: str) -> State:
    """Give up the job whose cost a person was asked for. A model that the version had before, of an
    earlier training, stays what it was. Raises Conflict where nobody was asked."""
    _check_asked(state)
    because = f": {reason}" if reason else ""
    message = (
        f"{who} turned down what {state.training_job} would cost{because}; "
        f"`pigeonhole retrain {state.dataset}` asks again"
    )
    state = replace(
        state,
        decided_by=who,
        decided_why=reason or None,
        costs=replace(state.costs, asked_usd=None),
    ).settle(Phase.REJECTED, Outcome.REJECTED, message, by_person=True)
    return with_former(state)


def _owner(parts: Parts, job: str) -> str:
    """The dataset of a training or a judging job; empty for other people's."""
    run = parts.names.parse_training(job)
    return run.name if run else ""


def _instances(job: TrainingJob) -> Instances:
    return Instances(job.instance_type, job.instance_count, job.spot)


def _check_asked(state: State) -> None:
    if state.phase is not Phase.PENDING_APPROVAL or state.awaits != "cost":
        raise Conflict(f"no training of {state.dataset} waits for its cost to be approved")


def _waits(state: State, message: str) -> State:
    return state.settle(Phase.PENDING_APPROVAL, Outcome.PENDING_APPROVAL, message, awaits="cost")


def _caps(parts: Parts, content: Content) -> Caps:
    stage, own = parts.settings, content.service.budget
    own_job = None if own is None else own.job_usd
    jobs = [cap for cap in (stage.budget_job_usd, own_job) if cap is not None]
    return Caps(
        job=min(jobs, default=None),
        month=stage.budget_month_usd,
        dataset_month=None if own is None else own.month_usd,
    )


def _asked(
    parts: Parts, state: State, chosen: Choices, prices: Prices
) -> tuple[Asked, effort.Effort]:
    report = read_report(parts, state) or {}
    instances = chosen.instances
    took = effort.estimate(report, chosen.preset, instances, state.costs.timed)
    price = prices.of(instances.type)
    longest = parts.settings.training_max_runtime_seconds
    hopeless = None
    wanted_gpu = candidates(report, parts.settings)[0].gpu
    if wanted_gpu and not instances.gpu and took.seconds > longest:
        hopeless = (
            f"but {chosen.preset} would take some {_hours(took.seconds)} without a GPU, and a job "
            f"may run {_hours(longest)}"
        )
    asked = Asked(
        job=state.training_job or "",
        dataset=state.dataset,
        seconds=took.seconds,
        usd_per_hour=None if price is None else price * instances.count,
        longest_seconds=longest,
        spot=instances.spot,
        hopeless=hopeless,
    )
    return asked, took


def _entered(parts: Parts, state: State, asked: Asked, caps: Caps, name: str) -> Weighed:
    """Weigh the job against the month as it is, and enter it in the same write."""
    weighed: list[Weighed] = []

    def entered(month: Month) -> Month:
        weighed.append(weigh(asked, caps, month, state.costs.allowed_usd))
        known = month.jobs.get(asked.job)
        if known is not None and known.ended:
            return month  # others were faster: what it cost is known
        if weighed[-1].verdict is not Verdict.START:
            return month.without(asked.job)
        most = asked.most(weighed[-1].runtime_seconds)
        at = iso(parts.clock()) if known is None else known.at
        return month.with_job(asked.job, Entry(asked.dataset, asked.estimated, most, at))

    parts.ledger.change(name, entered)
    return weighed[-1]


def _withdraw(parts: Parts, name: str, job: str) -> None:
    parts.ledger.change(name, lambda month: month.withdrawn(job))


def _audited(parts: Parts, name: str) -> bool:
    """Put right what the ledger says of jobs under way that no longer are; was there any?

    Jobs whose item was lost, so that nobody told of their end, or never made them.
    """
    jobs = parts.ledger.month(name).jobs
    found = False
    for entered in [job for job, entry in jobs.items() if not entry.ended][:AUDITED]:
        job = parts.training.describe(entered)
        if job is not None and job.status in ENDED:
            count(parts, job, month=name)
        elif job is None and parts.seconds_since(jobs[entered].at) > NEVER_MADE_SECONDS:
            _withdraw(parts, name, entered)
        else:
            continue
        found = True
    return found


def _hours(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:,.0f} hours" if hours >= 2 else f"{seconds / 60:,.0f} minutes"
