"""What a part of the report hands to the page, and how a failure stays in its place."""

from __future__ import annotations

import csv
import traceback
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from pigeonhole_training.progress import say
from pigeonhole_training.reports import html
from pigeonhole_training.reports.html import Tone

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Remark:
    """A sentence that the top of the page repeats; `do` says what to do about it."""

    tone: Tone
    text: str
    do: str = ""

    def shown(self) -> Markup:
        """As a box of its own."""
        return html.note(self.tone, self.text, self.do)


@dataclass(frozen=True)
class Part:
    """A part that was drawn: below its heading first `head`, then the remarks that the summary does
    not tell, then `body`. `whole`: the body brings its heading and its remarks along."""

    body: Markup
    head: Markup | None = None
    remarks: tuple[Remark, ...] = ()
    whole: bool = False

    def shown(self, title: str, told: Collection[Remark]) -> Markup:
        """The part as a section; `told` are the remarks that were shown already."""
        if self.whole:
            return self.body
        left = (remark.shown() for remark in self.remarks if remark not in told)
        return html.section(title.lower(), title, self.head or Markup(""), *left, self.body)


def attempt(what: str, drawer: Callable[[], Markup]) -> Markup:
    """What `drawer` draws; if it fails, a box that says so, and the traceback in the log.

    A trained and judged model must not be lost to a picture, so whatever goes wrong ends here.
    """
    try:
        return drawer()
    except Exception as error:
        say(f"The report's part {what!r} could not be drawn: {type(error).__name__}: {error}")
        print(traceback.format_exc(), flush=True)
        return html.note(
            "bad",
            f"{what} could not be drawn ({type(error).__name__}: {html.short(str(error), 300)}).",
            "The model and the other parts are not affected; the job's log has the details.",
        )


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """UTF-8, with a header. No text in it is taken for a formula by a spreadsheet: one that would
    be has an apostrophe before it."""
    with path.open("w", encoding="utf-8", errors="replace", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(_cells(header))
        writer.writerows(_cells(row) for row in rows)


def _cells(row: Sequence[object]) -> list[object]:
    return [
        f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell for cell in row
    ]
