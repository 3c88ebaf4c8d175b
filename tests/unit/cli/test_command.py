"""The command line: exit statuses, sentences instead of tracebacks, what an outcome prints."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cli.api import DatasetStatus
from cli.commands import report
from cli.commands.classify import print_rejected
from cli.commands.drop import print_outcome, print_problems
from cli.target import Target
from localcloud.home import Home, Lock, Running

REPO = Path(__file__).parents[3]


def pigeonhole(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command where no cloud is."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "PIGEONHOLE_"))}
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**clean, "PYTHONPATH": str(REPO)},
    )


@pytest.mark.parametrize("command", ["drop", "predict", "classify"])
def test_without_a_cloud_a_sentence_says_what_to_do(command: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("label,1\n")
    argument = "." if command == "classify" else "a.csv"
    done = pigeonhole(command, argument, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.strip() == "No local cloud in .local. Start one: pigeonhole up"


def test_status_works_where_nothing_runs(tmp_path: Path) -> None:
    done = pigeonhole("status", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert "pigeonhole up" in done.stdout


def test_status_tells_a_cloud_without_the_service_from_no_cloud(tmp_path: Path) -> None:
    lock = Lock(Home.at(tmp_path / ".local"), Running(os.getpid(), 4566, "us-east-1", 0.0))
    try:
        done = pigeonhole("status", cwd=tmp_path)
    finally:
        lock.release()
    assert (done.returncode, done.stderr) == (1, "")
    assert "runs" in done.stdout
    assert "not deployed" in done.stdout
    assert done.stdout.rstrip().endswith("pigeonhole up")


def test_down_works_where_nothing_runs(tmp_path: Path) -> None:
    done = pigeonhole("down", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "No local cloud runs" in done.stdout


def test_unusable_files_are_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"")
    done = pigeonhole("drop", "a.txt", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("a.txt is no CSV.")
    assert pigeonhole("drop", "missing.csv", cwd=tmp_path).returncode == 2


def test_help_does_not_load_what_it_does_not_need(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom cli.main import app\ntry:\n    app(['--help'])\nexcept SystemExit: pass\n"
        "print('boto3' in sys.modules, 'httpx' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPO
    )
    assert done.stdout.splitlines()[-1] == "False False"
    for command in (
        "up",
        "down",
        "status",
        "logs",
        "drop",
        "retrain",
        "report",
        "predict",
        "classify",
        "deploy",
        "destroy",
    ):
        assert f" {command} " in done.stdout


class Objects:
    """An S3 that holds one object."""

    def __init__(self, key: str, body: bytes) -> None:
        self._key = key
        self._body = body

    def get_object(self, **request: str) -> dict[str, Any]:
        assert request == {"Bucket": "bucket", "Key": self._key}
        return {"Body": io.BytesIO(self._body)}


def screen() -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, width=200, markup=False, highlight=False), out


def test_problems_name_file_line_and_reason() -> None:
    folder = "reports/letters/preflight/abc/"
    problems = [
        {"file": "a.csv", "line": 7, "column": None, "reason": "12 values; the first row has 785"},
        {"file": "a.csv", "line": 8, "column": 3, "reason": "'x' is no pixel value"},
        {"file": "", "line": None, "column": None, "reason": "there is one class only"},
    ]
    console, out = screen()
    body = json.dumps({"problems": problems, "problem_count": 5}).encode()
    objects = Objects(folder + "report.json", body)
    print_problems(objects, f"s3://bucket/{folder}report.txt", console)
    assert [line.strip() for line in out.getvalue().splitlines()] == [
        "a.csv, line 7: 12 values; the first row has 785",
        "a.csv, line 8, column 3: 'x' is no pixel value",
        "there is one class only",
        "and 2 problems more",
    ]


@pytest.mark.parametrize(
    ("outcome", "code", "words"),
    [
        ("Live", 0, "letters is live"),
        ("AlreadyTrained", 0, "The process died."),
        ("Failed", 1, "Failed: the process died"),
        ("Rejected", 1, "Rejected: the process died"),
        ("PendingApproval", 1, "PendingApproval: the process died"),
    ],
)
def test_exit_status_says_whether_the_data_is_live(outcome: str, code: int, words: str) -> None:
    status = DatasetStatus.parse(
        {
            "dataset": "letters",
            "phase": outcome,
            "message": "the process died",
            "settled": True,
            "outcome": outcome,
            "champion": {
                "version": "0" * 64,
                "training_job": "pigeonhole-local-letters-000000000000-1",
                "accuracy": 0.8765,
                "since": "2026-03-04T05:06:07Z",
            },
        }
    )
    console, out = screen()
    target = Target("local", "bucket", "http://api.test")
    assert print_outcome(status, target, console) == code
    assert words in out.getvalue()
    assert "87.6%" in out.getvalue() or "87.7%" in out.getvalue()


def test_rejected_files_are_shown_with_their_reasons(tmp_path: Path) -> None:
    rejected = tmp_path / "rejected.csv"
    rejected.write_text("file,error,message\nnotes.txt,not_an_image,No image format begins so.\n")
    console, out = screen()
    print_rejected(rejected, console)
    assert "notes.txt: No image format begins so." in out.getvalue()


def status_of(**fields: Any) -> DatasetStatus:
    base = {"dataset": "letters", "phase": "Live", "settled": True, "outcome": "Live"}
    return DatasetStatus.parse({**base, **fields})


def test_an_outcome_says_how_it_was_trained_and_leads_to_its_report() -> None:
    console, out = screen()
    status = status_of(
        preset="resnet50",
        instances="2 x ml.g5.xlarge, spot",
        report="s3://bucket/reports/letters/job-1/index.html",
    )
    print_outcome(status, Target("dev", "bucket", "http://api.test"), console)
    assert "preset resnet50 on 2 x ml.g5.xlarge, spot" in out.getvalue()
    assert "pigeonhole report letters --stage dev" in out.getvalue()


def test_a_report_is_fetched_with_all_that_lies_beside_it(tmp_path: Path) -> None:
    keys = ("index.html", "data/a.png", "../escaped.html", "tensorboard-output/x")

    class Bucket:
        def get_paginator(self, _call: str) -> Bucket:
            return self

        def paginate(self, **request: str) -> list[dict[str, Any]]:
            assert request == {"Bucket": "bucket", "Prefix": "reports/letters/job-1/"}
            return [{"Contents": [{"Key": request["Prefix"] + key} for key in keys]}]

        def download_file(self, bucket: str, key: str, path: str) -> None:
            Path(path).write_text(key)

    class Local(Target):
        def client(self, service: str) -> Any:
            return Bucket()

    console, _ = screen()
    status = status_of(report="s3://bucket/reports/letters/job-1/index.html")
    target = Local("local", "bucket", "http://api.test")
    page = report.fetch(status, tmp_path / "here", target, console)
    assert page.read_text() == "reports/letters/job-1/index.html"
    found = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert found == {"here/index.html", "here/data/a.png", "here/tensorboard-output/x"}
