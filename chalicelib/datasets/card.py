"""The model card of a model package, as SageMaker's registry shows it.

Its content is JSON after SageMaker's schema of model package model cards: `model_overview` has
creator and artifact alone, and there are no `model_package_details`. Texts are cut to the schema's
lengths. The job may leave a model_card.json in the same schema, whose words on intended use and
caveats are taken over.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

LONGEST = 100_000  # characters of a card
LONG, TEXT = 1024, 2048  # of its texts
_USES = ("purpose_of_model", "intended_uses", "factors_affecting_model_efficiency")
_MORE = ("ethical_considerations", "caveats_and_recommendations")
CREATOR = "Pigeonhole"


def card_content(
    *,
    artifact: str,
    image: str,
    dataset: str,
    hyperparameters: Mapping[str, str],
    evaluation: Mapping[str, Any],
    drawn: Mapping[str, Any] | None = None,
) -> str | None:
    """The card's JSON on one line, or None where it would be too long.

    `evaluation` is evaluation.json, `drawn` the job's model_card.json.
    """
    drawn = drawn or {}
    card: dict[str, Any] = {
        "model_overview": {"model_creator": CREATOR, "model_artifact": [artifact[:LONG]]},
        "intended_uses": _texts(drawn.get("intended_uses"), _USES) | {"risk_rating": "Unknown"},
        "training_details": {
            "training_job_details": {
                "training_datasets": [dataset[:LONG]],
                "training_environment": {"container_image": [image[:LONG]]},
                "user_provided_hyper_parameters": [
                    {"name": name[:255], "value": value[:255]}
                    for name, value in sorted(hyperparameters.items())
                    if not name.startswith("sagemaker_")
                ],
            }
        },
        "evaluation_details": [
            {
                "name": "Held-out rows",
                "datasets": [dataset[:LONG]],
                "evaluation_observation": f"{evaluation['heldout']['rows']} held-out rows, "
                "which the model was not trained on",
                "metric_groups": _groups(evaluation),
            }
        ],
    }
    if more := _texts(drawn.get("additional_information"), _MORE):
        card["additional_information"] = more
    content = json.dumps(card, separators=(",", ":"))
    return content if len(content) <= LONGEST else None


def _groups(evaluation: Mapping[str, Any]) -> list[dict[str, Any]]:
    challenger: Mapping[str, Any] = evaluation["challenger"]
    whole = list(_numbers({k: v for k, v in challenger.items() if not isinstance(v, list | dict)}))
    low_high = challenger.get("interval") or ()
    for name, value in zip(("accuracy_low", "accuracy_high"), low_high, strict=False):
        whole.append({"name": name, "type": "number", "value": value})
    groups = [{"name": "All classes", "metric_data": whole}]
    for title in ("recall", "precision", "f1"):
        if data := list(_numbers(challenger.get(title) or {})):
            groups.append({"name": f"{title} by class", "metric_data": data})
    return groups


def _numbers(values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name, value in values.items():
        if isinstance(value, int | float) and math.isfinite(value):
            yield {"name": str(name)[:255], "type": "number", "value": value}


def _texts(given: Any, known: tuple[str, ...]) -> dict[str, str]:
    if not isinstance(given, Mapping):
        return {}
    return {
        name: given[name][:TEXT]
        for name in known
        if isinstance(given.get(name), str) and given[name]
    }
