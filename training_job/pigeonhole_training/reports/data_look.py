"""Everything that the data report looks at, looked at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pigeonhole_training.reports import data_numbers as numbers
from pigeonhole_training.reports import oddities
from pigeonhole_training.reports.findings import Findings
from pigeonhole_training.reports.sides import Sides, validation_is_training


@dataclass(frozen=True)
class Suspect:
    """A row whose label is likely wrong. `number` is that of `Sides`; `margin` None where the
    neighbours doubt it, not the model."""

    number: int
    suggested: int
    margin: float | None


@dataclass(frozen=True)
class DataLook:
    """The data in numbers; `pixels` by side. `suspects`: the model's first, the likeliest first."""

    sides: Sides
    balance: numbers.Balance
    pixels: dict[str, numbers.PixelStatistics]
    same: numbers.Duplicates
    near: oddities.Neighbourhood
    suspects: tuple[Suspect, ...]


def look(findings: Findings) -> DataLook:
    """Seconds, most of them for the neighbours."""
    sides = Sides.of(findings.split)
    near = oddities.neighbourhood(sides)
    return DataLook(
        sides=sides,
        balance=numbers.balance(sides, len(findings.classes)),
        pixels={
            name: numbers.pixel_statistics(rows)
            for name, rows in zip(sides.names, sides.rows, strict=True)
        },
        same=numbers.duplicates(sides),
        near=near,
        suspects=_suspects(findings, near),
    )


def _suspects(findings: Findings, near: oddities.Neighbourhood) -> tuple[Suspect, ...]:
    """The model's doubts about rows that it was not fitted on, then the neighbours' of others."""
    split = findings.split
    first = len(split.training)
    if validation_is_training(split):
        probabilities, labels = findings.heldout, split.heldout.labels
    else:
        probabilities = np.concatenate([findings.validation, findings.heldout])
        labels = np.concatenate([split.validation.labels, split.heldout.labels])
    found = oddities.label_errors(probabilities, labels)
    by_model = [
        Suspect(first + int(row), int(other), float(margin))
        for row, other, margin in zip(found.rows, found.suggested, found.margin, strict=True)
    ]
    by_neighbours = [
        Suspect(int(number), int(other), None)
        for number, other in zip(near.doubted, near.suggested, strict=True)
    ]
    return (*by_model, *by_neighbours)
