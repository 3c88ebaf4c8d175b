"""What the page shows of SageMaker, as plain JSON; times are epoch seconds.

    training    name, status, secondary, message, reason, created, started, ended, image, instance,
                hosts, spot, tuning (a job's name), steps [{status, start}],
                metrics [{name, last, points [[time, value], …]}]
    tuning      name, status, reason, created, ended, strategy, objective {name, type}, most,
                parallel, counters, best {name, value, parameters},
                trials [{name, status, value, parameters, created, started, ended}]
    transform   name, status, reason, created, started, ended, model, instance, hosts, input, output
    endpoints   name, status, config, pending, reason, created, modified,
                variants [{name, serverless | instance, wanted, weight, containers, invocations,
                errors, latency_us, setup_us, setup_at}]
    models      name, created, image, package
    groups      name, versions [{version, approval, status, description, created}], more
    totals      how many there are in all, by kind and status

Only what is under way and the newest of each kind are told; `totals` says how many there are.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from localcloud.page.series import Series
from localcloud.sagemaker.store import Kind, Resource, Store
from localcloud.tail import Tail

_NEWEST = 30  # of each kind
_MOST_TRIALS = 50  # of a tuning job
_MOST_VERSIONS = 8  # of a group
_UNDER_WAY = ("InProgress", "Stopping", "Creating", "Updating", "SystemUpdating", "Deleting")

Told = dict[str, Any]
_Trials = dict[str, list[Resource]]


class Snapshot:
    """Reads the store, the series and the tail; changes nothing."""

    def __init__(self, store: Store, series: Series, tail: Tail) -> None:
        self._store = store
        self._series = series
        self._tail = tail

    @property
    def version(self) -> tuple[int, int, int]:
        """Equal for equal contents."""
        return self._store.version, self._series.version, self._tail.version

    def __call__(self) -> Told:
        """See the module's docstring."""
        packages = self._store.all(Kind.MODEL_PACKAGE)
        tuning = self._shown(Kind.TUNING_JOB)
        jobs, trials = self._training_jobs(tuning)
        return {
            "training": [self._training(job) for job in jobs],
            "tuning": [self._tuning(job, trials.get(job.arn, [])) for job in tuning],
            "transform": [_transform(job) for job in self._shown(Kind.TRANSFORM_JOB)],
            "endpoints": [self._endpoint(item) for item in self._shown(Kind.ENDPOINT)],
            "models": [_model(model) for model in self._store.newest(Kind.MODEL, _NEWEST)],
            "groups": [
                _group(group, packages)
                for group in self._store.newest(Kind.MODEL_PACKAGE_GROUP, _NEWEST)
            ],
            "totals": {str(kind): counts for kind, counts in self._store.counts().items()},
        }

    def _shown(self, kind: Kind) -> list[Resource]:
        found = {r.name: r for r in self._store.newest(kind, _NEWEST)}
        found |= {r.name: r for r in self._store.all(kind, *_UNDER_WAY)}
        return sorted(found.values(), key=_age, reverse=True)

    def _training_jobs(self, tuning: list[Resource]) -> tuple[list[Resource], _Trials]:
        """Those that somebody made, and the trials of the tuning jobs by their ARN."""
        if not tuning:
            return self._shown(Kind.TRAINING_JOB), {}
        own, trials = [], _Trials()
        for job in self._store.all(Kind.TRAINING_JOB):
            arn = job.view.get("TuningJobArn")
            if arn:
                trials.setdefault(arn, []).append(job)
            else:
                own.append(job)
        own.sort(key=_age, reverse=True)
        shown = own[:_NEWEST] + [job for job in own[_NEWEST:] if job.status in _UNDER_WAY]
        return shown, trials

    def _training(self, job: Resource) -> Told:
        view = job.view
        steps = view.get("SecondaryStatusTransitions", [])
        tuning = view.get("TuningJobArn", "").rpartition("/")[2]
        algorithm = view.get("AlgorithmSpecification", {})
        return {
            "name": job.name,
            "status": job.status,
            "secondary": view.get("SecondaryStatus"),
            "message": steps[-1].get("StatusMessage") if steps else None,
            "reason": view.get("FailureReason"),
            "created": job.created,
            "started": view.get("TrainingStartTime"),
            "ended": view.get("TrainingEndTime"),
            "image": algorithm.get("TrainingImage"),
            **_resources(view.get("ResourceConfig", {})),
            "spot": bool(view.get("EnableManagedSpotTraining")),
            "tuning": tuning or None,
            "steps": [{"status": s["Status"], "start": s["StartTime"]} for s in steps],
            "metrics": self._metrics(job.name, view),
        }

    def _metrics(self, name: str, view: Told) -> list[Told]:
        """From the running cloud; of a job of an earlier run, the final values alone."""
        final = {
            item["MetricName"]: [(item.get("Timestamp", 0.0), item["Value"])]
            for item in view.get("FinalMetricDataList") or []
        }
        return [
            {"name": metric, "last": points[-1][1], "points": points}
            for metric, points in {**final, **self._series.of_job(name)}.items()
        ]

    def _tuning(self, job: Resource, made: list[Resource]) -> Told:
        view = job.view
        config = view.get("HyperParameterTuningJobConfig", {})
        objective = config.get("HyperParameterTuningJobObjective") or {}
        limits = config.get("ResourceLimits", {})
        metric = objective.get("MetricName")
        tuned = _tuned(config, view)
        trials = [self._trial(trial, metric, tuned) for trial in sorted(made, key=_age)]
        values = [trial for trial in trials if trial["value"] is not None]
        best = min if objective.get("Type") == "Minimize" else max
        return {
            "name": job.name,
            "status": job.status,
            "reason": view.get("FailureReason"),
            "created": job.created,
            "ended": view.get("HyperParameterTuningEndTime"),
            "strategy": config.get("Strategy"),
            "objective": {"name": objective.get("MetricName"), "type": objective.get("Type")},
            "most": limits.get("MaxNumberOfTrainingJobs"),
            "parallel": limits.get("MaxParallelTrainingJobs"),
            "counters": _counted(trial["status"] for trial in trials),
            "best": best(values, key=lambda t: t["value"]) if values else None,
            "trials": trials[-_MOST_TRIALS:],
        }

    def _trial(self, job: Resource, objective: str | None, tuned: set[str]) -> Told:
        view = job.view
        values = [m["last"] for m in self._metrics(job.name, view) if m["name"] == objective]
        given = view.get("TunedHyperParameters") or view.get("HyperParameters", {})
        return {
            "name": job.name,
            "status": job.status,
            "value": values[0] if values else None,
            "parameters": {k: v for k, v in given.items() if k in tuned},
            "created": job.created,
            "started": view.get("TrainingStartTime"),
            "ended": view.get("TrainingEndTime"),
        }

    def _endpoint(self, endpoint: Resource) -> Told:
        view = endpoint.view
        deployed = (endpoint.state.get("_deployed") or {}).get("variants", [])
        configs = {item["name"]: item["config"] for item in deployed}
        running = self._tail.open_streams(f"/aws/sagemaker/Endpoints/{endpoint.name}", "")
        starting = view.get("PendingDeploymentSummary") or {}
        return {
            "name": endpoint.name,
            "status": endpoint.status,
            "config": view.get("EndpointConfigName"),
            "pending": starting.get("EndpointConfigName"),
            "reason": view.get("FailureReason"),
            "created": endpoint.created,
            "modified": endpoint.modified,
            "variants": [
                self._variant(
                    endpoint.name,
                    item,
                    configs.get(item["VariantName"], {}),
                    sum(s.name.startswith(f"{item['VariantName']}/") for s in running),
                )
                for item in view.get("ProductionVariants", [])
            ],
        }

    def _variant(self, endpoint: str, item: Told, config: Told, containers: int) -> Told:
        traffic = self._series.of_variant(endpoint, item["VariantName"])
        serverless = item.get("CurrentServerlessConfig")
        return {
            "name": item["VariantName"],
            "serverless": serverless
            and {
                "memory_mb": serverless.get("MemorySizeInMB"),
                "concurrency": serverless.get("MaxConcurrency"),
                "provisioned": serverless.get("ProvisionedConcurrency"),
            },
            "instance": config.get("InstanceType"),
            "wanted": item.get("DesiredInstanceCount"),
            "weight": item.get("CurrentWeight"),
            "containers": containers,
            "invocations": traffic.invocations,
            "errors": traffic.errors,
            "latency_us": traffic.latency,
            "setup_us": traffic.setup,
            "setup_at": traffic.setup_at,
        }


