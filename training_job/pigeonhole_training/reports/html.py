"""The pieces that the report's page is made of: sections, tables, figures, pictures, notes.

Every piece takes plain text and escapes it, and gives back `Markup`, which is not escaped again:
class names and file names are the users' and may hold anything. Never build markup from strings;
`Markup("<b>{}</b>").format(name)` escapes what is filled in.
"""

from __future__ import annotations

import base64
import itertools
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

from markupsafe import Markup, escape

from pigeonhole_training.reports import style

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

Cell: TypeAlias = "str | int | float | Markup | None"
Tone = Literal["good", "info", "warning", "bad"]

_TONE_WORD: dict[Tone, str] = {
    "good": "Good",
    "info": "Note",
    "warning": "Look at this",
    "bad": "Problem",
}
# What XML and HTML do not let stand in a text, and what turns a line's direction round.
_UNPRINTABLE = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufffe\uffff]"
)
_NUMBER = re.compile(r"[-+<]?[\d,.]+%?")
_charts = itertools.count(1)


def clean(text: str) -> str:
    """The text without what cannot be shown (control characters, lone surrogates)."""
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return _UNPRINTABLE.sub("\ufffd", whole)


def short(text: str, length: int = 40) -> str:
    """At most `length` characters; what is left out of the middle is shown by an ellipsis."""
    text = clean(text)
    if len(text) <= length:
        return text
    head = (length - 1) // 2
    return f"{text[:head]}…{text[len(text) - (length - 1 - head) :]}"


def join(parts: Iterable[str]) -> Markup:
    """The pieces one after the other."""
    return Markup("\n").join(_shown(part) for part in parts)


def section(identifier: str, title: str, *parts: str) -> Markup:
    """A part of the page with a heading; `identifier` is what links point to, `#data`."""
    return Markup(
        '<section id="{}" aria-labelledby="{}-h"><h2 id="{}-h">{}</h2>\n{}\n</section>'
    ).format(identifier, identifier, identifier, clean(title), join(parts))


def subsection(title: str, *parts: str) -> Markup:
    """A smaller part with a heading of its own."""
    return Markup('<div class="part"><h3>{}</h3>\n{}\n</div>').format(clean(title), join(parts))


def paragraph(text: str) -> Markup:
    """A paragraph of text."""
    return Markup("<p>{}</p>").format(_shown(text))


def note(tone: Tone, text: str, do: str = "") -> Markup:
    """A box that stands out; `do` says what to do about it."""
    action = Markup(' <span class="do">{}</span>').format(_shown(do)) if do else Markup("")
    return Markup('<p class="note {}"><strong>{}</strong> {}{}</p>').format(
        tone, _TONE_WORD[tone], _shown(text), action
    )


def tiles(pairs: Iterable[tuple[str, str]]) -> Markup:
    """Figures that stand out: `(what it is, its value)`."""
    return Markup('<dl class="tiles">{}</dl>').format(
        join(
            Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(_shown(name), _shown(value))
            for name, value in pairs
        )
    )


def table(columns: Sequence[str], rows: Iterable[Sequence[Cell]], caption: str) -> Markup:
    """A table that scrolls by itself where it is wider than the page.

    The first column heads its row. Columns of numbers (`1`, `0.5`, "91.2%") stand right; None is a
    dash.
    """
    lines = [tuple(row) for row in rows]
    right = [
        place > 0 and bool(lines) and all(_is_number(line[place]) for line in lines)
        for place in range(len(columns))
    ]
    head = join(_head(column, number) for column, number in zip(columns, right, strict=True))
    body = join(_line(line, right) for line in lines)
    return Markup(
        '<div class="scroll" tabindex="0" role="region" aria-label="{}"><table>'
        "<caption>{}</caption><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>"
    ).format(clean(caption), clean(caption), head, body)


def _head(column: str, number: bool) -> Markup:
    if not column:
        return Markup("<td></td>")
    cell = '<th scope="col" class="n">{}</th>' if number else '<th scope="col">{}</th>'
    return Markup(cell).format(_shown(column))


