"""`pigeonhole history`: what the API tells, in 80 columns."""

from __future__ import annotations

import io
from typing import Any

import httpx
import pytest
from rich.console import Console

from cli.api import Api, ApiError
from cli.commands.history import overview, show, whole

JOB = "pigeonhole-local-letters-0123456789ab-1"
OLD = "pigeonhole-local-letters-fedcba987654-2"


def entry(**changed: Any) -> dict[str, Any]:
    """A version that is live, as the list tells of it."""
    return {
        "version": "0123456789ab" + "0" * 52,
        "began": "2026-11-21T10:00:00+00:00",
        "phase": "Live",
        "outcome": "Live",
        "message": f"{JOB} is live: held-out accuracy 0.8500",
        "data": {
            "summary": "60,000 rows to train with, 10,000 held out, all well",
            "kind": "rows",
            "files": 2,
            "bytes": 133_000_000,
            "rows": {"train": 60_000, "validation": 0, "test": 10_000},
            "classes": 10,
            "set_aside": 3,
        },
        "jobs": [
            {
                "training_job": JOB,
                "preset": "default",
                "instances": "1 x ml.g5.xlarge",
                "code_version": "c0de00000000",
                "started": "2026-11-21T10:01:00+00:00",
                "ended": "2026-11-21T10:08:00+00:00",
                "outcome": "Completed",
                "estimated_usd": 0.5,
                "usd": 0.42,
            }
        ],
        "metrics": {"accuracy": 0.85, "interval": [0.84, 0.86], "heldout_rows": 10_000},
        "decision": {
            "verdict": "approved",
            "by": "gate",
            "why": "approved: not worse",
            "at": "2026-11-21T10:09:00+00:00",
            "before": [],
            "compared_with": OLD,
            "difference": 0.0123,
            "standard_error": 0.0045,
            "paired_rows": 9_990,
        },
        "live": [
            {
                "training_job": JOB,
                "since": "2026-11-21T10:10:00+00:00",
                "until": None,
                "ended_by": None,
            }
        ],
        "is_live": True,
        "cost": {"usd": 0.42, "estimated_usd": 0.5},
        "reports": {"report": "s3://bucket/reports/letters/index.html"},
    } | changed


def refused(message: str) -> dict[str, Any]:
    return entry(
        version="aa" * 32,
        outcome="Refused",
        message=message,
        jobs=[],
        metrics=None,
        decision=None,
        live=[],
        is_live=False,
        cost={"usd": None, "estimated_usd": None},
    )


def listed(*versions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"dataset": "letters", "versions": list(versions), "next": None, "notices": []} | more


def printed(parts: Any, width: int = 80) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, highlight=False, markup=False, emoji=False)
    show(parts, console)
    return out.getvalue()


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture(autouse=True)
def at_greenwich(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")


def test_a_row_says_what_is_live_since_when_and_why() -> None:
    text = printed(overview(listed(entry())))
    assert max(map(len, text.splitlines())) <= 80
    told = words(text)
    assert "0123456789ab" in told
    assert "85.0%" in told
    assert "live since 2026-11-21 10:10" in told
    assert "approved by gate: +0.0123 ± 0.0045 against fedcba987654-2" in told
    assert "70,000 rows, 10 classes; 3 set aside; $0.42" in told
    assert "pigeonhole history letters 0123456789ab" in told


def test_a_refusal_is_told_whole_and_harmless() -> None:
    text = printed(overview(listed(refused("refused: \x1b[31mevil\x1b[0m.csv, line 7: no"))))
    assert "refused: evil.csv, line 7: no" in words(text)
    assert "\x1b" not in text
    assert "classes" not in text


@pytest.mark.parametrize("message", ["other data took its place before its cost was approved", ""])
def test_what_other_data_took_the_place_of_is_not_under_way(message: str) -> None:
    left = refused(message) | {"outcome": None, "phase": None, "reports": {}}
    found = left | {"dataset": "letters", "data": {}, "registry": None, "events": []}
    for parts in (overview(listed(left)), whole(found)):
        told = words(printed(parts, 200))
        assert "other data took its place before" in told
        assert "under way" not in told
        assert "unknown" not in told


def test_older_versions_and_unsent_notices_are_not_passed_over() -> None:
    notice = {"kind": "Refused", "version": "aa" * 32, "sent": None}
    found = listed(entry(), next="aa" * 32, notices=[notice])
    told = words(printed(overview(found, " --stage dev")))
    assert "pigeonhole history letters --all --stage dev" in told
    assert "Refused aaaaaaaaaaaa not sent yet" in told


def test_nothing_yet_is_said() -> None:
    assert "Nothing has been taken up of letters yet." in printed(overview(listed()))


def test_one_version_whole() -> None:
    short = entry()
    uri = f"s3://bucket/reports/letters/{JOB}/a-folder-of-some-length/index.html"
    reports = {"report": {"uri": uri, "url": "https://x"}}
    found = short | {
        "dataset": "letters",
        "reports": reports,
        "registry": {"model_package_arn": "arn:package/1", "approval": "Approved"},
        "data": short["data"]
        | {
            "class_rows": {"a": {"train": 6_000, "test": 1_000}, "b": {"train": 6_000}},
            "listed": [
                {"key": "datasets/letters/a.csv", "etag": "e7a9", "size": 1_000, "rows": 60_000}
            ],
            "listed_of": 30,
        },
        "metrics": short["metrics"] | {"recall": {"a": 0.91}},
        "events": [
            {"at": "2026-11-21T10:00:00+00:00", "kind": "TakenUp"},
            {"at": "2026-11-21T10:10:00+00:00", "kind": "Approved", "by": "anna", "text": "fine"},
        ],
    }
    text = printed(whole(found))
    lines = text.splitlines()
    assert f"report      {uri}" in lines  # in one line, to be copied
    assert max(len(line) for line in lines[1:] if uri not in line) <= 80
    told = words(text)
    for part in (
        "version 0123456789ab",
        "85.00% (84.00% to 86.00%) of 10,000 held-out rows",
        "approved by gate: not worse",
        f"with {OLD}: +0.0123, standard error 0.0045, 9,990 paired rows",
        "2026-11-21 10:10 to now",
        "arn:package/1: Approved",
        "default on 1 x ml.g5.xlarge; code c0de00000000; $0.42",
        "a 6,000 1,000 91.0%",
        "datasets/letters/a.csv 60,000 1,000 e7a9",
        "and 10 more files",
        "Approved by anna; fine",
    ):
        assert part in told, part


def test_what_is_not_known_leaves_no_hole() -> None:
    """As of a version that an older release made live."""
    bare = entry(began=None, data=None, jobs=[], metrics=None, decision=None, live=[], reports={})
    assert "0123456789ab" in printed(overview(listed(bare)))
    found = bare | {"dataset": "letters", "data": {}, "registry": None, "events": []}
    assert "is live" in words(printed(whole(found)))


def test_the_calls_name_the_version_as_it_was_typed() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        if "nowhere" in str(request.url):
            body = {"error": "version_not_found", "message": "letters has no version nowhere"}
            return httpx.Response(404, json=body)
        return httpx.Response(200, json=listed())

    api = Api(httpx.Client(base_url="http://api", transport=httpx.MockTransport(answer)))
    api.history("letters")
    api.history("letters", "abcd")
    with pytest.raises(ApiError, match="no version nowhere"):
        api.version("letters", "no/where/nowhere")
    assert asked == [
        "http://api/datasets/letters/history",
        "http://api/datasets/letters/history?after=abcd",
        "http://api/datasets/letters/history/no%2Fwhere%2Fnowhere",
    ]
