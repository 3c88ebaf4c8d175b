"""The Chalice app: each handler parses, calls one function and returns.

The routes stand in `chalicelib/api.py`.
"""

from __future__ import annotations

import os
from typing import Any

from chalice import Chalice
from chalice.app import SQSEvent

from chalicelib import api, wiring
from chalicelib.delivery import Invocation
from chalicelib.settings import api_key_required

app = Chalice(app_name="pigeonhole")
api.install(app, wiring.services, key_required=api_key_required(os.environ))

# The merge template puts the real queues in the place of these ARNs, and turns on partial batch
# responses.
PLACEHOLDER = "arn:aws:sqs:us-east-1:000000000000:placeholder"


@app.on_sqs_message(queue_arn=PLACEHOLDER, name="reconcile", batch_size=10)
def reconcile(event: SQSEvent) -> dict[str, Any]:
    return wiring.dispatcher().reconcile_batch(
        event.to_dict()["Records"], Invocation.of(event.context)
    )


@app.on_sqs_message(queue_arn=PLACEHOLDER, name="work", batch_size=1)
def work(event: SQSEvent) -> dict[str, Any]:
    return wiring.dispatcher().work_batch(event.to_dict()["Records"], Invocation.of(event.context))
