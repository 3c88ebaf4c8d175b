"""The model card: what the model is for, what it was made of, how good it is, what to beware of.

After M. Mitchell et al., "Model Cards for Model Reporting", FAT* 2019. model_card.json has
the members of Amazon SageMaker Model Cards' schema; model_card.md says the same to people.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from markupsafe import Markup

from pigeonhole_training.export.artifact import write_json
from pigeonhole_training.reports import html
from pigeonhole_training.reports.evaluation_part import weakest
from pigeonhole_training.reports.findings import Findings
from pigeonhole_training.reports.part import Part
from pigeonhole_training.reports.words import count, listed, percent, span

TEXT, LONG, NAME = 2048, 1024, 255  # characters that SageMaker's schema allows
METRICS = 100  # classes whose numbers are in the card


def render(folder: Path, findings: Findings, parts: dict[str, Part]) -> Markup:
    """Writes both files and gives what the page tells of the model."""
    document = card(findings, parts)
    write_json(folder / "model_card.json", document)
    (folder / "model_card.md").write_text(markdown(findings, document), encoding="utf-8")
    words = document["additional_information"]
    return html.join(
        [
            html.table(("", "this model"), _facts(findings), "What it is"),
            html.subsection(
                "Intended use", html.paragraph(document["intended_uses"]["intended_uses"])
            ),
            html.subsection(
                "What to beware of", html.paragraph(words["caveats_and_recommendations"])
            ),
            html.paragraph(
                Markup("The {} says this for your files, {} for machines.").format(
                    html.link("model_card.md", "model card"),
                    html.link("model_card.json", "model_card.json"),
                )
            ),
        ]
    )


def card(findings: Findings, parts: dict[str, Part]) -> dict[str, Any]:
    """model_card.json's document."""
    version, evaluation, run = findings.version, findings.evaluation, findings.run
    own, heldout = evaluation["challenger"], evaluation["heldout"]
    split = findings.split
    return {
        "model_overview": {
            "model_name": _cut(f"{version.dataset} ({findings.training_job})", NAME),
            "model_description": _cut(_description(findings), LONG),
            "problem_type": "Multiclass classification",
            "algorithm_type": _cut(
                f"Convolutional or dense network, preset {run.recipe.preset}", TEXT
            ),
            "model_creator": "Pigeonhole",
        },
        "intended_uses": {
            "purpose_of_model": _cut(_purpose(findings), TEXT),
            "intended_uses": _cut(_uses(findings), TEXT),
            "factors_affecting_model_efficiency": _cut(_factors(findings), TEXT),
            "risk_rating": "Unknown",
        },
        "training_details": {
            "training_observations": _cut(
                f"{len(split.training):,} rows trained, {len(split.validation):,} chose epoch "
                f"{findings.best_epoch} of {len(findings.epochs)}.",
                LONG,
            ),
            "training_job_details": {
                "training_datasets": [f"{version.dataset}, version {version.version}"[:1024]],
                "user_provided_hyper_parameters": [
                    {"name": name, "value": json.dumps(value)[:NAME]}
                    for name, value in sorted(asdict(run.recipe).items())
                ],
                "training_metrics": _epoch_metrics(findings),
            },
        },
        "evaluation_details": [
            {
                "name": "Held-out rows",
                "evaluation_observation": f"{heldout['rows']:,} rows, held out by "
                f"{heldout['source']}; the model was not trained on them.",
                "datasets": [f"{version.dataset}, version {version.version}"[:1024]],
                "metric_groups": _metrics(own),
            }
        ],
        "additional_information": {
            "ethical_considerations": _ETHICS,
            "caveats_and_recommendations": _cut(_caveats(findings, parts), TEXT),
            "custom_details": {
                "training_job": findings.training_job,
                "dataset_version": version.version,
                "code_version": findings.code_version,
            },
        },
    }


def markdown(findings: Findings, document: dict[str, Any]) -> str:
    """The card for people."""
    own = findings.evaluation["challenger"]
    uses, more = document["intended_uses"], document["additional_information"]
    overview, training = document["model_overview"], document["training_details"]
    facts = "\n".join(f"| {_plain(name)} | {_plain(value)} |" for name, value in _facts(findings))
    classes = "\n".join(
        f"| {_plain(name)} | {_number(own['precision'].get(name))} | "
        f"{_number(own['recall'].get(name))} | {_number(own['f1'].get(name))} |"
        for name in findings.classes
    )
    return f"""# Model card: {_plain(overview["model_name"])}

{_plain(overview["model_description"])}

| | |
|---|---|
{facts}

## Intended use

{_plain(uses["purpose_of_model"])} {_plain(uses["intended_uses"])}

## What its quality depends on

{_plain(uses["factors_affecting_model_efficiency"])}

## Training data

{_plain(training["training_observations"])}

## Evaluation

{_plain(document["evaluation_details"][0]["evaluation_observation"])}

| class | precision | recall | F1 |
|---|---|---|---|
{classes}

## Ethical considerations

{more["ethical_considerations"]}

## Caveats and recommendations

{_plain(more["caveats_and_recommendations"])}
"""


