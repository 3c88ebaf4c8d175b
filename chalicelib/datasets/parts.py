"""What the steps of flow 1 work with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from aws_lambda_powertools import Logger

from chalicelib.aws.endpoints import Endpoints, Runtime
from chalicelib.aws.queues import Queues
from chalicelib.aws.registry import Registry
from chalicelib.aws.storage import Storage
from chalicelib.aws.training import Training
from chalicelib.clock import Clock
from chalicelib.datasets.cost.ledger import Ledger
from chalicelib.sagemaker_names import SageMakerNames
from chalicelib.settings import Settings


@dataclass(frozen=True)
class Parts:
    """Settings, the adapters and the clock."""

    settings: Settings
    storage: Storage
    queues: Queues
    training: Training
    registry: Registry
    endpoints: Endpoints
    runtime: Runtime
    clock: Clock
    logger: Logger
    ledger: Ledger

    @property
    def names(self) -> SageMakerNames:
        return SageMakerNames(self.settings.stage)

    def seconds_since(self, moment: str) -> float:
        """Seconds from an ISO 8601 time to now."""
        return (self.clock() - datetime.fromisoformat(moment)).total_seconds()

    def tags(self, dataset: str) -> dict[str, str]:
        return {"pigeonhole:stage": self.settings.stage, "pigeonhole:dataset": dataset}
