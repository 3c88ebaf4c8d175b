"""What is worth a message to people, and its words.

A message a turn that somebody may have to act on or would want to know without asking: how a run
ended, that it waits for a person, that rows were left out or another instance type was taken. What
goes on in between stands in the history, and data that is dropped again without a change is told
to nobody: a topic that talks too much is muted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from chalicelib.aws.notifications import Message
from chalicelib.datasets.history.history import GATE, Happened
from chalicelib.datasets.history.outbox import MOST, Notice, NoticeKind
from chalicelib.datasets.history.timeline import Event, Kind, shorten
from chalicelib.datasets.state import State

LONGEST_TEXT = 2000  # bytes, as JSON writes them
LONGEST_PROBLEM = 1000  # bytes; of SNS's 256 KB a message takes eight times what it tells
LONGEST_SUBJECT = 99  # characters; SNS takes fewer than 100
LONGEST_TITLE, LONGEST_CHAT = 250, 7900  # characters; longer ones a chat room does not get at all

_KINDS: dict[str, NoticeKind] = {
    Kind.REFUSED: NoticeKind.REFUSED,
    Kind.FAILED: NoticeKind.FAILED,
    Kind.APPROVAL_PENDING: NoticeKind.MODEL_PENDING,
    Kind.COST_PENDING: NoticeKind.COST_PENDING,
    Kind.REJECTED: NoticeKind.REJECTED,
    Kind.LIVE: NoticeKind.LIVE,
    Kind.ROLLED_BACK: NoticeKind.ROLLED_BACK,
    Kind.OTHER_INSTANCES: NoticeKind.OTHER_INSTANCES,
}
_ENDS = (Kind.REFUSED, Kind.FAILED, Kind.APPROVAL_PENDING, Kind.COST_PENDING, Kind.LIVE)
_OUTCOMES: dict[str, str] = {
    NoticeKind.MODEL_PENDING: "PendingApproval",
    NoticeKind.COST_PENDING: "PendingApproval",
    NoticeKind.ROLLED_BACK: "Rejected",
}
_TITLES: dict[str, str] = {
    NoticeKind.REFUSED: "the data was refused",
    NoticeKind.FAILED: "failed",
    NoticeKind.MODEL_PENDING: "a model waits for your approval",
    NoticeKind.COST_PENDING: "a training job waits for your approval of its cost",
    NoticeKind.REJECTED: "a model was rejected",
    NoticeKind.LIVE: "a new model is live",
    NoticeKind.ROLLED_BACK: "rolled back",
    NoticeKind.ROWS_SET_ASIDE: "bad rows were set aside",
    NoticeKind.OTHER_INSTANCES: "trained on other instances than asked for",
}
_ADVICE: dict[str, str] = {
    NoticeKind.REFUSED: "Nothing was trained, and the files stay where they were put. Put them "
    "right and drop them again.",
    NoticeKind.MODEL_PENDING: "Approve it: pigeonhole approve {dataset}{option}\n"
    "Turn it down: pigeonhole reject {dataset}{option}",
    NoticeKind.COST_PENDING: "Start it: pigeonhole approve {dataset}{option}\n"
    "Turn it down: pigeonhole reject {dataset}{option}",
    NoticeKind.REJECTED: "Take it all the same: pigeonhole approve {dataset} {short}{option}",
    NoticeKind.ROWS_SET_ASIDE: "The training goes on without them. The report lists them.",
}


def between(after: State, happened: Happened) -> tuple[Notice, ...]:
    """The notices that these events of one write are worth; `after` is the state it wrote."""
    found: list[Notice] = []
    rolled_back = any(event.kind == Kind.ROLLED_BACK for _, event in happened)
    for version, event in happened:
        kind = _KINDS.get(event.kind)
        if event.kind == Kind.CHECKED and event.text:
            kind = NoticeKind.ROWS_SET_ASIDE
        if kind is None or (kind is NoticeKind.LIVE and rolled_back):
            continue
        if any(notice.kind == kind for notice in found):
            continue  # two that were rolled back from, or could not be had, are one message
        found.append(_notice(after, version, event, kind))
    return tuple(found)


def boxed(state: State, notices: Sequence[Notice]) -> State:
    """The state with these notices to be sent."""
    if not notices:
        return state
    return replace(state, outbox=(*state.outbox, *notices)[-MOST:])


def _notice(after: State, version: str, event: Event, kind: NoticeKind) -> Notice:
    text = after.message if event.kind in _ENDS and version == after.version else event.text
    if kind is NoticeKind.ROLLED_BACK:
        text = f"{event.by} rolled back from {event.job} {text}"
    said = json.dumps([after.dataset, kind, version, event.job, event.at])
    return Notice(
        id=hashlib.sha256(said.encode()).hexdigest()[:16],
        kind=kind,
        at=event.at,
        version=version,
        text=shorten(text, LONGEST_TEXT),
        job=event.job,
        by=event.by,
        report=event.report or after.report if version == after.version else event.report,
        live=None if after.champion is None else after.champion.training_job,
    )


def message(notice: Notice, stage: str, dataset: str, problems: Sequence[str] = ()) -> Message:
    """The notice as it is sent. `problems`: the first that made the check refuse the data."""
    title = _title(notice)
    problems = [shorten(problem, LONGEST_PROBLEM) for problem in problems]
    outcome = _OUTCOMES.get(notice.kind, notice.kind)
    document = {
        "format": 1,
        "id": notice.id,
        "kind": notice.kind,
        "outcome": outcome,
        "stage": stage,
        "dataset": dataset,
        "version": notice.version,
        "training_job": notice.job,
        "message": notice.text,
        "problems": problems,
        "by": notice.by,
        "report": notice.report,
        "live": notice.live,
        "at": notice.at,
    }
    text = _text(notice, title, stage, dataset, problems)
    return Message(
        subject=_ascii(f"pigeonhole {stage}: {dataset}: {title}")[:LONGEST_SUBJECT],
        text=text,
        document=document,
        chat=_chat(notice, title, stage, dataset, text),
        attributes={
            "stage": stage,
            "dataset": dataset,
            "kind": str(notice.kind),
            "outcome": str(outcome),
        },
    )


def _title(notice: Notice) -> str:
    title = _TITLES.get(notice.kind, notice.kind)  # a newer release may have other kinds
    if not notice.by or notice.kind not in (NoticeKind.REJECTED, NoticeKind.ROLLED_BACK):
        return title
    return f"{title} by {'the gate' if notice.by == GATE else notice.by}"


def _text(notice: Notice, title: str, stage: str, dataset: str, problems: Sequence[str]) -> str:
    option = "" if stage == "local" else f" --stage {stage}"
    lines = [f"{dataset}: {title}", "", notice.text]
    if problems:
        lines += ["", "The first problems:", *(f"  {problem}" for problem in problems)]
    advice = _ADVICE.get(notice.kind)
    if advice and "pigeonhole approve" not in notice.text:
        short = (notice.version or "")[:12]
        lines += ["", advice.format(dataset=dataset, option=option, short=short)]
    if notice.kind not in (NoticeKind.LIVE, NoticeKind.ROLLED_BACK):
        lines += ["", f"Live as before: {notice.live}" if notice.live else "No model is live yet."]
    facts = {
        "Version": notice.version,
        "Job": notice.job,
        "Report": notice.report,
        "History": f"pigeonhole history {dataset}{option}",
        "At": notice.at,
        "Notice": f"{notice.id} (one that comes twice has the same number)",
    }
    lines += ["", *(f"{name:8} {value}" for name, value in facts.items() if value)]
    return "\n".join(lines) + "\n"


def _chat(notice: Notice, title: str, stage: str, dataset: str, text: str) -> dict[str, Any]:
    """The form that Amazon Q Developer in chat applications (AWS Chatbot) shows in Slack and Teams.

    It drops everything else without a word: "Custom notifications" in its Administrator Guide.
    """
    return {
        "version": "1.0",
        "source": "custom",
        "id": notice.id,
        "content": {
            "textType": "client-markdown",
            "title": f"{dataset} ({stage}): {title}"[:LONGEST_TITLE],
            "description": f"```\n{text.partition(chr(10))[2].strip()[:LONGEST_CHAT]}\n```",
            "keywords": [dataset, str(notice.kind)],
        },
        "metadata": {
            "threadId": f"pigeonhole-{stage}-{dataset}-{(notice.version or '')[:12]}",
            "summary": f"{dataset}: {title}"[:LONGEST_TITLE],
            "eventType": str(notice.kind),
            "additionalContext": {"id": notice.id, "dataset": dataset, "stage": stage},
        },
    }


def _ascii(text: str) -> str:
    """A subject line for e-mail: printable ASCII."""
    return "".join(c if " " <= c <= "~" else "?" for c in text)
