"""Rules of trouble: whom they strike, how often, and what other processes see of it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from localcloud.ports import Hitch
from localcloud.trouble import KINDS, BadRule, Rule, Rules

REPO = Path(__file__).parents[3]


def strikes(rules: Rules, *subjects: str, kind: str = "throttle") -> list[bool]:
    return [rules.next(kind, subject) is not None for subject in subjects]


def test_without_rules_there_is_no_trouble() -> None:
    rules = Rules()
    assert not any(rules.next(kind, "CreateModel") for kind in KINDS)
    assert rules.all() == []


def test_a_rule_strikes_as_often_as_it_says_whom_it_says() -> None:
    rules = Rules()
    rules.add(Rule("throttle", "Create*", times=2))
    assert strikes(rules, "ListModels", "CreateModel", "CreateModel", "CreateModel") == [
        False,
        True,
        True,
        False,
    ]
    assert rules.all() == []


def test_a_rule_spares_those_that_it_skips() -> None:
    rules = Rules()
    rules.add(Rule("throttle", "A", skip=2))
    assert strikes(rules, "A", "B", "A", "A", "A") == [False, False, False, True, False]


def test_other_kinds_are_left_alone() -> None:
    rules = Rules()
    rules.add(Rule("throttle"))
    assert rules.next("error-500", "A") is None
    assert rules.next("throttle", "A") == Hitch("throttle", number=1)


def test_a_subject_is_known_by_its_other_names_too() -> None:
    rules = Rules()
    rules.add(Rule("throttle", "sqs:Send*"))
    assert rules.next("throttle", "SendMessage") is None
    assert rules.next("throttle", "SendMessage", "sqs:SendMessage")


def test_who_is_meant_can_be_asked_without_counting() -> None:
    rules = Rules()
    rules.add(Rule("throttle", "A", by="me", skip=1))
    assert not rules.meant("throttle", "A")
    assert rules.meant("throttle", "B", "A", caller=lambda: "me")
    assert not rules.meant("error-500", "A", caller=lambda: "me")
    assert [(rule.times, rule.skip) for rule in rules.all()] == [(1, 1)]


def test_a_quota_stays_until_it_is_cleared() -> None:
    rules = Rules()
    made = rules.add(Rule("quota", "ml.g*"))
    assert strikes(rules, *["ml.g5.xlarge"] * 3, kind="quota") == [True] * 3
    assert [rule.used for rule in rules.all()] == [3]
    assert rules.clear(made.number) == 1
    assert strikes(rules, "ml.g5.xlarge", kind="quota") == [False]


def test_clearing_ends_one_rule_or_all() -> None:
    rules = Rules()
    first, second = rules.add(Rule("throttle", "A")), rules.add(Rule("throttle", "B"))
    rules.add(Rule("error-500"))
    assert rules.clear(first.number) == 1
    assert rules.clear(first.number) == 0
    assert rules.all()[0] == second
    assert rules.clear() == 2
    assert strikes(rules, "B") == [False]


def test_a_rule_may_be_for_some_callers_only() -> None:
    rules = Rules()
    arn = "arn:aws:sts::000000000000:assumed-role/pigeonhole-work/session"
    rules.add(Rule("throttle", "A", by="pigeonhole-*"))
    assert rules.next("throttle", "A") is None
    assert rules.next("throttle", "A", caller=lambda: "arn:aws:iam::000000000000:root") is None
    assert rules.next("throttle", "A", caller=lambda: arn)


def test_what_a_kind_takes_has_defaults() -> None:
    rules = Rules()
    assert rules.add(Rule("events-late")).seconds == KINDS["events-late"].seconds > 0
    assert rules.add(Rule("events-late", seconds=2)).seconds == 2
    assert rules.add(Rule("function-dies")).when == "before"


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Rule("gremlins"), "throttle, error-500"),
        (Rule("throttle", seconds=3), "throttle takes no seconds. It takes: times, skip, by"),
        (Rule("quota", by="me"), "quota takes no by"),
        (Rule("function-dies", when="during"), "before, after"),
        (Rule("throttle", ""), "an operation"),
        (Rule("throttle", times=-1), "from 0 to 1,000,000,000"),
        (Rule("slow", seconds=float("nan")), "from 0 to 86,400"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(rule: Rule, words: str) -> None:
    rules = Rules()
    with pytest.raises(BadRule, match=words):
        rules.add(rule)
    assert rules.all() == []


def test_rules_and_what_is_left_of_them_survive(tmp_path: Path) -> None:
    rules = Rules(tmp_path / "trouble.db")
    rules.add(Rule("throttle", "A", times=3, message="Slowly."))
    strikes(rules, "A")
    again = Rules(tmp_path / "trouble.db")  # the first was not closed, as after a kill
    assert [(rule.times, rule.used) for rule in again.all()] == [(2, 1)]
    assert again.next("throttle", "A") == Hitch("throttle", message="Slowly.", number=1)


def test_processes_share_rules_and_their_counts(tmp_path: Path) -> None:
    path = tmp_path / "trouble.db"
    mine, other = Rules(path), Rules(path)
    assert strikes(other, "A") == [False]
    mine.add(Rule("throttle", "A", times=2))
    code = (
        "import sys; from pathlib import Path; from localcloud.trouble import Rules\n"
        "print(Rules(Path(sys.argv[1])).next('throttle', 'A') is not None)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "True"
    assert strikes(other, "A", "A") == [True, False]
    assert strikes(mine, "A") == [False]
    mine.add(Rule("throttle", "A"))
    assert strikes(other, "A") == [True]


def test_a_rule_strikes_the_calls_that_are_about_something() -> None:
    rules = Rules()
    assert not rules.any_about()
    rules.add(Rule("throttle", "PutItem", about="dataset/letters"))
    assert rules.any_about()
    assert rules.next("throttle", "PutItem") is None
    assert rules.next("throttle", "PutItem", text=lambda: '{"S": "dataset/digits"}') is None
    assert rules.next("throttle", "PutItem", text=lambda: '{"S": "dataset/letters"}')


def test_a_file_of_an_older_release_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "trouble.db"
    with sqlite3.connect(path) as old:
        old.executescript(
            "create table rules (number integer primary key autoincrement, kind text not null, "
            "pattern text not null, times integer, seconds real not null, message text not null, "
            'by text not null, "when" text not null, skip integer not null, used integer not null);'
            "insert into rules values (1, 'throttle', 'A', 1, 0, '', '*', '', 0, 0);"
        )
    rules = Rules(path)
    assert strikes(rules, "A", "A") == [True, False]
    assert rules.add(Rule("throttle", about="x")).about == "x"
