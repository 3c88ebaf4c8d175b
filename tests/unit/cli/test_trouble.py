"""`pigeonhole trouble`, against the routes that the local cloud serves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette
from typer.testing import CliRunner, Result

from cli.main import app
from localcloud.sagemaker.server import free_port
from localcloud.trouble import KINDS, Rule, Rules
from localcloud.trouble.http import routes

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Rules, str]]:
    """Rules, and where they are served."""
    rules, port = Rules(), free_port()
    config = uvicorn.Config(
        Starlette(routes=routes(rules)), host="127.0.0.1", port=port, log_level="warning"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
    yield rules, f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def rules(served: tuple[Rules, str]) -> Rules:
    served[0].clear()
    return served[0]


@pytest.fixture
def run(served: tuple[Rules, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def invoke(*arguments: str, url: str = served[1]) -> Result:
        return CliRunner().invoke(
            app, ["trouble", *arguments], env={"AWS_ENDPOINT_URL_SAGEMAKER": url}
        )

    return invoke


@pytest.mark.parametrize(
    ("arguments", "rule", "words"),
    [
        (
            "throttle --on CreateTrainingJob --times 2",
            Rule("throttle", "CreateTrainingJob", times=2, seconds=0),
            "throttle on CreateTrainingJob, 2 times.",
        ),
        (
            "quota --on ml.g*",
            Rule("quota", "ml.g*", times=None, seconds=0),
            "quota on ml.g*, until it is cleared.",
        ),
        (
            "events-late --on X --seconds 3",
            Rule("events-late", "X", times=1, seconds=3),
            "events-late on X, 3 s, once.",
        ),
        (
            "kill-caller --on sqs:* --by *work --when after --skip 2 --always",
            Rule("kill-caller", "sqs:*", None, 0, by="*work", when="after", skip=2),
            "kill-caller on sqs:* by *work, after its effect, sparing the next 2, "
            "until it is cleared.",
        ),
    ],
)
def test_a_rule_is_put_in_force(
    rules: Rules, run: Run, arguments: str, rule: Rule, words: str
) -> None:
    done = run("add", *arguments.split())
    assert done.exit_code == 0
    (added,) = rules.all()
    assert done.output == f"Rule {added.number}: {words}\n"
    assert Rule(**{**vars(added), "number": 0}) == rule


def test_rules_and_kinds_are_shown(rules: Rules, run: Run) -> None:
    assert "No trouble is in force." in run().output
    rules.add(Rule("throttle", "CreateModel", times=3))
    rules.next("throttle", "CreateModel")
    shown = run().output
    assert "throttle on CreateModel, 2 times" in shown
    for kind in KINDS.values():
        assert kind.name in shown
        assert kind.says in shown


def test_rules_are_ended(rules: Rules, run: Run) -> None:
    first = rules.add(Rule("throttle"))
    rules.add(Rule("throttle"))
    rules.add(Rule("throttle"))
    assert run("clear", str(first.number)).output == "1 rule ended.\n"
    missing = run("clear", str(first.number))
    assert missing.exit_code == 1
    assert f"No rule {first.number} is in force." in missing.output
    assert run("clear").output == "2 rules ended.\n"


def test_what_is_no_rule_is_a_usage_error_that_lists_what_is(rules: Rules, run: Run) -> None:
    unknown = run("add", "gremlins")
    assert unknown.exit_code == 2
    assert "throttle, error-500" in unknown.output
    assert run("add", "quota", "--seconds", "2").exit_code == 2
    assert rules.all() == []


def test_without_a_cloud_a_sentence_says_so(run: Run) -> None:
    silent = run(url=f"http://127.0.0.1:{free_port()}")
    assert silent.exit_code == 1
    assert "No local cloud answers" in silent.output
    nowhere = run("add", "throttle", url="")
    assert nowhere.exit_code == 1
    assert nowhere.output == "No local cloud runs in .local. Start one: pigeonhole up\n"
