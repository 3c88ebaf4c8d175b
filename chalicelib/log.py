"""The one structured logger (Powertools): a JSON line an event, to standard output."""

from __future__ import annotations

from aws_lambda_powertools import Logger

logger = Logger(service="pigeonhole")
