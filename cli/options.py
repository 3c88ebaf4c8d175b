"""Options that several commands share, and how a command is run."""

# ruff: noqa: PLC0415 - what explains a failure is loaded when there is one
from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from cli.errors import CliError

INTERRUPTED = 130

Home = Annotated[Path | None, typer.Option(help="The local cloud's folder.", show_default=".local")]
Stage = Annotated[
    str | None, typer.Option(help="A stage in your AWS account instead of the local cloud.")
]
AwsStage = Annotated[str, typer.Option(help="dev or prod, of .chalice/config.json.")]
OfDataset = Annotated[str, typer.Argument(metavar="DATASET", help="Whose model.")]
Version = Annotated[
    str | None,
    typer.Argument(
        metavar="VERSION",
        help="The beginning of a version, or a training job.",
        show_default="the one that waits",
    ),
]
Reason = Annotated[str, typer.Option(help="Why; it is kept with the decision.")]
Dataset = Annotated[str | None, typer.Option(help="Whose model is asked.")]


def run(command: Callable[[], int]) -> NoReturn:
    """Run it; what fails is told in a sentence. Exit status: the command's own, or the error's."""
    try:
        code = command()
    except KeyboardInterrupt:
        code = INTERRUPTED
    except CliError as error:
        code = _fail(str(error), error.status)
    except Exception as error:
        from cli.explain import explain

        sentence = explain(error)
        if sentence is None:
            raise
        code = _fail(sentence, CliError.status)
    raise typer.Exit(code)


def _fail(sentence: str, code: int) -> int:
    from cli.console import make_console

    sys.stdout.flush()
    make_console(stderr=True).print(sentence, style="red")
    return code
