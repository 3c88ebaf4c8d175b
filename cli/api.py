"""Our own HTTP API, as docs/architecture.md fixes it, for the commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from cli.console import tame
from cli.errors import CliError
from cli.target import Target

NOT_FOUND = 404


@dataclass(frozen=True)
class Champion:
    """The model that answers: `accuracy` on held-out rows, 0 to 1."""

    version: str
    training_job: str
    accuracy: float | None
    since: str


@dataclass(frozen=True)
class Change:
    """A rollback, or a move to other hosting (`why`); `outcome` None while it is under way."""

    why: str
    training_job: str
    who: str
    outcome: str | None
    message: str
    asked: str


@dataclass(frozen=True)
class Waiting:
    """A version whose model, or whose training's cost (`what`), a person must decide on."""

    version: str
    what: str
    message: str


@dataclass(frozen=True)
class DatasetStatus:
    """Where a dataset stands; the fields are those of the API's JSON."""

    dataset: str
    phase: str
    message: str
    version: str | None
    training_job: str | None
    ready: str | None
    settled: bool
    outcome: str | None
    report: str | None
    champion: Champion | None
    endpoint: str | None
    preset: str | None = None
    instances: str | None = None
    cost: str = ""  # of the newest training job: `$0.10`, or `about $0.12` before its end
    former: tuple[str, ...] = ()  # training jobs of former champions, the newest first
    change: Change | None = None
    waiting: tuple[Waiting, ...] = ()
    next_training: str | None = None  # when its schedule has it trained once more

    @staticmethod
    def parse(body: Mapping[str, Any]) -> DatasetStatus:
        """From the API's JSON."""
        champion, change = body.get("champion"), body.get("change")
        return DatasetStatus(
            dataset=body["dataset"],
            phase=body["phase"],
            message=tame(body.get("message") or ""),
            version=body.get("version"),
            training_job=body.get("training_job"),
            ready=body.get("ready"),
            settled=bool(body.get("settled")),
            outcome=body.get("outcome"),
            report=body.get("report"),
            champion=champion
            and Champion(
                champion["version"],
                champion["training_job"],
                champion.get("accuracy"),
                champion.get("since") or "",
            ),
            endpoint=body.get("endpoint"),
            preset=body.get("preset"),
            instances=body.get("instances"),
            cost=_cost(body.get("cost") or {}),
            next_training=body.get("next_training"),
            former=tuple(one["training_job"] for one in body.get("former") or ()),
            change=change
            and Change(
                change["why"],
                change["training_job"],
                tame(change["who"]),
                change["outcome"],
                tame(change["message"]),
                change["asked"],
            ),
            waiting=tuple(
                Waiting(one["version"], one["what"], tame(one["message"]))
                for one in body.get("waiting") or ()
            ),
        )


def model_version(job: str) -> str:
    """A training job as answers have it in `model_version`: `<hash12>-<attempt>`."""
    return "-".join(job.split("-")[-2:])


def _quoted(name: str) -> str:
    """For an address: what is no name is refused by the API, and not taken for another call."""
    return quote(name, safe="")


def _cost(found: Mapping[str, Any]) -> str:
    spent = found.get("spent_usd")
    usd = found.get("estimated_usd") if spent is None else spent
    if usd is None:
        return ""
    words = f"${usd:,.2f}" if usd >= 0.01 or not usd else "less than $0.01"
    return words if spent is not None else f"about {words}"


@dataclass(frozen=True)
class Counts:
    """How many files a batch has, and what became of them."""

    files: int
    classified: int
    rejected: int


@dataclass(frozen=True)
class BatchStatus:
    """Where a batch stands; the fields are those of the API's JSON."""

    batch: str
    phase: str
    message: str
    ready: str | None
    settled: bool
    dataset: str | None
    results: str | None
    counts: Counts | None

    @staticmethod
    def parse(body: Mapping[str, Any]) -> BatchStatus:
        """From the API's JSON."""
        counts = body.get("counts")
        return BatchStatus(
            batch=body["batch"],
            phase=body["phase"],
            message=tame(body.get("message") or ""),
            ready=body.get("ready"),
            settled=bool(body.get("settled")),
            dataset=body.get("dataset"),
            results=body.get("results"),
            counts=counts and Counts(counts["files"], counts["classified"], counts["rejected"]),
        )


