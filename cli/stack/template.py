"""What is done to Chalice's template before CloudFormation gets it: pure functions on JSON."""

from __future__ import annotations

import re
from typing import Any

ZIP_NAME = "deployment.zip"
_BINARY = "x-amazon-apigateway-binary-media-types"
_VARIABLE = re.compile(r"\$\{[A-Za-z]")


def completed(template: dict[str, Any], stage: str) -> dict[str, Any]:
    """The template, ready but for where the zip lies; what it is given stays as it is.

    - `${…}` in the roles' policies becomes `Fn::Sub`: Chalice's policy files are static JSON, ours
      name the stack's own resources.
    - For the local cloud the types that the API takes as bytes stand beside its definition too:
      MiniStack does not import them from there.
    - The parameter Stage is the stage whose settings were packaged.
    """
    resources = {
        name: _substituted_role(resource) if resource["Type"] == "AWS::IAM::Role" else resource
        for name, resource in template["Resources"].items()
    }
    if stage == "local":
        resources["RestAPI"] = _with_binary_types(resources["RestAPI"])
    parameters = dict(template["Parameters"])
    parameters["Stage"] = {**parameters["Stage"], "Default": stage}
    return {**template, "Parameters": parameters, "Resources": resources}


def located(template: dict[str, Any], bucket: str, key: str) -> dict[str, Any]:
    """The template with the functions' code at s3://bucket/key."""
    resources = {}
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            properties = {**resource["Properties"], "CodeUri": {"Bucket": bucket, "Key": key}}
            resource = {**resource, "Properties": properties}  # noqa: PLW2901
        resources[name] = resource
    return {**template, "Resources": resources}


def environment(template: dict[str, Any], function: str) -> dict[str, Any]:
    """All variables of a function (by logical id), globals included; values may be intrinsics."""
    shared = template.get("Globals", {}).get("Function", {}).get("Environment", {})
    own = template["Resources"][function]["Properties"].get("Environment", {})
    return {**shared.get("Variables", {}), **own.get("Variables", {})}


def _substituted_role(role: dict[str, Any]) -> dict[str, Any]:
    properties = role["Properties"]
    policies = _substituted(properties.get("Policies", []))
    return {**role, "Properties": {**properties, "Policies": policies}}


def _substituted(value: Any) -> Any:
    if isinstance(value, str):
        return {"Fn::Sub": value} if _VARIABLE.search(value) else value
    if isinstance(value, list):
        return [_substituted(item) for item in value]
    if isinstance(value, dict):
        return {
            key: item if key == "Fn::Sub" else _substituted(item) for key, item in value.items()
        }
    return value


def _with_binary_types(api: dict[str, Any]) -> dict[str, Any]:
    types = sorted(api["Properties"]["DefinitionBody"].get(_BINARY, ()))
    return {**api, "Properties": {**api["Properties"], "BinaryMediaTypes": types}}
