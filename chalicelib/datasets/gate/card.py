"""The model card of a model package, as SageMaker's registry shows it.

The job writes model_card.json after SageMaker's schema of model cards. That of a package's card is
smaller: `model_overview` has creator and artifact alone, and there are no `model_package_details`.
What only the service knows is added: where the model lies, and the image that trained it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

LONGEST = 100_000  # characters of a card
CREATOR = "Pigeonhole"
_SECTIONS = (
    "intended_uses",
    "business_details",
    "training_details",
    "evaluation_details",
    "additional_information",
)


def card_content(drawn: Mapping[str, Any], *, artifact: str, image: str) -> str | None:
    """The card's JSON on one line; None where SageMaker would not take it.

    `drawn` is model_card.json, `artifact` the URI of the model, `image` that of the training image.
    """
    card: dict[str, Any] = {
        "model_overview": {"model_creator": CREATOR, "model_artifact": [artifact]},
        **{name: drawn[name] for name in _SECTIONS if name in drawn},
    }
    try:
        training = dict(card.get("training_details", {}))
        job = dict(training.get("training_job_details", {}))
        job["training_environment"] = {"container_image": [image]}
        card["training_details"] = training | {"training_job_details": job}
        content = json.dumps(card, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError):
        return None
    return content if len(content) <= LONGEST else None
