"""The API's address."""

from __future__ import annotations

from collections.abc import Mapping


def api_url(endpoint: str, outputs: Mapping[str, str], stage: str) -> str:
    """Base URL of the API, without a slash at its end. `endpoint` is where CloudFormation answers.

    On AWS it is the stack's own output; the local cloud answers everything under its one address.
    """
    if stage == "local":
        return f"{endpoint.rstrip('/')}/_aws/execute-api/{outputs['RestAPIId']}/{stage}"
    return outputs["EndpointURL"].rstrip("/")
