"""Builds everything once a process, when it is first asked for: nothing here runs at import.

Each function below makes one part from the parts it needs. Clients have short timeouts and standard
retries, so that a function dies by its own error and not by Lambda's clock.
"""

from __future__ import annotations

import os
from functools import cache, partial
from typing import Any

import boto3
from botocore.config import Config

from chalicelib import names
from chalicelib.api import Services
from chalicelib.aws.endpoints import SageMakerEndpoints, SageMakerRuntime
from chalicelib.aws.links import SIGNING, S3Links
from chalicelib.aws.notifications import Notifications, Nowhere, Topic
from chalicelib.aws.queues import Queues
from chalicelib.aws.registry import SageMakerRegistry
from chalicelib.aws.source_queue import SourceQueue
from chalicelib.aws.storage import Storage
from chalicelib.aws.table import Table
from chalicelib.aws.training import SageMakerTraining
from chalicelib.aws.transform import SageMakerTransform
from chalicelib.batches.service import Batches
from chalicelib.batches.writer import ResultsWriter
from chalicelib.clock import utc_now
from chalicelib.datasets.service import Datasets
from chalicelib.dispatch import Dispatcher
from chalicelib.log import logger
from chalicelib.predict.choice import Choice
from chalicelib.predict.service import Predictor
from chalicelib.settings import Settings

CONNECT_SECONDS = 3
READ_SECONDS = 10
TELL_SECONDS = 4  # a topic that does not answer must not cost the step its time
PREDICT_SECONDS = (23, 15, 9, 5, 2)  # a caller of the API waits 29 s: less with each further try
INVOKE_SECONDS = 25  # within reconcile's 60 s; a cold start that takes longer is asked again later


@cache
def settings() -> Settings:
    return Settings.from_environment(os.environ)


@cache
def client(
    service: str,
    read_seconds: int = READ_SECONDS,
    attempts: int = 4,
    extra: Config | None = None,
) -> Any:
    """A boto3 client; `attempts` counts the first try, `extra` is what it needs besides."""
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": attempts},
    )
    return boto3.client(service, config=config.merge(extra) if extra else config)


@cache
def storage() -> Storage:
    return Storage(client("s3"), settings().bucket)


@cache
def table() -> Table:
    return Table(client("dynamodb"), settings().table)


@cache
def queues() -> Queues:
    return Queues(client("sqs"), settings().events_queue_url, settings().work_queue_url)


@cache
def notifications() -> Notifications:
    arn = settings().notification_topic_arn
    return Topic(client("sns", TELL_SECONDS, attempts=2), arn) if arn else Nowhere()


@cache
def datasets() -> Datasets:
    sagemaker = client("sagemaker")
    return Datasets(
        settings=settings(),
        table=table(),
        storage=storage(),
        queues=queues(),
        training=SageMakerTraining(sagemaker),
        registry=SageMakerRegistry(sagemaker),
        endpoints=SageMakerEndpoints(sagemaker),
        runtime=SageMakerRuntime(client("sagemaker-runtime", INVOKE_SECONDS, attempts=1)),
        notifications=notifications(),
        clock=utc_now,
        logger=logger,
    )


@cache
def choice() -> Choice:
    return Choice(datasets(), settings().default_dataset)


@cache
def batches() -> Batches:
    return Batches(
        settings=settings(),
        table=table(),
        storage=storage(),
        queues=queues(),
        transform=SageMakerTransform(client("sagemaker")),
        choice=choice(),
        clock=utc_now,
        logger=logger,
    )


@cache
def results_writer() -> ResultsWriter:
    return ResultsWriter(table(), storage(), queues(), utc_now, logger)


def runtime_within(seconds: float) -> SageMakerRuntime:
    """One whose calls end within so many seconds, as far as that goes."""
    fitting = [read for read in PREDICT_SECONDS if read + CONNECT_SECONDS <= seconds]
    read_seconds = max(fitting, default=min(PREDICT_SECONDS))
    return SageMakerRuntime(client("sagemaker-runtime", read_seconds, attempts=1))


@cache
def services() -> Services:
    predictor = Predictor(choice(), runtime_within)
    links = S3Links(partial(client, "s3", extra=SIGNING), settings().bucket)
    return Services(settings().stage, predictor, datasets(), batches(), links)


@cache
def dispatcher() -> Dispatcher:
    urls = settings()
    return Dispatcher(
        stage=settings().stage,
        reconcilers={
            names.Owner.DATASET: datasets().reconcile,
            names.Owner.BATCH: batches().reconcile,
        },
        watchers={names.Owner.DATASET: datasets().watch},
        workers={
            "preflight": datasets().preflight,
            "reports": datasets().publish,
            "results": results_writer().write,
        },
        retrain=datasets().retrain,
        storage=storage(),
        table=table(),
        queues=queues(),
        events=SourceQueue(client("sqs"), urls.events_queue_url, urls.events_dead_letters_url),
        work=SourceQueue(client("sqs"), urls.work_queue_url, urls.work_dead_letters_url),
        retry_seconds=settings().retry_seconds,
        clock=utc_now,
        logger=logger,
    )
