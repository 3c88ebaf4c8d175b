"""AddTags, ListTags, DeleteTags."""

from __future__ import annotations

from typing import Any

from localcloud.sagemaker.cloud import Cloud, tags_of
from localcloud.sagemaker.errors import MissingResource, ResourceLimitExceeded, ValidationException
from localcloud.sagemaker.store import Kind

_MOST_TAGS = 50
_DEFAULT_PAGE = 50


def add(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    arn = _existing(cloud, request, changing=True)
    with cloud.store.transaction():
        if len({**cloud.store.tags(arn), **tags_of(request)}) > _MOST_TAGS:
            raise ResourceLimitExceeded(f"A resource can have at most {_MOST_TAGS} tags.")
        cloud.store.set_tags(arn, tags_of(request))
        return {"Tags": _list(cloud.store.tags(arn))}


def list_(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    tags = _list(cloud.store.tags(_existing(cloud, request, changing=False)))
    token = request.get("NextToken")
    start = 0
    if token:
        keys = [tag["Key"] for tag in tags]
        if token not in keys:
            raise ValidationException("Invalid NextToken.")
        start = keys.index(token)
    size = request.get("MaxResults", _DEFAULT_PAGE)
    answer: dict[str, Any] = {"Tags": tags[start : start + size]}
    if len(tags) > start + size:
        answer["NextToken"] = tags[start + size]["Key"]
    return answer


def delete(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    cloud.store.remove_tags(_existing(cloud, request, changing=True), request["TagKeys"])
    return {}


def _existing(cloud: Cloud, request: dict[str, Any], *, changing: bool) -> str:
    """Where the tags of a resource are kept.

    A versioned model package "uses the tags associated with the model group": they are listed for
    it too, and can be changed on the group alone.
    """
    arn: str = request["ResourceArn"]
    resource = cloud.store.by_arn(arn)
    if resource is None:
        raise MissingResource(f"Resource {arn} does not exist.")
    group = resource.state.get("ModelPackageGroupName")
    if group is None:
        return arn
    if changing:
        raise ValidationException(
            "Tags are not allowed on a versioned model package: put them on its group."
        )
    return cloud.arn(Kind.MODEL_PACKAGE_GROUP, group)


def _list(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
