"""`pigeonhole trouble`: the options of its commands."""

# ruff: noqa: PLC0415 - as in main.py
from __future__ import annotations

from typing import Annotated

import typer

from cli.options import Home, run

trouble = typer.Typer(invoke_without_command=True)


@trouble.callback()
def show_trouble(context: typer.Context, home: Home = None) -> None:
    """Bad days on demand: have the local cloud's next calls fail, its events get lost, ….

    Alone it shows the rules in force, and all kinds of trouble.
    """
    if context.invoked_subcommand is None:
        from cli.commands import trouble as command

        run(lambda: command.show(home))


@trouble.command("add")
def add_trouble(
    kind: Annotated[str, typer.Argument(help="throttle, lose-reply, quota, events-late, …")],
    *,
    on: Annotated[
        str, typer.Option(help="Whom it strikes: a pattern, say 'Create*' or 'ml.g*'.")
    ] = "*",
    times: Annotated[
        int | None, typer.Option(help="How often.", min=1, show_default="once; quota: always")
    ] = None,
    always: Annotated[bool, typer.Option("--always", help="Until it is cleared.")] = False,
    skip: Annotated[int, typer.Option(help="Spare so many first.", min=0)] = 0,
    seconds: Annotated[float | None, typer.Option(help="How long, how late.", min=0)] = None,
    message: Annotated[str | None, typer.Option(help="Instead of AWS's words.")] = None,
    by: Annotated[
        str | None, typer.Option(help="Only calls of this role, user or function.")
    ] = None,
    about: Annotated[
        str | None, typer.Option(help="Only calls that name this: a key, a dataset, a job.")
    ] = None,
    when: Annotated[str | None, typer.Option(help="before or after it took effect.")] = None,
    home: Home = None,
) -> None:
    """Put a rule of trouble in force."""
    from cli.commands import trouble as command

    rule: dict[str, object] = {"kind": kind, "on": on, "skip": skip}
    options = {"times": times, "seconds": seconds, "message": message, "by": by}
    options |= {"about": about, "when": when}
    rule |= {name: value for name, value in options.items() if value is not None}
    if always:
        rule["times"] = None
    run(lambda: command.add(home, rule))


@trouble.command("clear")
def clear_trouble(
    number: Annotated[
        int | None, typer.Argument(metavar="[RULE]", help="Its number.", show_default="all rules")
    ] = None,
    home: Home = None,
) -> None:
    """End a rule of trouble, or all."""
    from cli.commands import trouble as command

    run(lambda: command.clear(home, number))
