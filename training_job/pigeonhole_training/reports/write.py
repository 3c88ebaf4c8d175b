"""A job's reports: one page and plain files beside it.

index.html          the page: everything is inside, it opens by itself and needs no network
data/               what the model was given (data_part.py lists the files)
evaluation/         how good it is (evaluation_part.py)
profile/            how the job used its machine (profile_part.py)
model_card.md, .json
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pigeonhole_training.reports import data_part, evaluation_part, html, model_card, page
from pigeonhole_training.reports.findings import Findings
from pigeonhole_training.reports.part import Part, Remark, attempt


def write_reports(folder: Path, findings: Findings) -> None:
    """Writes all reports to `folder`, which is made if need be.

    What fails to be drawn says so in its place and in the log; nothing is raised, as a model is not
    worse for it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = {
        "Evaluation": _part("Evaluation", lambda: evaluation_part.render(folder, findings)),
        "Data": _part("Data", lambda: data_part.render(folder, findings)),
    }
    card = attempt("Model card", lambda: model_card.render(folder, findings, parts))
    parts["Model"] = Part(card)
    text = attempt("The page", lambda: page.render(findings, parts))
    (folder / "index.html").write_text(text, encoding="utf-8")


def _part(title: str, render: Callable[[], Part]) -> Part:
    drawn: list[Part] = []

    def draw() -> html.Markup:
        drawn.append(render())
        return drawn[0].content

    content = attempt(title, draw)
    if drawn:
        return drawn[0]
    return Part(
        html.section(title.lower(), title, content),
        (Remark("warning", f"The part {title!r} of this report could not be drawn."),),
    )
