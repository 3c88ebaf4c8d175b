"""Which container images a stage uses, as parameters of the stack."""

from __future__ import annotations

# AWS publishes its deep learning containers from one account in most regions.
_USUAL_ACCOUNT = "763104351884"
_OTHER_ACCOUNTS = {
    "af-south-1": "626614931356",
    "ap-east-1": "871362719292",
    "ap-northeast-3": "364406365360",
    "ap-southeast-3": "907027046896",
    "cn-north-1": "727897471807",
    "cn-northwest-1": "727897471807",
    "eu-south-1": "692866216735",
    "me-south-1": "217643126080",
}


def training_image_parameters(region: str) -> dict[str, str]:
    """`TrainingImageAccount` for a region; which image a job runs follows from its instances."""
    return {"TrainingImageAccount": _OTHER_ACCOUNTS.get(region, _USUAL_ACCOUNT)}
