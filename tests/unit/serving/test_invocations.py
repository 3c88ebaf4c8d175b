from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from serving.invocations import Invocations
from serving.model import Model
from serving.settings import read
from tests.unit.serving import artifact
from tests.unit.serving.artifact import bar, encoded


class Failing(Model):
    """A model with a bug."""

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        raise ZeroDivisionError("a bug")


def test_a_bug_answers_500_and_leaves_its_trace_in_the_log(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    answer = Invocations(Failing(folder, 1), read({}))("image/png", encoded(bar("Wide")))
    assert answer.status == 500
    assert json.loads(answer.body)["error"] == "internal_error"
    assert "a bug" not in answer.body.decode()
    assert "ZeroDivisionError: a bug" in caplog.text


def test_class_names_of_any_script_come_back(folder: Path, tmp_path: Path) -> None:
    model = Model(artifact.write(tmp_path / "names", classes=["Hemd „klein“", "シャツ"]), 1)
    body = Invocations(model, read({}))("image/png", encoded(bar("Wide"))).body
    assert json.loads(body)["label"] == "シャツ"


@pytest.mark.parametrize(
    ("content_type", "make", "quick"),
    [
        ("image/png", lambda: encoded(bar("Wide")), True),
        ("", lambda: encoded(bar("Wide")), True),
        ("text/csv", lambda: b"1,2,3", True),
        ("image/png", lambda: encoded(Image.new("L", (4000, 4000))), False),
        ("image/jpeg", lambda: encoded(bar("Wide"), "JPEG"), False),
        ("application/json", lambda: b'{"image": "AAAA"}', False),
        ("application/x-pigeonhole-keys", lambda: b'{"key": "inbox/a"}', False),
        ("application/x-pigeonhole-keys", lambda: encoded(bar("Wide")), False),
        ("text/csv", lambda: b"1," * 20_000, False),
    ],
)
def test_only_what_takes_no_time_is_answered_without_a_thread(
    model: Model, content_type: str, make: Callable[[], bytes], quick: bool
) -> None:
    model.quick = True  # on a loaded machine it may have looked slow
    assert Invocations(model, read({})).is_quick(content_type, make()) == quick
    model.quick = False
    assert not Invocations(model, read({})).is_quick(content_type, make())
