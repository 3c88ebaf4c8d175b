"""Odd file names, and a batch's results as a person reads them."""

from __future__ import annotations

import csv
import io

from tests.unit.batches.fakes import World

ODD = (
    "a b.png",
    "plus+sign.png",
    "ünï/çödé 鳩.png",
    'quo"te, comma.png',
    "<b>&amp;.png",
    "line\nbreak.png",
    "notes.txt",
    "sub/_READY",
)


def files(text: str) -> list[str]:
    return [row["file"] for row in csv.DictReader(io.StringIO(text, newline=""))]


def everything(world: World, batch: str) -> list[str]:
    return sorted(
        files(world.result(batch, "predictions.csv")) + files(world.result(batch, "rejected.csv"))
    )
