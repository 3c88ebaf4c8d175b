"""Endpoints: who owns which containers, and the walk through the states.

lifecycle     Hosting: Creating, InService, Updating, …, and what is taken up after a restart
host          EndpointHost: the fleets of one endpoint; which variant takes a request
fleet         Fleet: the containers of one variant; serverless and instances are its two kinds
measures      what CloudWatch is told
asynchronous  the queues of asynchronous endpoints: queue keeps them, carrier carries a request out,
              notices says what SNS topics are told
"""

from __future__ import annotations

from localcloud.sagemaker.hosting.fleet import Fleet, FleetView, Lease, Throttled
from localcloud.sagemaker.hosting.host import EndpointHost, log_group
from localcloud.sagemaker.hosting.lifecycle import Hosting
from localcloud.sagemaker.hosting.measures import Measures

__all__ = [
    "EndpointHost",
    "Fleet",
    "FleetView",
    "Hosting",
    "Lease",
    "Measures",
    "Throttled",
    "log_group",
]