class ApiError(CliError):
    """The API refused: `error` is its code, the message its sentence, `http_status` the number."""

    def __init__(self, http_status: int, error: str, message: str) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.error = error


class Api:
    """The calls that the commands make. `http` carries base URL and key."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    @staticmethod
    def of(target: Target) -> Api:
        """The API of a deployed stage; a proxy is asked on the way to AWS only."""
        key = target.api_key()
        return Api(
            httpx.Client(
                base_url=target.api,
                headers={"x-api-key": key} if key else {},
                timeout=60,
                trust_env=not target.local,
            )
        )

    def datasets(self) -> list[DatasetStatus]:
        """All datasets."""
        return [DatasetStatus.parse(body) for body in self._get("/datasets")["datasets"]]

    def dataset(self, name: str) -> DatasetStatus | None:
        """One dataset; None when nothing was dropped under this name yet."""
        body = self._get_or_none(f"/datasets/{_quoted(name)}")
        return DatasetStatus.parse(body) if body else None

    def retrain(self, name: str, *, by: str) -> DatasetStatus:
        """Ask for the present data to be trained once more; the status. Raises ApiError."""
        body = self._http.post(f"/datasets/{_quoted(name)}/retrain", json={"by": by})
        return DatasetStatus.parse(self._parsed(body))

    def rollback(self, name: str, to: str | None, *, reason: str, by: str) -> DatasetStatus:
        """Ask for an earlier model (None: the one before) to be live; the status. Raises
        ApiError."""
        wish = {"to": to, "reason": reason, "by": by}
        return DatasetStatus.parse(
            self._parsed(self._http.post(f"/datasets/{_quoted(name)}/rollback", json=wish))
        )

    def history(self, name: str, after: str | None = None) -> dict[str, Any]:
        """What became of a dataset's versions, the newest first; `after`: of older ones than that.

        Raises ApiError.
        """
        asked = {} if after is None else {"after": after}
        return self._parsed(self._http.get(f"/datasets/{_quoted(name)}/history", params=asked))

    def version(self, name: str, version: str) -> dict[str, Any]:
        """All about one version, named by its beginning or by a training job. Raises ApiError."""
        return self._get(f"/datasets/{_quoted(name)}/history/{_quoted(version)}")

    def decide(
        self, name: str, verb: str, *, version: str | None, reason: str, by: str
    ) -> DatasetStatus:
        """`verb` is approve or reject: a person's word on a model (None: the one that waits), or
        on what a training costs; the status. Raises ApiError."""
        wish = {"version": version, "reason": reason, "by": by}
        body = self._http.post(f"/datasets/{_quoted(name)}/{verb}", json=wish)
        return DatasetStatus.parse(self._parsed(body))

    def batch(self, name: str) -> BatchStatus | None:
        """One batch; None when nothing was uploaded under this name yet."""
        body = self._get_or_none(f"/batches/{_quoted(name)}")
        return BatchStatus.parse(body) if body else None

    def predict(self, body: bytes, content_type: str, dataset: str | None = None) -> dict[str, Any]:
        """What the model says of an image, or of rows of them; raises ApiError."""
        path = f"/datasets/{_quoted(dataset)}/predict" if dataset else "/predict"
        return self._parsed(
            self._http.post(path, content=body, headers={"Content-Type": content_type})
        )

    def _get(self, path: str) -> dict[str, Any]:
        return self._parsed(self._http.get(path))

    def _get_or_none(self, path: str) -> dict[str, Any] | None:
        try:
            return self._get(path)
        except ApiError as error:
            if error.http_status == NOT_FOUND:
                return None
            raise

    def _parsed(self, response: httpx.Response) -> dict[str, Any]:
        try:
            body = response.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            body = {}
        if response.is_success and body:
            return body
        # Chalice and API Gateway have error shapes of their own
        message = body.get("message") or body.get("Message") or response.text[:300] or "no reason"
        code = str(body.get("error") or body.get("Code") or response.status_code)
        if response.status_code >= 500 or response.is_success:
            message = f"{response.request.url} answered {response.status_code}: {message}"
        raise ApiError(response.status_code, code, tame(str(message)))
