"""The page that ties the parts together: one file, no scripts, nothing from the network."""

from __future__ import annotations

from markupsafe import Markup

from pigeonhole_training.reports import html
from pigeonhole_training.reports.css import STYLE
from pigeonhole_training.reports.evaluation_part import weakest
from pigeonhole_training.reports.findings import Findings
from pigeonhole_training.reports.part import Part, Remark
from pigeonhole_training.reports.words import count, percent, span

_RANK = {"bad": 0, "warning": 1, "good": 2, "info": 3}
MOST_REMARKS = 6


def render(findings: Findings, parts: dict[str, Part]) -> Markup:
    """The whole page; `parts` by their title, in order."""
    version = findings.version
    title = f"{version.dataset}: {percent(findings.evaluation['challenger']['accuracy'])}"
    links = html.join(
        Markup("<li>{}</li>").format(html.link(f"#{name.lower()}", name)) for name in parts
    )
    told, left = _told(parts)
    shown = {remark for _, remark in told}
    return Markup(
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "img-src data:; style-src 'unsafe-inline'\">\n"
        "<title>{}</title><style>{}</style></head>\n<body>\n"
        '<a class="skip" href="#summary">To the summary</a>\n'
        "<header><p>Pigeonhole · training report</p><h1>{}</h1><p>{}</p>"
        '<nav aria-label="Parts"><ul>{}</ul></nav></header>\n'
        "<main>\n{}\n{}\n</main>\n<footer>{}</footer>\n</body></html>\n"
    ).format(
        html.clean(title),
        Markup(STYLE),
        html.clean(version.dataset),
        _about(findings),
        links,
        _summary(sentences(findings, parts), told, left),
        html.join(part.shown(name, shown) for name, part in parts.items()),
        _footer(),
    )


def _about(findings: Findings) -> Markup:
    recipe = findings.run.recipe
    return Markup("<code>{}</code>, preset <b>{}</b>, {}, data version <code>{}</code>").format(
        html.clean(findings.training_job or "a job without a name"),
        html.clean(recipe.preset),
        count(len(findings.epochs), "epoch"),
        html.clean(findings.version.version[:12]),
    )


def _told(parts: dict[str, Part]) -> tuple[list[tuple[str, Remark]], int]:
    """The remarks that the summary tells, each with its part, the gravest first; and how many that
    deserve a look it does not."""
    remarks = [(title, r) for title, part in parts.items() for r in part.remarks]
    grave = [each for each in remarks if each[1].tone != "info"]
    grave.sort(key=lambda each: _RANK[each[1].tone])
    return grave[:MOST_REMARKS], max(len(grave) - MOST_REMARKS, 0)


def _summary(lead: tuple[str, str], told: list[tuple[str, Remark]], left: int) -> Markup:
    """Two sentences, and below them what deserves a look."""
    items = html.join(
        Markup('<li class="{}">{} {} <a href="#{}">{}</a></li>').format(
            remark.tone,
            html.clean(remark.text),
            Markup('<span class="do">{}</span>').format(html.clean(remark.do)) if remark.do else "",
            title.lower(),
            title,
        )
        for title, remark in told
    )
    return html.section(
        "summary",
        "Summary",
        Markup('<p class="lead">{}</p>').format(" ".join(lead)),
        Markup('<ul class="remarks">{}</ul>').format(items) if told else Markup(""),
        html.paragraph(f"{count(left, 'more remark')} below.") if left else Markup(""),
    )


def sentences(findings: Findings, parts: dict[str, Part]) -> tuple[str, str]:
    """How good the model is; and where to look first, in its answers and in the data."""
    own, heldout = findings.evaluation["challenger"], findings.evaluation["heldout"]
    good = (
        f"The model is right for {percent(own['accuracy'])} of {count(heldout['rows'], 'image')} "
        f"that it had not seen (95% interval {span(*own['interval'])}; naming the commonest class "
        f"every time would be right for {percent(heldout['majority_share'])})."
    )
    weak, data = _weakest(findings), _data(parts.get("Data"))
    return good, f"{weak} {data}".strip()


def _weakest(findings: Findings) -> str:
    recall: dict[str, float] = findings.evaluation["challenger"]["recall"]
    if min(recall.values()) == 1:
        return "It makes no mistake;"
    names = weakest(findings)
    if not names or recall[names[0]] == 1:
        return "Look first at the most wrong predictions;"
    worst = names[0]
    mistakes = [p for p in findings.evaluation["confusion"]["commonest"] if p["truth"] == worst]
    taken = f" (often taken for {html.short(mistakes[0]['answer'])})" if mistakes else ""
    return (
        f"Look first at {html.short(worst)}, of which it finds {percent(recall[worst], 0)}{taken};"
    )


def _data(part: Part | None) -> str:
    if part is None:
        return "the data could not be looked at."
    wrong = [r for r in part.remarks if r.tone in ("bad", "warning")]
    if not wrong:
        return "nothing in the data looks wrong."
    wrong.sort(key=lambda r: _RANK[r.tone])
    first = wrong[0].text.rstrip(".")
    first = first if first[0].isdigit() else first[0].lower() + first[1:]
    more = f" (and {len(wrong) - 1} more below)" if len(wrong) > 1 else ""
    return f"in the data: {first}{more}."


def _footer() -> Markup:
    files = (
        ("model_card.md", "model card"),
        ("model_card.json", "the same as JSON"),
        ("data/data.json", "data in numbers"),
        ("evaluation/predictions.csv", "all predictions"),
    )
    return Markup("<p>Beside this page: {}.</p>").format(
        Markup(", ").join(html.link(path, text) for path, text in files)
    )
