"""Whose champion answers: the dataset asked for, else the setting, else the only one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from chalicelib import names
from chalicelib.errors import DatasetNotChosen, DatasetNotFound, NoModel


class DatasetStatuses(Protocol):
    """What the table knows of datasets, in the HTTP API's shape."""

    def status(self, name: str) -> Mapping[str, Any]:
        """Raises DatasetNotFound."""

    def list(self) -> Sequence[Mapping[str, Any]]:
        """All of them, by name."""


@dataclass(frozen=True)
class Champion:
    """The model that is live for a dataset, and the endpoint that answers as it."""

    dataset: str
    training_job: str
    version: str
    endpoint: str


class Choice:
    """`default` is the setting, empty where there is none."""

    def __init__(self, datasets: DatasetStatuses, default: str) -> None:
        self._datasets = datasets
        self._default = default

    def champion(self, dataset: str | None) -> Champion:
        """Raises NameRefused, DatasetNotFound, NoModel, DatasetNotChosen."""
        if dataset is not None:
            return self._of(names.check_name(names.Owner.DATASET, dataset))
        if self._default:
            try:
                return self._of(self._default)
            except DatasetNotFound as error:
                raise NoModel(f"The default dataset has no model yet: {error}") from error
        return self._only_one()

    def _of(self, dataset: str) -> Champion:
        try:
            status = self._datasets.status(dataset)
        except DatasetNotFound as error:
            known = ", ".join(str(s["dataset"]) for s in self._datasets.list()) or "none yet"
            raise DatasetNotFound(
                f"There is no dataset {dataset!r} (there are: {known}). "
                f"{how_to_get_a_model(dataset)}"
            ) from error
        champion = _champion(status)
        if champion is None:
            raise NoModel(
                f"Dataset {dataset} has no model yet. It is in phase {status['phase']}: "
                f"{status['message']} {how_to_get_a_model(dataset)}"
            )
        return champion

    def _only_one(self) -> Champion:
        statuses = self._datasets.list()
        champions = [champion for champion in map(_champion, statuses) if champion is not None]
        if len(champions) == 1:
            return champions[0]
        if champions:
            choices = tuple(champion.dataset for champion in champions)
            raise DatasetNotChosen(
                "Several datasets have a model, say which: "
                + ", ".join(f"POST /datasets/{choice}/predict" for choice in choices),
                choices,
            )
        if not statuses:
            raise NoModel(f"There is no model yet. {how_to_get_a_model('<name>')}")
        under_way = " ".join(f"{s['dataset']} ({s['phase']}): {s['message']}" for s in statuses)
        raise NoModel(
            f"No dataset has a model yet. {under_way} "
            f"{how_to_get_a_model(str(statuses[0]['dataset']))}"
        )


def how_to_get_a_model(dataset: str) -> str:
    """The sentence that ends every answer about a model that is not there."""
    return (
        f"To train one, put CSVs (label, then pixel values 0-255) under datasets/{dataset}/ in the "
        f"data bucket and then an empty datasets/{dataset}/_READY; GET /datasets/{dataset} shows "
        "how far it is."
    )


def _champion(status: Mapping[str, Any]) -> Champion | None:
    raw = status["champion"]
    if raw is None:
        return None
    return Champion(
        str(status["dataset"]),
        str(raw["training_job"]),
        str(raw["version"]),
        str(status["endpoint"]),
    )
