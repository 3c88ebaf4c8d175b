"""What passes is asked again while the caller can wait; what does not is told at once."""

from __future__ import annotations

import pytest

from chalicelib.aws.endpoints import Runtime
from chalicelib.errors import (
    ModelError,
    ModelNotReady,
    ResourceNotFound,
    Throttled,
    Unavailable,
)
from chalicelib.predict.choice import Choice
from chalicelib.predict.patience import SECONDS, Patience
from chalicelib.predict.service import Predictor
from tests.unit.predict.fakes import ANSWER, MemoryDatasets, MemoryRuntime

PNG = b"\x89PNG\r\n\x1a\n"
DIGITS = "pigeonhole-local-digits"


class Caller:
    """Asks a predictor; `waited` are the pauses, `left` what each try was given, in seconds."""

    def __init__(self, runtime: MemoryRuntime) -> None:
        self.runtime = runtime
        self.datasets = MemoryDatasets(digits="pigeonhole-local-digits-0123456789ab-1")
        self.now = 0.0
        self.waited: list[float] = []
        self.left: list[float] = []
        self.takes = 0.0  # s, each call
        patience = Patience(
            clock=lambda: self.now, pause=self._pause, dice=lambda _least, most: most
        )
        self.predictor = Predictor(Choice(self.datasets, ""), self._runtime, patience)

    def _pause(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.now += seconds

    def _runtime(self, seconds: float) -> Runtime:
        self.left.append(seconds)
        self.now += self.takes
        return self.runtime

    def ask(self) -> bytes:
        return self.predictor.predict("digits", PNG, "image/png").body


@pytest.mark.parametrize(
    "passing",
    [
        ModelNotReady("starting"),
        Throttled("too many"),
        Unavailable("connection reset"),
        ModelError("no", 503, "starting"),
        ResourceNotFound("being made anew"),
    ],
)
def test_what_passes_is_not_seen_by_the_caller(passing: Exception) -> None:
    caller = Caller(MemoryRuntime(ANSWER, passing, passing, passing))
    assert caller.ask() == ANSWER
    assert caller.waited == [0.2, 0.4, 0.8]


def test_what_stays_is_told_before_the_gateway_gives_up() -> None:
    caller = Caller(MemoryRuntime(Throttled("too many")))
    with pytest.raises(Throttled, match="More calls at once"):
        caller.ask()
    assert SECONDS - 4 < caller.now < SECONDS
    assert max(caller.waited) == 2.0


def test_a_try_gets_no_more_time_than_the_caller_has() -> None:
    caller = Caller(MemoryRuntime(Unavailable("read timeout")))
    caller.takes = 9
    with pytest.raises(Unavailable):
        caller.ask()
    assert caller.left[0] == SECONDS
    assert min(caller.left) >= 2
    assert len(caller.left) == 3


def test_a_request_that_the_model_fails_on_does_not_keep_its_caller() -> None:
    runtime = MemoryRuntime(ModelError("no", 500, "crashed"))
    caller = Caller(runtime)
    with pytest.raises(Unavailable, match="status 500"):
        caller.ask()
    assert len(runtime.asked) == 4


def test_a_refusal_is_final() -> None:
    runtime = MemoryRuntime(ModelError("no", 400, "not an image"))
    with pytest.raises(ModelError, match="no"):
        Caller(runtime).ask()
    assert len(runtime.asked) == 1


def test_each_try_looks_up_who_answers_now() -> None:
    class Moving(MemoryDatasets):
        def status(self, name: str) -> dict[str, object]:
            found = super().status(name)
            asked = len(runtime.asked)
            return found | {"endpoint": DIGITS if asked == 0 else f"{DIGITS}-next"}

    runtime = MemoryRuntime(ANSWER, ResourceNotFound("gone"))
    caller = Caller(runtime)
    moving = Moving(digits="pigeonhole-local-digits-0123456789ab-1")
    patience = Patience(pause=lambda _seconds: None)
    predictor = Predictor(Choice(moving, ""), lambda _left: runtime, patience)
    assert predictor.predict(None, PNG, "image/png").body == ANSWER
    assert [call[0] for call in runtime.asked] == [DIGITS, f"{DIGITS}-next"]
    assert caller.waited == []
