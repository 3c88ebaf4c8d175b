"""The profile report: where the steps' time went, how the machine was used, what the rules found.

profile/profile.json      all numbers of this part (watching/profile.py)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from markupsafe import Markup

from pigeonhole_training.reports import html
from pigeonhole_training.reports import profile_figures as drawn
from pigeonhole_training.reports.part import attempt
from pigeonhole_training.reports.words import count, percent
from pigeonhole_training.watching.profile import GIB, Profile
from pigeonhole_training.watching.rules import RULES, waits_for

GUIDE = "docs/profiling.md"


def render(folder: Path, profile: Profile) -> Markup:
    """Draws the part, with its heading, and writes profile.json below `folder`/profile."""
    target = folder / "profile"
    target.mkdir(parents=True, exist_ok=True)
    (target / "profile.json").write_text(profile.to_json(), encoding="utf-8")
    return html.section(
        "profile",
        "Profile",
        html.tiles(_facts(profile)),
        _findings(profile),
        html.figures(
            *(
                attempt(what, lambda draw=draw: draw(profile))  # type: ignore[misc]
                for what, draw in drawn.FIGURES
            )
        ),
        _rules(profile),
        *(html.paragraph(note) for note in profile.notes),
        html.paragraph(
            Markup("All numbers: {}. What each rule means: {} in the repository.").format(
                html.link("profile/profile.json", "profile.json"), GUIDE
            )
        ),
    )


def _facts(profile: Profile) -> list[tuple[str, str]]:
    settings, machine = profile.settings, profile.machine
    facts = [("training", _duration(profile.seconds))]
    steps = profile.steady_steps
    if steps:
        total = float(np.median([s.reading + s.copying + s.computing for s in steps]))
        waiting = float(np.median([s.reading + s.copying for s in steps]))
        facts.append(("usual step", f"{1000 * total:.3g} ms"))
        facts.append(("of it waiting for rows", percent(waiting / total if total else 0.0, 0)))
        if total:
            facts.append(("rows a second", f"{settings.batch_size / total:,.0f}"))
    facts.append(("cores", f"{machine.cpus:g}"))
    if profile.samples:
        facts.append(("CPU in use", percent(profile.quantile(0.5, "cpu"), 0)))
        used = f"{profile.peak_memory / GIB:.1f} of {machine.memory / GIB:.0f} GiB"
        facts.append(("memory at most", used))
    for i, gpu in enumerate(machine.gpus):
        busy = [sample.gpus[i].busy for sample in profile.samples if len(sample.gpus) > i]
        facts.append((gpu.name, f"{percent(float(np.mean(busy)), 0)} busy" if busy else "no data"))
    facts.append(("precision", settings.precision))
    if settings.hosts > 1:
        facts.append(("hosts", f"{settings.hosts}, this is the first one's profile"))
    return facts


def _findings(profile: Profile) -> Markup:
    if not profile.findings:
        judged = len(RULES) - sum(waits_for(rule, profile) is not None for rule in RULES)
        return html.note(
            "good", f"None of the {count(judged, 'rule')} that could judge found fault."
        )
    return html.join(html.note(f.severity, f.seen, f.do) for f in profile.findings)


def _rules(profile: Profile) -> Markup:
    fired = {finding.rule: finding for finding in profile.findings}
    rows = []
    for rule in RULES:
        name = rule.__name__
        missing = waits_for(rule, profile)
        verdict = "fired" if name in fired else f"not judged: {missing}" if missing else "silent"
        rows.append((name.replace("_", " ").replace("gpu", "GPU"), verdict))
    return html.details(
        f"{count(len(rows), 'rule')}, {len(fired)} fired",
        html.table(("rule", "verdict"), rows, "What the rules say"),
    )


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
