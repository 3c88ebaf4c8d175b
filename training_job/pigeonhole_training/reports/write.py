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
from typing import TYPE_CHECKING

from markupsafe import Markup

from pigeonhole_training.reports import data_part, evaluation_part, model_card, page
from pigeonhole_training.reports.findings import Findings
from pigeonhole_training.reports.part import Part, Remark, attempt

if TYPE_CHECKING:
    from pigeonhole_training.watching.profile import Profile


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
    profile = findings.profile
    if profile is not None:
        parts["Profile"] = _part("Profile", lambda: _profile(folder, profile))
    parts["Model"] = Part(attempt("Model card", lambda: model_card.render(folder, findings, parts)))
    text = attempt("The page", lambda: page.render(findings, parts))
    (folder / "index.html").write_text(text, encoding="utf-8")


def _profile(folder: Path, profile: Profile) -> Part:
    from pigeonhole_training.reports import profile_part  # noqa: PLC0415 - only where there is one

    remarks = (Remark(f.severity, f.seen, f.do) for f in profile.findings)
    return Part(profile_part.render(folder, profile), remarks=tuple(remarks), whole=True)


def _part(title: str, render: Callable[[], Part]) -> Part:
    drawn: list[Part] = []

    def draw() -> Markup:
        drawn.append(render())
        return drawn[0].body

    failure = attempt(title, draw)
    if drawn:
        return drawn[0]
    return Part(failure, remarks=(Remark("warning", f"{title} could not be drawn."),))
