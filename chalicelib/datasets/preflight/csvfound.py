"""What was found in a CSV, or in a part of one.

Two kinds of trouble are kept apart. A row that cannot be used stands in `bad`, and may be set aside
while such rows are few; what is wrong with the file itself (its header, its packing) stands in
`problems`, and refuses it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from chalicelib.datasets.preflight.problem import Problem

MOST_BAD = 50_000  # rows of a file that are remembered; one with more is not read to its end
# A file is not read to its end either when, past so many bad rows, they are more than half of all.
HOPELESS_BAD = 1000
LINES_OF_A_LABEL = 100


class BadRow(NamedTuple):
    """A row that cannot be used. `line` and `column` count from 1, the header's line with them."""

    line: int
    column: int | None
    reason: str


@dataclass
class CsvFile:
    """What was found. All of it can be told of lines further down in a file (`goes_on`), and be put
    together with what was found in those before.

    Lines count from 1 in what was read: those of a later part are `lines` of the parts before it
    further down. `labels`, `counts` and `lines_of` tell of the rows that can be used alone, and
    `first` and `varied` do: a digest of the first one's values, and whether two differ in theirs.

    `scale` says how values are written: 255 as whole numbers to 255, 1 as numbers from 0 to 1;
    None when every one is 0 or 1, which is both. `sha256`, `size`: of the stored bytes; None, 0
    when reading broke off, which `unfinished` says of too many bad rows.
    """

    name: str
    header: bool = False
    label_column: int = 0
    pixels: int | None = None
    labels: dict[str, int] = field(default_factory=dict)  # label → line of its first row
    counts: dict[str, int] = field(default_factory=dict)  # label → rows
    lines_of: dict[str, list[int]] = field(default_factory=dict)  # label → lines of its first 100
    lost: dict[str, int] = field(default_factory=dict)  # label → line of a bad row, if fully long
    bad: list[BadRow] = field(default_factory=list)  # by line
    scale: int | None = None
    varied: bool = False
    first: str = ""
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unfinished: bool = False
    sha256: str | None = None
    size: int = 0
    goes_on: bool = False  # these lines do not begin the file
    header_line: bytes = b""
    lines: int = 0  # that were read, the header and empty ones too
    blank_at: int | None = None  # the first of the empty lines at the end

    @classmethod
    def after(cls, beginning: CsvFile) -> CsvFile:
        """For lines further down in the file that begins so: they are read in its way."""
        return cls(
            beginning.name,
            beginning.header,
            beginning.label_column,
            beginning.pixels,
            scale=beginning.scale,
            first=beginning.first,
            goes_on=True,
            header_line=beginning.header_line,
        )

    @property
    def rows(self) -> int:
        """Rows of data, the bad ones too: all lines but a header and the empty ones at the end."""
        end = self.lines if self.blank_at is None else self.blank_at - 1
        return max(0, end - self.first_row + 1)

    @property
    def first_row(self) -> int:
        """The line of the row whose index is 0."""
        return 2 if self.header and not self.goes_on else 1

    @property
    def set_aside(self) -> list[int]:
        """The 0-based indices, among all rows, of those that cannot be used."""
        return [row.line - self.first_row for row in self.bad]

    def leave_out(self, line: int, column: int | None, reason: str) -> None:
        """Note a row that cannot be used. Raises Enough when they are too many to read on."""
        self.bad.append(BadRow(line, column, reason))
        count = len(self.bad)
        # Lines from the middle of a file say nothing of the half of all.
        most = count >= HOPELESS_BAD and 2 * count > line and not self.goes_on
        if count >= MOST_BAD or most:
            self.unfinished = True
            self.lines, self.blank_at = line, None  # what was read ahead was not looked at
            raise Enough

    def hopeless(self, reason: str, line: int | None = None, column: int | None = None) -> None:
        """Note a problem behind which nothing is worth reading. Raises Enough."""
        self.problems.append(Problem(self.name, reason, line, column))
        raise Enough


class Enough(Exception):
    """There is no use in reading on."""
