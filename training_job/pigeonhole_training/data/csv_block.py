"""A block of CSV text as pixels and labels: the fast ways for plain text, a patient one for all
else."""

from __future__ import annotations

import io
import threading

import numpy as np

from pigeonhole_training.data.csv_fields import parse_patiently
from pigeonhole_training.data.digits import Digits
from pigeonhole_training.data.rows import Labels, Pixels
from pigeonhole_training.data.version import DatasetVersion, SourceFile
from pigeonhole_training.errors import BadData


class BlockParser:
    """For one file; may be called from several threads."""

    def __init__(self, file: SourceFile, version: DatasetVersion) -> None:
        self._column = file.label_column
        self._shape = version.shape
        self._unit = version.value_range == (0, 1)
        self._labels = version.labels
        if not 0 <= self._column <= self._shape.values:
            raise BadData(f"{file.name} has no column {self._column} for its label")
        self._index = {label.encode(): i for i, label in enumerate(version.labels)}
        self._by_number = _by_number(version.labels)
        self._own = threading.local()

    def parse(self, block: bytes) -> tuple[Pixels, Labels]:
        """Pixels uint8 `(N, H, W, C)` and the classes' indices, of a text that ends with a line
        feed. Raises RowTrouble."""
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n")
        parsed = self._with_numbers(block) or self._with_texts(block)
        if parsed is None:
            most = 1 if self._unit else 255
            parsed = parse_patiently(block, self._column, self._shape, self._labels, most)
        values, labels = parsed
        shape = self._shape
        return values.reshape(-1, shape.height, shape.width, shape.channels), labels

    @property
    def _digits(self) -> Digits:
        if not hasattr(self._own, "digits"):
            self._own.digits = Digits()
        digits: Digits = self._own.digits
        return digits

    def _with_numbers(self, block: bytes) -> tuple[Pixels, Labels] | None:
        """Labels that are written like pixels are parsed with them."""
        if self._by_number is None or self._unit:
            return None
        values = self._digits.parse(block, self._shape.values + 1)
        if values is None:
            return None
        labels = self._by_number[values[:, self._column]]
        if (labels < 0).any():
            return None
        if self._column == 0:
            return values[:, 1:], labels
        return np.delete(values, self._column, axis=1), labels

    def _with_texts(self, block: bytes) -> tuple[Pixels, Labels] | None:
        """Labels are cut out, and the rest is parsed as one long column."""
        lines = block.split(b"\n")
        labels, rest = [], []
        for line in lines:
            if not line:
                continue
            fields = line.split(b",", self._column + 1)
            if len(fields) <= self._column:
                return None
            written = fields.pop(self._column).strip(b" \t")
            if len(written) > 1 and written[:1] == written[-1:] == b'"':
                written = written[1:-1]
            if b'"' in written:  # part of the label, perhaps
                return None
            label = self._index.get(written)
            if label is None:
                return None
            labels.append(label)
            rest.append(b",".join(fields))
        text = b"\n".join(rest) + b"\n" if rest else b""
        if self._unit:
            values = self._decimals(text, len(rest))
        else:
            values = self._digits.parse(text, self._shape.values)
        return None if values is None else (values, np.array(labels, np.int32))

    def _decimals(self, text: bytes, rows: int) -> Pixels | None:
        """Numbers from 0 to 1, `(rows, values)`, as the nearest of 256 levels."""
        import polars as pl  # noqa: PLC0415 - 40 MB that whole numbers do not need

        width = self._shape.values
        if not rows or any(line.count(b",") != width - 1 for line in text.splitlines()):
            return None
        try:
            # A comma ends a line, too: one column of all values, as each column has its price.
            column = pl.read_csv(
                io.BytesIO(text.replace(b"\n", b",")),
                has_header=False,
                schema={"value": pl.Float32},
                eol_char=",",
                quote_char=None,
            )["value"]
        except pl.exceptions.PolarsError:
            return None
        if len(column) != rows * width or column.null_count():
            return None
        values = column.to_numpy()
        # written so that a value that is not a number fails too
        if not ((values >= 0) & (values <= 1)).all():
            return None
        return np.rint(values * np.float32(255)).astype(np.uint8).reshape(rows, width)


def _by_number(labels: tuple[str, ...]) -> Labels | None:
    """int32 `(256,)`: the class of each number, -1 for none; None unless all labels are numbers
    from 0 to 255 as they are commonly written."""
    numbers = np.full(256, -1, np.int32)
    for index, label in enumerate(labels):
        if not (label.isascii() and label.isdigit() and label == str(int(label))):
            return None
        if int(label) > 255:
            return None
        numbers[int(label)] = index
    return numbers
