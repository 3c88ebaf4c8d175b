"""`pigeonhole trouble`: bad days on demand, for the local cloud alone.

It asks the running cloud over HTTP (`/_pigeonhole/trouble` on SageMaker's port, docs/trouble.md).
"""

from __future__ import annotations

import os
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from cli.console import make_console
from cli.errors import CliError, NotRunning, UsageError
from cli.target import DEFAULT_HOME, up_command
from localcloud.home import Home

PATH = "/_pigeonhole/trouble"
_PATIENCE = 10.0  # seconds


def show(home: Path | None) -> int:
    """Print the rules in force and the kinds that there are."""
    answer = _ask(home, "GET")
    console = make_console()
    print_rules(answer["rules"], console)
    print_kinds(answer["kinds"], console)
    return 0


def add(home: Path | None, rule: dict[str, Any]) -> int:
    """Put a rule in force. Raises UsageError for what is no rule."""
    added = _ask(home, "POST", json=rule)
    make_console().print(f"Rule {added['number']}: {sentence(added)}.")
    return 0


def clear(home: Path | None, number: int | None) -> int:
    """End one rule, or all."""
    ended = _ask(home, "DELETE", "" if number is None else f"/{number}")["ended"]
    make_console().print(f"{ended} rule{'' if ended == 1 else 's'} ended.")
    return 0


def sentence(rule: dict[str, Any]) -> str:
    """What a rule does, whom and how often."""
    by = "" if rule.get("by", "*") == "*" else f" by {rule['by']}"
    about = f" about {rule['about']}" if rule.get("about") else ""
    parts = [f"{rule['kind']} on {rule['on']}{by}{about}"]
    if rule.get("when"):
        parts.append("before it has an effect" if rule["when"] == "before" else "after its effect")
    if rule.get("seconds"):
        parts.append(f"{rule['seconds']:g} s")
    if rule["skip"]:
        parts.append(f"sparing the next {rule['skip']}")
    times = rule["times"]
    parts.append(
        "until it is cleared" if times is None else "once" if times == 1 else f"{times} times"
    )
    return ", ".join(parts)


def print_rules(rules: list[dict[str, Any]], console: Console) -> None:
    """A line a rule."""
    if not rules:
        console.print("No trouble is in force.")
        return
    table = Table("Rule", "In force", "Struck", box=None, pad_edge=False, header_style="bold")
    for rule in rules:
        table.add_row(str(rule["number"]), sentence(rule), str(rule["used"]))
    console.print(table)
    console.print("\nEnd them: pigeonhole trouble clear [RULE]")


def print_kinds(kinds: list[dict[str, Any]], console: Console) -> None:
    """What can be asked for: what it does, whom its pattern means, what else it takes."""
    console.print("\nThere is, for `pigeonhole trouble add KIND --on PATTERN`:")
    for meant in dict.fromkeys(kind["on"] for kind in kinds):
        console.print(f"\nPATTERN is {meant}", style="bold")
        for kind in kinds:
            if kind["on"] == meant:
                console.print(f"  {kind['kind']:<15} {kind['says']}")
                if options := ", ".join(_option(name, kind) for name in kind["options"]):
                    console.print(f"  {'':<15} Takes {options}.")
    console.print("\nAll take --times N or --always, and --skip N to spare the first.")


def _option(name: str, kind: dict[str, Any]) -> str:
    if name != "seconds":
        return f"--{name}"
    return f"--seconds ({kind['seconds_are']}; {kind['seconds']:g} by default)"


def address(home: Path | None) -> str:
    """The URL of the local cloud's SageMaker. Raises NotRunning."""
    if home is None and os.environ.get("AWS_ENDPOINT_URL_SAGEMAKER"):
        return os.environ["AWS_ENDPOINT_URL_SAGEMAKER"].rstrip("/")
    folder = home or DEFAULT_HOME
    running = Home.at(folder).running()
    if running is None or not running.ready:
        raise NotRunning(f"No local cloud runs in {folder}. Start one: {up_command(home)}")
    return running.ports.sagemaker_url


def _ask(home: Path | None, method: str, path: str = "", **request: Any) -> Any:
    url = address(home)
    try:
        with httpx.Client(trust_env=False, timeout=_PATIENCE) as client:
            answer = client.request(method, f"{url}{PATH}{path}", **request)
            content = answer.json()
    except (httpx.TransportError, ValueError) as error:
        raise NotRunning(f"No local cloud answers at {url}: {error}.") from error
    if answer.is_success:
        return content
    message = content.get("message", "") if isinstance(content, dict) else ""
    if answer.status_code == HTTPStatus.BAD_REQUEST and content.get("error") == "bad_rule":
        raise UsageError(message)
    raise CliError(message or f"{url} answered {answer.status_code}; is it a local cloud?")
