"""index.html: the results for people. One file, without scripts, pictures or anything remote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from chalicelib.batches.join import Classified, Rejected
from chalicelib.batches.results import PREDICTIONS_CSV, PREDICTIONS_JSONL, REJECTED_CSV, SUMMARY

MOST_ROWS = 2000
MOST_REJECTED = 500

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.45 system-ui, sans-serif; }
body { max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.4rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 1.75rem 0 .5rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .5rem; border-bottom: 1px solid #8884;
         vertical-align: top; overflow-wrap: anywhere; }
td:first-child { min-width: 7rem; }
th { position: sticky; top: 0; background: Canvas; }
td.n, th.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
td.bar { width: 40%; } .bar div { background: #4a7ebb; height: .8rem; border-radius: .2rem; }
.note { color: GrayText; } .bad { color: #b3261e; }
"""


def render(
    summary: Mapping[str, Any],
    classes: Mapping[str, int],
    rows: Sequence[Classified],
    rejected: Sequence[Rejected],
) -> str:
    """The whole page. `summary` is summary.json; `rows` and `rejected` may be the first of many."""
    counts = summary["counts"]
    title = f"{summary['batch']}: {counts['files']:,} files"
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1><p>{escape(summary['message'])}</p>",
        f'<p class="note">Model of {escape(str(summary["dataset"]))}, '
        f"{escape(str(summary['training_job']))}; written {escape(summary['written'][:19])} UTC, "
        f"{summary['seconds']:,.0f} s after the start. Beside this page: {_links()}.</p>",
        *_rejected(rejected, counts["rejected"]),
        *_classes(classes, counts["classified"]),
        *_rows(rows, counts["classified"]),
        "</body></html>\n",
    ]
    return "\n".join(parts)


def _links() -> str:
    return ", ".join(
        f'<a href="{name}">{name}</a>'
        for name in (PREDICTIONS_CSV, PREDICTIONS_JSONL, REJECTED_CSV, SUMMARY)
    )


def _classes(classes: Mapping[str, int], total: int) -> Iterable[str]:
    if not total:
        return
    largest = max(classes.values())
    yield '<h2>Classes</h2><table><tr><th>Class</th><th class="n">Files</th><th></th></tr>'
    for name, count in sorted(classes.items(), key=lambda item: (-item[1], item[0])):
        share = 100 * count / largest
        yield (
            f'<tr><td>{escape(name)}</td><td class="n">{count:,}</td>'
            f'<td class="bar"><div style="width:{share:.1f}%"></div></td></tr>'
        )
    yield "</table>"


def _rejected(rejected: Sequence[Rejected], total: int) -> Iterable[str]:
    if not total:
        return
    yield f'<h2 class="bad">Rejected: {total:,}</h2>'
    yield _capped(len(rejected), total, REJECTED_CSV)
    yield "<table><tr><th>File</th><th>Why</th></tr>"
    for one in rejected:
        yield f"<tr><td>{escape(one.file)}</td><td>{escape(one.message or one.error)}</td></tr>"
    yield "</table>"


def _rows(rows: Sequence[Classified], total: int) -> Iterable[str]:
    if not total:
        return
    yield f"<h2>Classified: {total:,}</h2>"
    yield _capped(len(rows), total, PREDICTIONS_CSV)
    yield '<p class="note">By class; within a class, the least sure first.</p>'
    yield '<table><tr><th>Class</th><th>File</th><th class="n">Probability</th></tr>'
    for row in sorted(rows, key=lambda row: (row.label, row.probability, row.file)):
        yield (
            f"<tr><td>{escape(row.label)}</td><td>{escape(row.file)}</td>"
            f'<td class="n">{row.probability:.1%}</td></tr>'
        )
    yield "</table>"


def _capped(shown: int, total: int, name: str) -> str:
    if shown == total:
        return ""
    return f'<p class="note">The first {shown:,} of {total:,}; all of them are in {name}.</p>'