_ETHICS = (
    "The model repeats what its training images and labels say, their mistakes and gaps included. "
    "Nothing here examines fairness between groups of people; do that before decisions about "
    "people depend on it."
)


def _description(findings: Findings) -> str:
    height, width, channels = findings.run.training.image_shape
    own = findings.evaluation["challenger"]
    low, high = own["interval"]
    return (
        f"Classifies images of {height} by {width} pixels and "
        f"{count(channels, 'channel')} into {len(findings.classes):,} classes. Right for "
        f"{percent(own['accuracy'])} of held-out images (95% interval "
        f"{span(low, high)})."
    )


def _purpose(findings: Findings) -> str:
    return f"Tells which of these classes an image belongs to: {listed(findings.classes, 40)}."


def _uses(findings: Findings) -> str:
    return (
        "For images like those of its training data. It always answers with one of its classes, "
        "also for an image of something else: use the probability, and let a person look at unsure "
        "answers."
    )


def _factors(findings: Findings) -> str:
    own = findings.evaluation["challenger"]
    weak = weakest(findings)[:3]
    text = "Framing, light and background as in the training images."
    if weak:
        each = [f"{html.short(name)} {percent(own['recall'][name], 0)}" for name in weak]
        text += f" Classes that it finds least often: {', '.join(each)}."
    return text


def _caveats(findings: Findings, parts: dict[str, Part]) -> str:
    found = [
        f"{r.text} {r.do}".strip()
        for part in parts.values()
        for r in part.remarks
        if r.tone in ("bad", "warning")
    ]
    return " ".join(found) or "Nothing stood out in the data or in the evaluation."


def _facts(findings: Findings) -> list[tuple[str, str]]:
    evaluation, recipe = findings.evaluation, findings.run.recipe
    own = evaluation["challenger"]
    low, high = own["interval"]
    calibration = evaluation.get("calibration") or {}
    export = evaluation.get("export") or {}
    return [
        ("Training job", findings.training_job),
        ("Dataset", f"{findings.version.dataset}, version {findings.version.version[:12]}"),
        ("Code version", findings.code_version or "not told"),
        ("Preset", recipe.preset),
        ("Weights", f"{findings.run.model.count_params():,}"),
        (
            "Training",
            f"{count(len(findings.epochs), 'epoch')}, batches of {recipe.batch_size}, "
            f"{recipe.optimizer}, seed {recipe.seed}",
        ),
        (
            "Accuracy",
            f"{percent(own['accuracy'], 2)} (95% interval {span(low, high, 2)})",
        ),
        ("Held-out rows", f"{evaluation['heldout']['rows']:,}"),
        ("Temperature", f"{calibration.get('temperature', 1.0):.3g}"),
        ("Precision of its numbers", str(export.get("precision", "float32"))),
    ]


def _metrics(own: dict[str, Any]) -> list[dict[str, Any]]:
    whole = [
        {"name": name, "type": "number", "value": own[name]}
        for name in ("accuracy", "macro_f1", "top_5_accuracy", "log_loss", "ece")
        if own.get(name) is not None
    ]
    for name, value in zip(("accuracy_low", "accuracy_high"), own["interval"], strict=True):
        whole.append({"name": name, "type": "number", "value": value})
    groups = [{"name": "All classes", "metric_data": whole}]
    for kind in ("recall", "precision", "f1"):
        data = [
            {"name": _cut(name, NAME), "type": "number", "value": value}
            for name, value in list(own[kind].items())[:METRICS]
        ]
        if data:
            groups.append({"name": f"{kind} by class", "metric_data": data})
    return groups


def _epoch_metrics(findings: Findings) -> list[dict[str, Any]]:
    if not findings.epochs:
        return []
    kept = next((e for e in findings.epochs if e.epoch == findings.best_epoch), findings.epochs[-1])
    return [{"name": name, "value": value} for name, value in asdict(kept).items()]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _cut(text: str, length: int) -> str:
    text = html.clean(text)
    return text if len(text) <= length else text[: length - 1] + "…"


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, also in a table's cell."""
    text = " ".join(html.clean(text).split())
    for character in "\\`*_[]|#$~":
        text = text.replace(character, f"\\{character}")
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
