"""One training job from Starting to its end."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from localcloud.images import UnknownImage
from localcloud.ports import AccessDenied
from localcloud.sagemaker import network
from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.containers import Spec, remove_folder
from localcloud.sagemaker.jobs import INTERNAL_ERROR, NO_CAPACITY, Control, client_error
from localcloud.sagemaker.metrics import MetricWatch
from localcloud.sagemaker.s3data import DataError, Interrupted
from localcloud.sagemaker.store import Kind, Resource
from localcloud.sagemaker.training import channels, cluster, outputs, states
from localcloud.sagemaker.training.checks import CHECKPOINTS, TENSORBOARD, below_ml
from localcloud.sagemaker.training.cluster import Cluster, Host
from localcloud.sagemaker.training.instances import Instances, NoCapacity, WaitedTooLong
from localcloud.sagemaker.training.sync import Mirror, Ticker
from localcloud.sagemaker.training.usage import NAMESPACE, InstanceMetrics

_log = logging.getLogger(__name__)

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
_FAILURE_LENGTH = 1024

_FOR_GOOD = (
    Interrupted,
    DataError,
    UnknownImage,
    AccessDenied,
    network.NoNetwork,
    NoCapacity,
    WaitedTooLong,
)
"""What ends a job without a retry; anything else is an InternalServerError."""


class _Way(StrEnum):
    """How the training of an attempt came to its end; the value is the secondary status after."""

    BY_ITSELF = ""
    STOPPED = "Stopped"
    OVERRAN = "MaxRuntimeExceeded"
    WAITED = "MaxWaitTimeExceeded"
    RECLAIMED = "Interrupted"


class TrainingRun:
    """One training job; call it to run it."""

    def __init__(self, cloud: Cloud, name: str, control: Control) -> None:
        job = cloud.store.get(Kind.TRAINING_JOB, name)
        if job is None:
            raise LookupError(name)
        self._cloud = cloud
        self._job = job
        self._request = job.request
        self._control = control
        self._folder = cloud.settings.home / "sagemaker" / "training" / name
        self._session = f"SageMaker-{name}"[:64]
        self._algorithm = job.request["AlgorithmSpecification"]
        self._metrics = MetricWatch(
            self._algorithm.get("MetricDefinitions", []), cloud.clock, self._observed
        )
        self._trained = 0.0  # seconds, in all attempts together
        limits = job.request["StoppingCondition"]
        self._max_runtime = float(limits["MaxRuntimeInSeconds"])
        self._instances = Instances(cloud, job, control)

    def __call__(self) -> None:
        """Run it; every way out but the cloud's closing leaves the job in a final state."""
        try:
            self._work()
        except Interrupted:
            self._end("Stopped", "Stopped")
        except WaitedTooLong:
            self._move("Stopping", "Stopping")
            self._end("Stopped", "MaxWaitTimeExceeded")
        except NoCapacity:
            self._fail(NO_CAPACITY)
        except (DataError, UnknownImage, AccessDenied, network.NoNetwork) as error:
            self._fail(client_error(error))
        except Exception:
            self._fail(INTERNAL_ERROR)
        finally:
            remove_folder(self._folder)

    def _work(self) -> None:
        self._cloud.containers.check(self._algorithm["TrainingImage"])
        s3 = self._cloud.roles.s3(self._request["RoleArn"], self._session)
        over = False
        while not over:
            try:
                over = self._attempt(s3)
            except _FOR_GOOD:
                raise
            except Exception:
                _log.exception("training job %s", self._job.name)
                if self._control.closing.is_set() or not states.retry(self._cloud, self._job):
                    raise

    def _attempt(self, s3: Any) -> bool:
        """Run the job once; False when its instances were taken and it has to begin anew."""
        self._instances.launch()
        self._enter("Downloading", TrainingStartTime=self._started())
        hosts = cluster.hosts_of(self._request["ResourceConfig"], self._folder)
        remove_folder(self._folder)
        mirrors = self._prepare(s3, hosts)
        processes = Cluster(self._cloud.containers, self._control.changed)
        with network.lease([host.name for host in hosts]) as addresses:
            specs = [(host, self._spec(host, addresses)) for host in hosts]
            self._enter("Training")
            way = self._train(processes, specs, mirrors)
        if way is _Way.RECLAIMED:
            self._enter("Interrupted")
            self._enter("Starting")
            return False
        self._finish(s3, hosts, way, processes.failed(), _synced(mirrors))
        return True

    def _started(self) -> float:
        job = self._cloud.store.get(Kind.TRAINING_JOB, self._job.name)
        known = job.state.get("TrainingStartTime") if job is not None else None
        return float(known if known is not None else self._cloud.clock.now())

    def _prepare(self, s3: Any, hosts: Sequence[Host]) -> list[Mirror]:
        """Lay out the hosts' trees with their input, and their checkpoints."""
        given = self._request.get("InputDataConfig", [])
        mode = self._algorithm["TrainingInputMode"]
        cluster.lay_out(hosts, self._request, channels.input_config(given, mode))
        for channel in given:
            self._control.check()
            channels.fetch(s3, channel, mode, hosts, self._control.stop)
        mirrors = []
        if config := self._request.get("CheckpointConfig"):
            for host in hosts:
                folder = host.ml / below_ml(config.get("LocalPath", CHECKPOINTS))
                mirrors.append(Mirror(s3, folder, config["S3Uri"], self._folder, whole=True))
                folder.mkdir(parents=True, exist_ok=True)
                mirrors[-1].restore(self._control.stop)
        if config := self._request.get("TensorBoardOutputConfig"):
            # Where below S3OutputPath: as version 2 of the SageMaker Python SDK looks for it.
            uri = f"{config['S3OutputPath'].rstrip('/')}/{self._job.name}/tensorboard-output"
            for host in hosts:
                folder = host.ml / below_ml(config.get("LocalPath", TENSORBOARD))
                mirrors.append(Mirror(s3, folder, uri, self._folder, whole=False))
                folder.mkdir(parents=True, exist_ok=True)
        return mirrors

    def _spec(self, host: Host, addresses: Any) -> Spec:
        job, algorithm = self._job, self._algorithm
        return Spec(
            image=algorithm["TrainingImage"],
            argument="train",
            folder=host.folder,
            role_arn=self._request["RoleArn"],
            session_name=self._session,
            log_group=LOG_GROUP,
            log_stream=f"{job.name}/{host.name}-{int(self._cloud.clock.now())}",
            environment={
                **self._request.get("Environment", {}),
                "TRAINING_JOB_NAME": job.name,
                "TRAINING_JOB_ARN": job.arn,
            },
            hosts=addresses,
            hostname=host.name,
            entrypoint=algorithm.get("ContainerEntrypoint", ()),
            arguments=algorithm.get("ContainerArguments"),
            read_only=channels.read_only(
                self._request.get("InputDataConfig", []), algorithm["TrainingInputMode"]
            ),
        )

    def _train(
        self, processes: Cluster, specs: Sequence[tuple[Host, Spec]], mirrors: Sequence[Mirror]
    ) -> _Way:
        """Run the containers of all hosts; when this returns, none is left."""
        cloud, control = self._cloud, self._control
        began = cloud.clock.now()
        calls: list[Callable[[], None]] = [mirror.look for mirror in mirrors]
        calls += [InstanceMetrics(cloud, self._job.name, processes), self._instances.look]
        timeouts = cloud.settings.timeouts
        self._instances.training_began(began)
        with processes, Ticker(self._job.name, cloud.clock, timeouts.sync, calls) as ticker:
            processes.start(specs, self._metrics.line)
            overrun, latest = began + self._max_runtime - self._trained, self._instances.latest
            ended = control.wait(
                cloud.clock,
                lambda: processes.settled() or self._instances.taken,
                min(overrun, latest),
            )
            self._trained += cloud.clock.now() - began
            if processes.settled():
                processes.end_others(timeouts.stop_job)
                return _Way.BY_ITSELF
            if ended:
                ticker.close()  # what is not in S3 by now is lost
                processes.stop(0.0)
                return _Way.RECLAIMED
            if control.stop.is_set():
                processes.stop(2.0 if control.closing.is_set() else timeouts.stop_job)
                return _Way.STOPPED
            self._move("Stopping", "Stopping")
            processes.stop(timeouts.stop_job)
            return _Way.OVERRAN if overrun <= latest else _Way.WAITED

    def _finish(
        self,
        s3: Any,
        hosts: Sequence[Host],
        way: _Way,
        failed: tuple[Host, int] | None,
        unsynced: DataError | None,
    ) -> None:
        metrics = self._metrics.final() or None
        if self._control.closing.is_set():
            return
        if way is _Way.BY_ITSELF and not self._move(
            "InProgress", "Uploading", FinalMetricDataList=metrics
        ):
            way = _Way.STOPPED  # asked to at the very end
        if way is not _Way.BY_ITSELF:
            artifacts = self._upload(s3, hosts, whole=False)
            self._end("Stopped", way.value, FinalMetricDataList=metrics, **artifacts)
        elif failed is not None:
            with contextlib.suppress(DataError):
                self._upload_output(s3, hosts)
            self._fail(_algorithm_error(*failed))
        else:
            artifacts = self._upload(s3, hosts, whole=True)
            if unsynced is not None:
                # Not documented; a job that says Completed while its checkpoints are lost lies.
                raise unsynced
            if not self._move("Completed", "Completed", **artifacts):
                self._end("Stopped", "Stopped", **artifacts)  # asked to while it uploaded

    def _observed(self, metric: str, value: float, at: float) -> None:
        self._cloud.progress.tell(self._job.name, metric, value, at)
        self._cloud.metrics.put(
            NAMESPACE, metric, value, {"TrainingJobName": self._job.name}, at=at
        )

    def _upload(self, s3: Any, hosts: Sequence[Host], *, whole: bool) -> dict[str, Any]:
        """Put the outputs; without `whole`, an empty model is left out."""
        self._upload_output(s3, hosts)
        models = [host.ml / "model" for host in hosts]
        if not whole and not outputs.merged(models):
            return {}
        uri = f"{self._output()}/model.tar.gz"
        outputs.upload(s3, models, uri, self._folder, key=self._key)
        return {"ModelArtifacts": {"S3ModelArtifacts": uri}}

    def _upload_output(self, s3: Any, hosts: Sequence[Host]) -> None:
        data = [host.ml / "output" / "data" for host in hosts]
        if outputs.merged(data):
            uri = f"{self._output()}/output.tar.gz"
            outputs.upload(s3, data, uri, self._folder, key=self._key)

    @property
    def _key(self) -> str | None:
        return self._request["OutputDataConfig"].get("KmsKeyId") or None

    def _output(self) -> str:
        path = self._request["OutputDataConfig"]["S3OutputPath"].rstrip("/")
        return f"{path}/{self._job.name}/output"

    def _enter(self, secondary: str, **state: Any) -> None:
        """Raises Interrupted when the job is not InProgress any more."""
        self._control.check()
        if not self._move("InProgress", secondary, **state):
            raise Interrupted

    def _move(self, status: str, secondary: str, **state: Any) -> Resource | None:
        if self._control.closing.is_set():
            return None
        return states.enter(
            self._cloud, self._job.name, status, secondary, only_from=("InProgress",), **state
        )

    def _end(self, status: str, secondary: str, **state: Any) -> None:
        if not self._control.closing.is_set():
            states.enter(self._cloud, self._job.name, status, secondary, **state)

    def _fail(self, reason: str) -> None:
        self._end("Failed", "Failed", FailureReason=reason[:_FAILURE_LENGTH])


def _synced(mirrors: Sequence[Mirror]) -> DataError | None:
    """The last look at each folder, when its processes are gone; what went wrong, if something."""
    problem: DataError | None = None
    for look in [partial(mirror.look, last=True) for mirror in mirrors]:
        try:
            look()
        except DataError as error:
            _log.warning("%s", error)
            problem = problem or error
    return problem


def _algorithm_error(host: Host, status: int) -> str:
    file: Path = host.ml / "output" / "failure"
    text = ""
    if file.is_file():  # a pipe would be read for ever
        with contextlib.suppress(OSError), file.open(encoding="utf-8", errors="replace") as reader:
            text = reader.read(_FAILURE_LENGTH)
    ending = f", exit code: {status}"
    return f"AlgorithmError: {text.strip()}"[: _FAILURE_LENGTH - len(ending)] + ending
