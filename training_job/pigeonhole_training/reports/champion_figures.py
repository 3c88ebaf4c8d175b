"""The champion beside the challenger, on the same held-out rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from markupsafe import Markup

from pigeonhole_training.reports import html, pictures
from pigeonhole_training.reports.findings import Findings
from pigeonhole_training.reports.part import Remark
from pigeonhole_training.reports.words import count, percent, points, span

CHANGED = 15  # classes in the table
EXAMPLES = 12


def remarks(findings: Findings) -> list[Remark]:
    """Whether the model is an improvement."""
    champion, paired = findings.evaluation["champion"], findings.evaluation["paired"]
    if champion is None:
        return []
    if why := _incomparable(champion, paired):
        return [Remark("info", f"Not comparable with the champion: {why}.", "A person decides.")]
    difference, error = paired["difference"], paired["standard_error"]
    much = f"{points(difference)} (standard error {points(error)})"
    if difference < -error:
        return [Remark("bad", f"Worse than the champion by {much}.", "It should stay live.")]
    if difference > error:
        return [Remark("good", f"Better than the champion by {much}.")]
    return [Remark("info", f"As good as the champion: the difference is {much}.")]


def _incomparable(champion: dict[str, Any], paired: dict[str, Any] | None) -> str:
    if not champion["same_shape"]:
        return "it takes images of another shape"
    if not champion["same_classes"]:
        return "it knows other classes, and gets wrong what it does not know"
    return "" if paired and paired["rows"] else "it was trained on every held-out row"


def comparison(findings: Findings) -> Markup:
    """Accuracies, the rows on which the two differ, and the classes that changed most."""
    document = findings.evaluation
    own, champion, paired = document["challenger"], document["champion"], document["paired"]
    if champion is None:
        return html.subsection(
            "Comparison with the champion",
            html.paragraph("There was no champion: this is the first model, or it was not given."),
        )
    rows = [
        (
            "trained by",
            html.short(findings.training_job, 60),
            html.short(champion["training_job"], 60),
        ),
        ("accuracy", percent(own["accuracy"]), _share(champion["accuracy"])),
        ("95% interval", _range(own.get("interval")), _range(champion.get("interval"))),
        ("mean F1", _three(own.get("macro_f1")), _three(champion.get("macro_f1"))),
        ("calibration error", _share(own.get("ece")), _share(champion.get("ece"))),
    ]
    parts = [html.table(("", "this model", "champion"), rows, "Both on the same held-out rows")]
    if paired and paired["rows"]:
        parts.append(
            html.paragraph(
                f"On the {count(paired['rows'], 'row')} that neither was trained on, only this "
                f"model is right for {paired['only_challenger_right']:,} and only the champion for "
                f"{paired['only_champion_right']:,}."
            )
        )
    parts += _classes(own["recall"], champion["recall"])
    parts += _lost(findings)
    return html.subsection("Comparison with the champion", *parts)


def _classes(own: dict[str, float], champion: dict[str, float]) -> list[Markup]:
    both = [(name, own[name], champion[name]) for name in own if name in champion]
    both.sort(key=lambda each: -abs(each[1] - each[2]))
    if not both or both[0][1] == both[0][2]:
        return []
    rows = [
        (html.short(name), percent(mine), percent(theirs), f"{100 * (mine - theirs):+.1f}")
        for name, mine, theirs in both[:CHANGED]
    ]
    return [
        html.table(
            ("class", "this model", "champion", "points"), rows, "Recall, what changed most first"
        )
    ]


def _lost(findings: Findings) -> list[Markup]:
    """Pictures that the champion gets right and this model does not."""
    champion = findings.champion
    if champion is None or champion.answers is None or champion.probabilities is None:
        return []
    held, labels = findings.split.heldout, findings.split.heldout.labels
    answers, theirs = findings.heldout.argmax(axis=1), champion.probabilities
    lost = np.flatnonzero((answers != labels) & (champion.answers == labels))
    if not len(lost):
        return [html.paragraph("Nothing that the champion gets right is lost.")]
    surest = lost[np.argsort(-theirs[lost, labels[lost]], kind="stable")][:EXAMPLES]
    cards = [
        Markup("{}<div><p><b>{}</b>, now <b>{}</b></p><small>{}</small></div>").format(
            pictures.shown(image, f"Held-out image of {html.short(findings.classes[labels[row]])}"),
            html.short(findings.classes[labels[row]]),
            html.short(findings.classes[answers[row]]),
            html.short(held.origin(int(row)), 90),
        )
        for row, image in zip(surest, held.take(surest), strict=True)
    ]
    return [
        Markup("<h4>Right before, wrong now</h4>"),
        html.paragraph(f"{count(len(lost), 'held-out row')}; the champion's surest first."),
        html.cards(cards, small=True),
    ]


def _share(value: float | None) -> str | None:
    return None if value is None else percent(value)


def _three(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"


def _range(interval: list[float] | None) -> str | None:
    return None if not interval else span(interval[0], interval[1])
