"""A trained model's entry in the registry: what it is, how good, and where its reports are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chalicelib import names
from chalicelib.aws.registry import Approval, metadata
from chalicelib.datasets.artifact import read_evaluation
from chalicelib.datasets.checking import read_report
from chalicelib.datasets.cost import shortage
from chalicelib.datasets.cost.choices import choices
from chalicelib.datasets.gate.card import card_content
from chalicelib.datasets.gate.deciding import before_the_gate
from chalicelib.datasets.gate.gate import Evaluation
from chalicelib.datasets.parts import Parts
from chalicelib.datasets.state import Outcome, Phase, State
from chalicelib.errors import InputRefused, ObjectNotFound, RequestRefused


def register(parts: Parts, state: State) -> State:
    """Enter the model of the state's job in the registry, once, and send it to the gate."""
    job = state.training_job or ""
    try:
        raw = _evaluation(parts, state.dataset, job)
        evaluation = Evaluation.from_json(raw)
    except (InputRefused, KeyError, TypeError, ValueError, AttributeError) as error:
        message = f"training job {job} left no usable evaluation: {error}"
        return state.settle(Phase.FAILED, Outcome.FAILED, message)
    group = parts.names.group(state.dataset)
    parts.registry.ensure_group(group, parts.tags(state.dataset))
    found = parts.registry.find(group, {"training_job": job})
    try:
        arn = found.arn if found else _entered(parts, state, raw, evaluation)
    except RequestRefused as error:
        message = f"the model registry refuses the model of {job}: {error}"
        return state.settle(Phase.FAILED, Outcome.FAILED, message)
    state = replace(
        state, phase=Phase.JUDGING, package=arn, message=f"{job} is being judged", tries=0
    )
    version = state.version or ""
    return state.remember(version, replace(state.past_of(version), package=arn))


def _evaluation(parts: Parts, dataset: str, job: str) -> Mapping[str, Any]:
    """evaluation.json as it was published; else out of the job's archive, and published now."""
    key = names.evaluation_key(dataset, job)
    try:
        published: Mapping[str, Any] = parts.storage.get_json(key)
    except ObjectNotFound:
        raw = read_evaluation(parts.storage, names.output_key(dataset, job))
        parts.storage.put_json(key, raw)
        return raw
    return published


def _entered(parts: Parts, state: State, raw: Mapping[str, Any], evaluation: Evaluation) -> str:
    """The package's ARN. A card that SageMaker does not take is left out, and said in the log."""
    request = package_request(parts, state, evaluation, raw)
    card = _card(parts, state)
    if card is not None:
        try:
            return parts.registry.register(request | {"ModelCard": card})
        except RequestRefused as error:
            parts.logger.warning("registered without a model card", reason=str(error))
    return parts.registry.register(request)


def package_request(
    parts: Parts, state: State, evaluation: Evaluation, raw: Mapping[str, Any]
) -> dict[str, Any]:
    """CreateModelPackage's request, without a card."""
    job, uri = state.training_job or "", parts.storage.uri
    quality = _statistics("application/json", uri(names.evaluation_key(state.dataset, job)))
    metrics = {"ModelQuality": quality}
    if state.report is not None and state.report.endswith("/index.html"):
        metrics["ModelDataQuality"] = _statistics("text/html", state.report)
    return {
        "ModelPackageGroupName": parts.names.group(state.dataset),
        "ModelPackageDescription": f"{state.dataset}, trained by {job}",
        "InferenceSpecification": {
            "Containers": [
                {
                    "Image": parts.settings.serving_image,
                    "ModelDataUrl": uri(names.model_key(state.dataset, job)),
                }
            ],
            "SupportedContentTypes": [
                "image/png",
                "application/x-npy",
                "text/csv",
                "application/json",
            ],
            "SupportedResponseMIMETypes": ["application/json"],
        },
        "ModelApprovalStatus": str(Approval.PENDING),
        "ModelMetrics": metrics,
        "CustomerMetadataProperties": _properties(parts, state, evaluation, raw),
        # The same job asked for twice is one package.
        "ClientToken": hashlib.sha256(job.encode()).hexdigest()[:36],
    }


def _statistics(content_type: str, uri: str) -> dict[str, Any]:
    return {"Statistics": {"ContentType": content_type, "S3Uri": uri}}


def _properties(
    parts: Parts, state: State, evaluation: Evaluation, raw: Mapping[str, Any]
) -> dict[str, str]:
    report = read_report(parts, state) or {}
    chosen = choices(report, parts.settings, state.instances)
    found = {
        "dataset": state.dataset,
        "dataset_version": state.version or "",
        "training_job": state.training_job or "",
        "accuracy": f"{evaluation.accuracy:.6f}",
        "heldout_rows": str(evaluation.rows),
        "code_version": parts.settings.code_version,
        "preset": chosen.preset,
        "instance_type": chosen.instances.type,
        "instance_count": str(chosen.instances.count),
        "spot": str(chosen.instances.spot).lower(),
    }
    if state.costs.refused:
        found["instances_refused"] = metadata(shortage.short_note(state.costs.refused))
    quote = state.costs.quote
    if quote is not None and quote.spent_usd is not None:
        found["cost_usd"] = f"{quote.spent_usd:.4f}"
    interval = raw["challenger"].get("interval")
    if interval:  # not told by jobs of older releases
        found |= {"accuracy_low": str(interval[0]), "accuracy_high": str(interval[1])}
    calibration = raw.get("calibration")
    if calibration:
        found["temperature"] = str(calibration["temperature"])
    return before_the_gate() | {name: value[:256] for name, value in found.items()}


def _card(parts: Parts, state: State) -> dict[str, str] | None:
    """The card that the job wrote, where it wrote one that can be used."""
    job = state.training_job or ""
    try:
        key = names.job_reports_prefix(state.dataset, job) + "model_card.json"
        drawn = parts.storage.get_json(key)
    except (ObjectNotFound, ValueError):
        return None
    if not isinstance(drawn, Mapping):
        return None
    content = card_content(
        drawn,
        artifact=parts.storage.uri(names.model_key(state.dataset, job)),
        image=choices(read_report(parts, state) or {}, parts.settings, state.instances).image(
            parts.settings
        ),
    )
    return None if content is None else {"ModelCardContent": content, "ModelCardStatus": "Draft"}
