"""Training jobs: download, run the container, upload.

The states: InProgress (Starting, Downloading, Training, Uploading) → Completed or Failed; on
StopTrainingJob Stopping → Stopped; on MaxRuntimeInSeconds Stopping → Stopped with the secondary
status MaxRuntimeExceeded.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from localcloud.images import UnknownImage
from localcloud.ports import AccessDenied
from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.containers import Spec, remove_folder
from localcloud.sagemaker.jobs import INTERNAL_ERROR, LOST_PROCESS, Control
from localcloud.sagemaker.metrics import MetricWatch
from localcloud.sagemaker.s3data import (
    DataError,
    Interrupted,
    download,
    list_input,
    upload_folder,
)
from localcloud.sagemaker.state_changes import publish_training_job
from localcloud.sagemaker.store import Kind, Resource

_log = logging.getLogger(__name__)

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
_FAILURE_LENGTH = 1024
_RUNNING = ("InProgress", "Stopping")
_MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Uploading": "Uploading generated training model",
    "Stopping": "Stopping the training job",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
}


def enter(
    cloud: Cloud,
    name: str,
    status: str,
    secondary: str,
    *,
    only_from: tuple[str, ...] = _RUNNING,
    **state: Any,
) -> Resource | None:
    """Move a job on, keep its SecondaryStatusTransitions, and publish the event.

    Returns None when the job is not in one of `only_from`: somebody else moved it.
    """

    def change(job: Resource) -> Resource | None:
        if job.status not in only_from:
            return None
        now = cloud.clock.now()
        steps = [dict(step) for step in job.state.get("SecondaryStatusTransitions", [])]
        if steps and "EndTime" not in steps[-1]:
            steps[-1]["EndTime"] = now
        message = state.get("FailureReason") or _MESSAGES[secondary]
        step = {"Status": secondary, "StartTime": now, "StatusMessage": message}
        times: dict[str, Any] = {}
        if status in ("Completed", "Failed", "Stopped"):
            step["EndTime"] = now
            times["TrainingEndTime"] = now
            if "TrainingStartTime" in job.state:
                seconds = max(1, math.ceil(now - job.state["TrainingStartTime"]))
                times |= {"TrainingTimeInSeconds": seconds, "BillableTimeInSeconds": seconds}
        return replace(job, status=status, modified=now).with_state(
            SecondaryStatus=secondary, SecondaryStatusTransitions=[*steps, step], **times, **state
        )

    job = cloud.store.change(Kind.TRAINING_JOB, name, change)
    if job is not None:
        publish_training_job(cloud, job)
    return job


def recover(cloud: Cloud) -> None:
    """After a restart: no process of a job is left, so tell that of each job that was under way."""
    for job in cloud.store.all(Kind.TRAINING_JOB, "InProgress"):
        enter(cloud, job.name, "Failed", "Failed", FailureReason=LOST_PROCESS)
    for job in cloud.store.all(Kind.TRAINING_JOB, "Stopping"):
        enter(cloud, job.name, "Stopped", "Stopped")


class TrainingRun:
    """One training job from Starting to its end."""

    def __init__(self, cloud: Cloud, name: str, control: Control) -> None:
        job = cloud.store.get(Kind.TRAINING_JOB, name)
        if job is None:
            raise LookupError(name)
        self._cloud = cloud
        self._job = job
        self._request = job.request
        self._control = control
        self._folder = cloud.settings.home / "sagemaker" / "jobs" / name
        self._metrics = MetricWatch(
            job.request["AlgorithmSpecification"].get("MetricDefinitions", []),
            cloud.clock,
            self._observed,
        )

    def __call__(self) -> None:
        """Run it; every way out but the cloud's closing leaves the job in a final state."""
        try:
            self._work()
        except Interrupted:
            self._end("Stopped", "Stopped")
        except (DataError, UnknownImage, AccessDenied) as error:
            self._fail(_client_error(error))
        except Exception:
            _log.exception("training job %s", self._job.name)
            self._fail(INTERNAL_ERROR)
        finally:
            remove_folder(self._folder)

    def _work(self) -> None:
        request = self._request
        image = request["AlgorithmSpecification"]["TrainingImage"]
        self._cloud.containers.check(image)
        s3 = self._cloud.roles.s3(request["RoleArn"], f"SageMaker-{self._job.name}"[:64])
        self._enter("Downloading", TrainingStartTime=self._cloud.clock.now())
        self._prepare(s3)
        self._enter("Training")
        status, overran = self._train(image)
        metrics = self._metrics.final() or None
        if overran:
            self._move("Stopping", "Stopping", FinalMetricDataList=metrics)
            self._end("Stopped", "MaxRuntimeExceeded", **self._upload(s3, whole=False))
        elif self._control.stop.is_set():
            if not self._control.closing.is_set():
                self._end(
                    "Stopped",
                    "Stopped",
                    FinalMetricDataList=metrics,
                    **self._upload(s3, whole=False),
                )
        elif status == 0:
            if not self._move("InProgress", "Uploading", FinalMetricDataList=metrics):
                raise Interrupted
            artifacts = self._upload(s3, whole=True)
            self._end("Completed", "Completed", **artifacts)
        else:
            self._move("InProgress", "Uploading", FinalMetricDataList=metrics)
            with contextlib.suppress(DataError):
                self._upload_output(s3)
            self._fail(self._algorithm_error(status))

    def _observed(self, metric: str, value: float, at: float) -> None:
        self._cloud.progress.tell(self._job.name, metric, value, at)
        self._cloud.metrics.put(
            "/aws/sagemaker/TrainingJobs", metric, value, {"TrainingJobName": self._job.name}, at=at
        )

    def _prepare(self, s3: Any) -> None:
        root = self._folder / "ml"
        remove_folder(self._folder)
        for name in ("input/config", "input/data", "model", "output/data"):
            (root / name).mkdir(parents=True)
        channels = self._request.get("InputDataConfig", [])
        configs = {
            "hyperparameters": self._request.get("HyperParameters", {}),
            "inputdataconfig": {c["ChannelName"]: _channel_config(c) for c in channels},
            "resourceconfig": self._resource_config(),
        }
        for name, content in configs.items():
            text = json.dumps(content)
            (root / "input" / "config" / f"{name}.json").write_text(text, encoding="utf-8")
        for channel in channels:
            self._control.check()
            source = channel["DataSource"]["S3DataSource"]
            objects = list_input(s3, source["S3DataType"], source["S3Uri"])
            target = root / "input" / "data" / channel["ChannelName"]
            download(s3, objects, target, self._control.stop)

    def _resource_config(self) -> dict[str, Any]:
        instance = self._request["ResourceConfig"]["InstanceType"]
        group = {
            "instance_group_name": "homogeneousCluster",
            "instance_type": instance,
            "hosts": ["algo-1"],
        }
        return {
            "current_host": "algo-1",
            "current_instance_type": instance,
            "current_group_name": "homogeneousCluster",
            "hosts": ["algo-1"],
            "instance_groups": [group],
            "network_interface_name": "lo",
        }

    def _train(self, image: str) -> tuple[int, bool]:
        """Run the container; returns its exit status and whether it ran longer than it may."""
        cloud, job = self._cloud, self._job
        limit = self._request["StoppingCondition"]["MaxRuntimeInSeconds"]
        spec = Spec(
            image=image,
            argument="train",
            folder=self._folder,
            role_arn=self._request["RoleArn"],
            session_name=f"SageMaker-{job.name}"[:64],
            log_group=LOG_GROUP,
            log_stream=f"{job.name}/algo-1-{int(cloud.clock.now())}",
            environment={
                **self._request.get("Environment", {}),
                "TRAINING_JOB_NAME": job.name,
                "TRAINING_JOB_ARN": job.arn,
            },
        )
        process = cloud.containers.run(
            spec, on_line=self._metrics.line, on_exit=lambda _: self._control.changed.set()
        )
        deadline = cloud.clock.now() + limit
        if self._control.wait(cloud.clock, lambda: process.poll() is not None, deadline):
            return process.wait(), False
        if self._control.closing.is_set():
            return process.stop(grace=2.0), False
        overran = not self._control.stop.is_set()
        return process.stop(cloud.settings.timeouts.stop_job), overran

    def _upload(self, s3: Any, *, whole: bool) -> dict[str, Any]:
        """Put the outputs; without `whole`, an empty model is left out."""
        self._upload_output(s3)
        model = self._folder / "ml" / "model"
        if not whole and not any(model.rglob("*")):
            return {}
        uri = f"{self._output()}/model.tar.gz"
        upload_folder(s3, model, uri, self._folder)
        return {"ModelArtifacts": {"S3ModelArtifacts": uri}}

    def _upload_output(self, s3: Any) -> None:
        data = self._folder / "ml" / "output" / "data"
        if any(data.rglob("*")):
            upload_folder(s3, data, f"{self._output()}/output.tar.gz", self._folder)

    def _output(self) -> str:
        path = self._request["OutputDataConfig"]["S3OutputPath"].rstrip("/")
        return f"{path}/{self._job.name}/output"

    def _algorithm_error(self, status: int) -> str:
        file: Path = self._folder / "ml" / "output" / "failure"
        text = ""
        with contextlib.suppress(OSError), file.open(encoding="utf-8", errors="replace") as reader:
            text = reader.read(_FAILURE_LENGTH)
        ending = f", exit code: {status}"
        return f"AlgorithmError: {text.strip()}"[: _FAILURE_LENGTH - len(ending)] + ending

    def _enter(self, secondary: str, **state: Any) -> None:
        """Raises Interrupted when the job is not InProgress any more."""
        self._control.check()
        if not self._move("InProgress", secondary, **state):
            raise Interrupted

    def _move(self, status: str, secondary: str, **state: Any) -> Resource | None:
        if self._control.closing.is_set():
            return None
        return enter(
            self._cloud, self._job.name, status, secondary, only_from=("InProgress",), **state
        )

    def _end(self, status: str, secondary: str, **state: Any) -> None:
        if not self._control.closing.is_set():
            enter(self._cloud, self._job.name, status, secondary, **state)

    def _fail(self, reason: str) -> None:
        self._end("Failed", "Failed", FailureReason=reason[:_FAILURE_LENGTH])


def _channel_config(channel: dict[str, Any]) -> dict[str, Any]:
    source = channel["DataSource"]["S3DataSource"]
    config = {
        "TrainingInputMode": channel.get("InputMode", "File"),
        "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": channel.get("RecordWrapperType", "None"),
    }
    if "ContentType" in channel:
        config["ContentType"] = channel["ContentType"]
    return config


def _client_error(error: Exception) -> str:
    text = str(error)
    return text if text.startswith("ClientError") else f"ClientError: {text}"