def _age(resource: Resource) -> tuple[float, str]:
    return resource.created, resource.name


def _tuned(config: Told, view: Told) -> set[str]:
    """The names of the hyperparameters that a tuning job searches."""
    definitions = view.get("TrainingJobDefinitions") or [view.get("TrainingJobDefinition") or {}]
    ranges = [config.get("ParameterRanges") or {}]
    ranges += [item.get("HyperParameterRanges") or {} for item in definitions]
    kinds = ("IntegerParameterRanges", "ContinuousParameterRanges", "CategoricalParameterRanges")
    return {item["Name"] for found in ranges for kind in kinds for item in found.get(kind) or []}


def _resources(config: Told) -> Told:
    """Of a ResourceConfig or TransformResources, with instance groups too."""
    groups = config.get("InstanceGroups") or [config]
    kinds = dict.fromkeys(g["InstanceType"] for g in groups if "InstanceType" in g)
    return {
        "instance": ", ".join(kinds) or None,
        "hosts": sum(group.get("InstanceCount", 1) for group in groups),
    }


def _transform(job: Resource) -> Told:
    view = job.view
    source = view.get("TransformInput", {}).get("DataSource", {}).get("S3DataSource", {})
    return {
        "name": job.name,
        "status": job.status,
        "reason": view.get("FailureReason"),
        "created": job.created,
        "started": view.get("TransformStartTime"),
        "ended": view.get("TransformEndTime"),
        "model": view.get("ModelName"),
        **_resources(view.get("TransformResources", {})),
        "input": source.get("S3Uri"),
        "output": view.get("TransformOutput", {}).get("S3OutputPath"),
    }


def _model(model: Resource) -> Told:
    container = model.view.get("PrimaryContainer") or (model.view.get("Containers") or [{}])[0]
    return {
        "name": model.name,
        "created": model.created,
        "image": container.get("Image"),
        "package": container.get("ModelPackageName"),
    }


def _group(group: Resource, packages: list[Resource]) -> Told:
    versions = [p for p in packages if p.view.get("ModelPackageGroupName") == group.name]
    versions.sort(key=lambda p: p.created, reverse=True)
    return {
        "name": group.name,
        "created": group.created,
        "more": max(0, len(versions) - _MOST_VERSIONS),
        "versions": [
            {
                "version": p.view.get("ModelPackageVersion"),
                "approval": p.view.get("ModelApprovalStatus"),
                "status": p.status,
                "description": p.view.get("ModelPackageDescription"),
                "created": p.created,
            }
            for p in versions[:_MOST_VERSIONS]
        ],
    }


def _counted(statuses: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for status in statuses:
        found[status] = found.get(status, 0) + 1
    return found
