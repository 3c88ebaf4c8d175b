"""One look for every chart: small enough for a phone, safe for colour-blind people, light and dark.

Charts are inline SVG. They are drawn in fixed colours (Okabe and Ito, "Color Universal Design",
2008), and `draw` puts the page's CSS variables in their place, which have a value for a light and
one for a dark ground. A chart is as wide as a phone, so that its text keeps its size there.
"""

from __future__ import annotations

import io
import re
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

BLUE, ORANGE, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#aa4499"
SERIES = (BLUE, ORANGE, GREEN, PURPLE)
INK, FAINT = "#010203", "#040506"  # stand for the page's text colour and its hairlines
WIDTH, HEIGHT = 4.2, 2.8  # inches

_VARIABLES = {
    BLUE: "var(--series-1,#0072b2)",
    ORANGE: "var(--series-2,#d55e00)",
    GREEN: "var(--series-3,#009e73)",
    PURPLE: "var(--series-4,#aa4499)",
    INK: "currentColor",
    FAINT: "var(--faint,#999)",
}
_SETTINGS: dict[str, Any] = {
    "svg.fonttype": "none",  # text stays text: small, selectable, in the page's own font
    "svg.hashsalt": "pigeonhole",
    "text.parse_math": False,  # a class may be called `$x$`
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.facecolor": "none",
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": False,
    "grid.color": FAINT,
    "grid.linewidth": 0.4,
    "grid.alpha": 0.6,
    "lines.linewidth": 1.8,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "text.color": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "figure.facecolor": "none",
}
# Style sheets would hold for the whole page; the font is the page's.
_LEFT_OUT = (
    re.compile(r"<metadata>.*?</metadata>", re.DOTALL),
    re.compile(r"<style.*?</style>", re.DOTALL),
    re.compile(r"<!--.*?-->", re.DOTALL),
    re.compile(r"(?<=\n)\s+"),
)


def draw(drawer: Callable[[Axes], None], prefix: str, width: float, height: float) -> str:
    """What `drawer` draws on empty axes, as an `<svg>` element of these inches.

    `prefix` keeps its ids apart from other charts'.
    """
    import matplotlib  # noqa: PLC0415 - half a second, only where a chart is drawn
    from cycler import cycler  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    out = io.StringIO()
    with (
        matplotlib.rc_context(_SETTINGS | {"axes.prop_cycle": cycler(color=SERIES)}),
        warnings.catch_warnings(),
    ):
        # a letter that matplotlib's own font lacks; the page's fonts have it
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)
        figure = Figure(figsize=(width, height), layout="constrained")
        drawer(figure.add_subplot())
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :]
    for left_out in _LEFT_OUT:
        svg = left_out.sub("", svg)
    # in tags alone: a class may be called `#0072b2`
    return re.sub(r"<[^>]+>", lambda tag: _in_page_terms(tag.group(), prefix), svg)


def _in_page_terms(tag: str, prefix: str) -> str:
    tag = re.sub(r"font-family: [^;\"]*;? ?", "", tag)
    tag = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}", tag)
    for colour, variable in _VARIABLES.items():
        tag = tag.replace(colour, variable)
    return tag
