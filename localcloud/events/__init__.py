"""EventBridge's default bus for our SageMaker: `EventBus`, and what it remembers of its events."""

from localcloud.events.bus import EventBus, backoff, is_of_another_service
from localcloud.events.history import Delivered, Published
from localcloud.events.targets import Undeliverable, input_of

__all__ = [
    "Delivered",
    "EventBus",
    "Published",
    "Undeliverable",
    "backoff",
    "input_of",
    "is_of_another_service",
]
