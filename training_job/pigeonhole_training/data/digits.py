"""Text of whole numbers from 0 to 255, with commas and line feeds between them, as bytes.

General CSV parsers work by column: their time and memory a value grow with the number of columns,
and an image has thousands (polars took 20 ns a value with 785 columns, 2,800 ns with 200,000). Here
every value is treated alike, whatever the row's width, by NumPy's whole-array operations: the value
before each separator is its last digit, ten times the digit before and a hundred times the one
before that. What is not just that gets no answer, and is left to a parser that explains.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Bytes: TypeAlias = NDArray[np.uint8]

ZERO, COMMA, LINE_FEED = b"0,\n"
_LEAD = b",,,"  # so that the first value, too, has three bytes before its separator


class Digits:
    """Keeps its buffers from call to call: fresh memory costs as much as the arithmetic. One is
    for one thread."""

    def __init__(self) -> None:
        self._size = 0

    def _grow(self, size: int) -> None:
        if size > self._size:
            self._size = size
            self._bytes = np.empty((4, size), np.uint8)
            self._flags = np.empty((3, size), np.bool_)
            self._more = np.empty(size, np.bool_)

    def parse(self, text: bytes, fields: int) -> Bytes | None:
        """`(rows, fields)`; `text` ends with a line feed. None unless every line has that many
        fields, each of one to three digits and at most 255."""
        rows = text.count(b"\n")
        source = np.frombuffer(_LEAD + text, np.uint8)
        self._grow(len(source))
        separators = self._separators(source, rows, fields)
        if separators is None:
            return None
        values = self._values(len(source))
        return None if values is None else values[separators].reshape(rows, fields)

    def _separators(self, source: Bytes, rows: int, fields: int) -> NDArray[np.int64] | None:
        """Where in the text, without its lead, values end. None where it is not plain."""
        size = len(source)
        digit, *_ = self._bytes[:, :size]
        is_digit, is_separator, flag = self._flags[:, :size]
        np.subtract(source, ZERO, out=digit)
        np.less(digit, 10, out=is_digit)
        np.logical_not(is_digit, out=is_separator)
        np.equal(source, COMMA, out=flag)
        found = np.flatnonzero(is_separator[3:])
        plain = (
            len(found) == rows * fields
            # what is no digit is a comma or a line feed
            and np.count_nonzero(flag[3:]) == len(found) - rows
            and (source[3:][found[fields - 1 :: fields]] == LINE_FEED).all()
        )
        if not plain:
            return None
        empty = flag[: size - 3]
        np.logical_and(is_separator[3:], is_separator[2:-1], out=empty)
        if empty.any():
            return None
        pair, four = flag[: size - 1], self._more[: size - 3]
        np.logical_and(is_digit[:-1], is_digit[1:], out=pair)
        np.logical_and(pair[:-2], pair[2:], out=four)
        return None if four.any() else found

    def _values(self, size: int) -> Bytes | None:
        """At each separator the value before it, and anything elsewhere. None where one is over
        255."""
        ends = size - 3  # a separator at byte i + 3 ends the value in bytes i to i + 2
        digit, ten, hundred, value = self._bytes
        is_digit, is_separator, flag = self._flags
        ten, hundred, value, flag = ten[:ends], hundred[:ends], value[:ends], flag[:ends]
        np.multiply(digit[:size], is_digit[:size], out=digit[:size])  # separators count as 0
        np.multiply(digit[1 : ends + 1], 10, out=ten)
        np.add(ten, digit[2 : ends + 2], out=ten)
        # Of three bytes the first is a hundred only if the second is a digit.
        np.multiply(digit[:ends], is_digit[1 : ends + 1], out=hundred)
        np.multiply(hundred, is_separator[3:size], out=hundred)
        np.multiply(hundred, 100, out=value)
        np.add(value, ten, out=value)
        # 256 to 299 have wrapped to 0 to 43
        np.less(value, ten, out=flag)
        return None if flag.any() or hundred.max(initial=0) > 2 else value
