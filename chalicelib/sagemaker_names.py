"""The one owner of the names of what SageMaker runs for us.

    pigeonhole-<stage>-<dataset>                         endpoint, model package group
    pigeonhole-<stage>-<dataset>-next                    verification endpoint
    pigeonhole-<stage>-<dataset>-<hash12>-<attempt>      training job, model, endpoint config
    …-<hash12>-<attempt>-j<n>                            judging job: compares that model again
    …-<hash12>-<attempt>-h<4 hex>                        endpoint config of other hosting
    pigeonhole-<stage>-batch-<batch>-<run12>-<attempt>   transform job and its model

63 characters are the limit of most.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from chalicelib.names import NEXT, Owner, name_problem

_HOSTING = re.compile(r"-h[0-9a-f]{4}$")
_JUDGING = re.compile(r"-j[1-9][0-9]*$")
_SUFFIX = re.compile(r"(?P<owner>.+)-(?P<hash>[0-9a-f]{12})-(?P<attempt>[1-9][0-9]*)")


@dataclass(frozen=True)
class Run:
    """A job's name taken apart: whose, which 12 digits of its version or run, which attempt."""

    owner: Owner
    name: str
    hash12: str
    attempt: int

    @property
    def id(self) -> str:
        return f"{self.owner}/{self.name}"

    @property
    def model_version(self) -> str:
        return f"{self.hash12}-{self.attempt}"


@dataclass(frozen=True)
class SageMakerNames:
    """Names of one stage."""

    stage: str

    @property
    def prefix(self) -> str:
        return f"pigeonhole-{self.stage}-"

    def endpoint(self, dataset: str) -> str:
        """The live endpoint; the model package group is called the same."""
        return self.prefix + dataset

    def group(self, dataset: str) -> str:
        return self.prefix + dataset

    def next_endpoint(self, dataset: str) -> str:
        return self.prefix + dataset + NEXT

    def job(self, dataset: str, version: str, attempt: int) -> str:
        """Training job, model and endpoint config."""
        return f"{self.prefix}{dataset}-{version[:12]}-{attempt}"

    def config(self, job: str, hosting: str) -> str:
        """Endpoint config of the job's model by its hosting, of which `hosting` are 4 hex digits;
        the stage's own hosting goes by the job's name."""
        return f"{job}-h{hosting}" if hosting else job

    def parse_config(self, name: str) -> str | None:
        """The training job whose model an endpoint config hosts; None for other people's."""
        job = _HOSTING.sub("", name)
        return job if self.parse_job(job) else None

    def configs(self, dataset: str) -> str:
        """What the names of the dataset's endpoint configs begin with (those of others may)."""
        return f"{self.prefix}{dataset}-"

    def transform(self, batch: str, run: str, attempt: int) -> str:
        """Transform job and its model."""
        return f"{self.prefix}batch-{batch}-{run[:12]}-{attempt}"

    def parse_job(self, name: str) -> Run | None:
        """A training job's name; None for other people's."""
        return self._run(name, self.prefix, Owner.DATASET)

    def judging_job(self, job: str, number: int) -> str:
        """The job that compares the model of a training job with a champion, its `number`th."""
        return f"{job}-j{number}"

    def parse_training(self, name: str) -> Run | None:
        """Whose a training or a judging job is; None for other people's."""
        return self.parse_job(_JUDGING.sub("", name))

    def parse_transform(self, name: str) -> Run | None:
        """A transform job's name; None for other people's."""
        return self._run(name, self.prefix + "batch-", Owner.BATCH)

    def parse_endpoint(self, name: str) -> str | None:
        """The dataset of an endpoint or a model package group; None for other people's."""
        if not name.startswith(self.prefix):
            return None
        dataset = name.removeprefix(self.prefix).removesuffix(NEXT)
        return None if name_problem(Owner.DATASET, dataset) else dataset

    def _run(self, name: str, prefix: str, owner: Owner) -> Run | None:
        match = _SUFFIX.fullmatch(name.removeprefix(prefix)) if name.startswith(prefix) else None
        if match is None or name_problem(owner, match["owner"]):
            return None
        return Run(owner, match["owner"], match["hash"], int(match["attempt"]))
