"""Other people's words on a person's terminal."""

from __future__ import annotations

import io

import httpx
import pytest
from rich.console import Console

from cli.api import Api, ApiError
from cli.console import Waiting, tame

STEERS = "\x1b[2J\x1b]0;owned\x07\x9b31mred"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("plain [bold]text[/bold] é", "plain [bold]text[/bold] é"),
        ("\x1b[1;31mred\x1b[0m\tend", "red    end"),
        (STEERS, "\\x1b]0;owned\\x07\\x9b31mred"),
        ("1/3\x08\x08\x082/3\r3/3", "1/3 2/3 3/3"),
        ("one\ntwo", "one\ntwo"),
    ],
)
def test_what_steers_a_terminal_is_left_out_or_escaped(said: str, shown: str) -> None:
    assert tame(said) == shown


def test_a_line_of_a_job_that_is_waited_for_cannot_steer_the_terminal() -> None:
    out = io.StringIO()
    console = Console(file=out, width=200, markup=False)
    with Waiting(console) as waiting:
        waiting.line(STEERS)
    assert out.getvalue() == "  \\x1b]0;owned\\x07\\x9b31mred\n"


def test_messages_of_the_api_cannot_either() -> None:
    answers = {
        "/datasets/a": (200, {"dataset": "a", "phase": "Failed", "message": STEERS}),
        "/batches/b": (200, {"batch": "b", "phase": "Failed", "message": STEERS}),
        "/datasets/c": (409, {"error": "busy", "message": STEERS}),
    }

    def answer(request: httpx.Request) -> httpx.Response:
        status, body = answers[request.url.path]
        return httpx.Response(status, json=body)

    api = Api(httpx.Client(transport=httpx.MockTransport(answer), base_url="http://api.test"))
    dataset, batch = api.dataset("a"), api.batch("b")
    assert dataset is not None
    assert batch is not None
    assert dataset.message == batch.message == tame(STEERS)
    with pytest.raises(ApiError) as refused:
        api.dataset("c")
    assert str(refused.value) == tame(STEERS)