def _line(cells: Sequence[Cell], right: Sequence[bool]) -> Markup:
    first, *others = (_cell(cell) for cell in cells)
    data = (
        Markup('<td class="n">{}</td>' if number else "<td>{}</td>").format(cell)
        for cell, number in zip(others, right[1:], strict=True)
    )
    return Markup('<tr><th scope="row">{}</th>{}</tr>').format(first, join(data))


def _is_number(cell: Cell) -> bool:
    if isinstance(cell, str):
        return _NUMBER.fullmatch(cell) is not None
    return True


def _cell(cell: Cell) -> Markup:
    if cell is None:
        return Markup("—")
    if isinstance(cell, str):
        return _shown(cell)
    return escape(f"{cell:,}" if isinstance(cell, int) else f"{cell:,.4g}")


def figure(content: Markup, caption: str) -> Markup:
    """A chart or pictures with the sentence that says what they tell."""
    return Markup("<figure>{}<figcaption>{}</figcaption></figure>").format(content, _shown(caption))


def figures(*each: Markup, wide: bool = False) -> Markup:
    """Figures side by side where the page is wide enough: three, or two that are `wide`."""
    columns = (Markup("<div>{}</div>").format(one) for one in each)
    kind = "figures wide" if wide else "figures"
    return Markup('<div class="{}">{}</div>').format(kind, join(columns))


def chart(
    drawer: Callable[[Axes], None],
    alt: str,
    *,
    width: float = style.WIDTH,
    height: float = style.HEIGHT,
) -> Markup:
    """What `drawer` draws on a matplotlib axes, as SVG; `alt` says in words what it shows.

    Colours are those of `style` (`SERIES` in order, `INK`, `FAINT`): they turn with the page to
    light or dark. Size in inches; as it is, it fits a phone.
    """
    svg = style.draw(drawer, f"c{next(_charts)}-", width, height)
    opening = Markup('<svg class="chart" role="img" aria-label="{}"').format(clean(alt))
    return Markup(svg.replace("<svg", opening, 1))  # matplotlib escapes its texts


def picture(data: bytes, alt: str, width: int, height: int, *, smooth: bool = False) -> Markup:
    """An image file's bytes (PNG or JPEG) shown `width` by `height` CSS pixels."""
    kind = "png" if data.startswith(b"\x89PNG") else "jpeg"
    return Markup(
        '<img src="data:image/{};base64,{}" alt="{}" width="{}" height="{}" loading="lazy"{}>'
    ).format(
        kind,
        base64.b64encode(data).decode("ascii"),
        clean(alt),
        width,
        height,
        Markup("") if smooth else Markup(' class="pixels"'),
    )


def cards(each: Iterable[Markup], *, small: bool = False, first: int = 12) -> Markup:
    """Cards in as many columns as fit; `small` ones are as wide as a picture.

    Those after the `first` ones are shown when somebody asks for them.
    """
    items = [Markup("<li>{}</li>").format(card) for card in each]
    kind = "cards small" if small else "cards"
    shown = Markup('<ul class="{}">{}</ul>').format(kind, join(items[:first]))
    if len(items) <= first:
        return shown
    rest = Markup('<ul class="{}">{}</ul>').format(kind, join(items[first:]))
    return join([shown, details(f"{len(items) - first:,} more", rest)])


def bar(share: float, text: str) -> Markup:
    """A bar from 0 to 1 with its text, for probabilities."""
    return Markup('<span class="bar" style="--share:{}%">{}</span>').format(
        f"{100 * min(max(share, 0.0), 1.0):.1f}", _shown(text)
    )


def details(summary: str, *parts: str) -> Markup:
    """What is only shown when somebody opens it (and in print)."""
    return Markup("<details><summary>{}</summary>{}</details>").format(_shown(summary), join(parts))


def link(href: str, text: str) -> Markup:
    """A link to a file beside the page or to a part of it."""
    return Markup('<a href="{}">{}</a>').format(href, _shown(text))


def _shown(text: str) -> Markup:
    return text if isinstance(text, Markup) else escape(clean(text))
