"""boto3 clients on the local cloud, as the account's root."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config

from localcloud.home import ROOT_KEY, ROOT_SECRET, Ports
from localcloud.trouble import SPARED

Clients = Callable[[str], Any]


def clients(ports: Ports, region: str) -> Clients:
    """A function from a service's name (`sqs`) to a new, thread-safe client of MiniStack's."""
    session = boto3.Session(
        aws_access_key_id=ROOT_KEY, aws_secret_access_key=ROOT_SECRET, region_name=region
    )
    config = Config(
        connect_timeout=2,
        read_timeout=30,
        retries={"mode": "standard", "max_attempts": 2},
        max_pool_connections=16,
        user_agent_extra=SPARED,
    )

    def make(service: str) -> Any:
        return session.client(service, endpoint_url=ports.gateway_url, config=config)

    return make
