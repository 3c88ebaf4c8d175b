"""The fast parser: every number that it takes, and everything else that it leaves."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest
from pigeonhole_training.data.digits import Digits


def text(rows: Sequence[Sequence[object]]) -> bytes:
    return b"".join(",".join(map(str, row)).encode() + b"\n" for row in rows)


def test_every_value_in_every_way_and_place() -> None:
    numbers = [str(n) for n in range(256)]
    written = numbers + [f"{n:02}" for n in range(100)] + [f"{n:03}" for n in range(256)]
    random.Random(0).shuffle(written)
    digits = Digits()
    for fields in (1, 3, 612):
        rows = [written[i : i + fields] for i in range(0, 612, fields)]
        parsed = digits.parse(text(rows), fields)
        assert parsed is not None
        assert parsed.dtype == np.uint8
        assert parsed.tolist() == [[int(field) for field in row] for row in rows]


def test_no_rows_are_no_values() -> None:
    parsed = Digits().parse(b"", 5)
    assert parsed is not None
    assert parsed.shape == (0, 5)


@pytest.mark.parametrize(
    "bad",
    [
        *("", " ", "256", "257", "299", "300", "355", "399", "455", "512", "999", "1000", "0001"),
        *("-1", "+1", "1.0", "1e1", "x", "1x", "x1", " 1", "1 ", '"1"', "1\r", "1\t", "\0", "1;2"),
        *("1,2", "1\n2", "\n", ",", "\N{ARABIC-INDIC DIGIT ONE}", "nan", "0x1", "1/2", "1:2"),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_is_not_plain_gets_no_answer(bad: str, place: int) -> None:
    rows: list[list[object]] = [[200, 255, 7], [8, 9, 10], [99, 100, 0]]
    for row in rows:
        broken = [list(r) for r in rows]
        broken[rows.index(row)][place] = bad
        assert Digits().parse(text(broken), 3) is None
    for other in ([1, 2], [1, 2, 3, 4]):
        assert Digits().parse(text([[1, 2, 3], other]), 3) is None
    assert Digits().parse(b"1,2\n1,2,3,4\n", 3) is None
    for separator in (b";", b" ", b".", b"\t", b"-"):  # as many fields, but not by commas
        assert Digits().parse(b"1,2,3\n4" + separator + b"5,6\n", 3) is None


def test_a_parser_may_be_used_again_for_longer_and_shorter_text() -> None:
    digits = Digits()
    for rows in (2, 50, 1):
        given = [[i, 255 - i, 128] for i in range(rows)]
        parsed = digits.parse(text(given), 3)
        assert parsed is not None
        assert parsed.tolist() == given
