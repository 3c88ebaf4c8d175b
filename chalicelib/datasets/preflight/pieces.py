"""The check of a large version, cut in pieces that functions read side by side.

    pieces/<dataset>/<version>/<check>/plan.json       what each piece has to read
    pieces/<dataset>/<version>/<check>/pieces.json     how many there are; written when planned
    pieces/<dataset>/<version>/<check>/NNNNN.json      what came of one: it is done

What is done follows from these alone: a piece read twice is written twice, the same.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from chalicelib import names
from chalicelib.aws.storage import Storage
from chalicelib.datasets.preflight.csvfound import LINES_OF_A_LABEL, MOST_BAD, BadRow, CsvFile
from chalicelib.datasets.preflight.problem import Problem
from chalicelib.datasets.preflight.units import Read, Unit

Piece = Sequence[Unit]


@dataclass(frozen=True)
class Progress:
    """`count` pieces, of which those of `missing` are not done; `cost` of the largest."""

    count: int
    missing: tuple[int, ...]
    cost: int


def cut(units: Sequence[Unit], size: int) -> list[list[Unit]]:
    """Pieces of units that cost about `size` together, the dearest first."""
    pieces: list[list[Unit]] = []
    left = 0
    for unit in sorted(units, key=lambda unit: -unit.cost):
        if unit.cost > left:
            pieces.append([])
            left = size
        pieces[-1].append(unit)
        left -= unit.cost
    return pieces


class Pieces:
    """Of one check."""

    def __init__(self, storage: Storage, dataset: str, version: str, check: int) -> None:
        self._storage = storage
        self._prefix = names.pieces_prefix(dataset, version, check)

    def progress(self) -> Progress | None:
        """None while nothing is planned, as for what is checked in one go."""
        present = {stored.key for stored in self._storage.list(self._prefix)}
        if self._prefix + "pieces.json" not in present:
            return None
        told = self._storage.get_json(self._prefix + "pieces.json")
        count = int(told["pieces"])
        missing = tuple(number for number in range(count) if self._key(number) not in present)
        return Progress(count, missing, int(told["cost"]))

    def plan(self, pieces: Sequence[Piece]) -> None:
        """Note what is to be read."""
        plan = [[asdict(unit) for unit in piece] for piece in pieces]
        cost = max(sum(unit.cost for unit in piece) for piece in pieces)
        self._put("plan.json", plan)
        self._put("pieces.json", {"pieces": len(pieces), "cost": cost})

    def planned(self) -> list[list[Unit]]:
        """Raises ObjectNotFound where nothing is."""
        plan = self._storage.get_json(self._prefix + "plan.json")
        return [[Unit(**unit) for unit in piece] for piece in plan]

    def put(self, number: int, reads: Sequence[Read]) -> None:
        """Note what came of a piece, in the order of its units."""
        self._storage.put_text(
            self._key(number), json.dumps([_read_json(read) for read in reads]), "application/json"
        )

    def get(self, number: int) -> list[Read]:
        """Raises ObjectNotFound while the piece is not done."""
        return [_read(raw) for raw in self._storage.get_json(self._key(number))]

    def results(self, plan: Sequence[Piece]) -> Iterator[tuple[Unit, Read]]:
        """What came of all pieces. Of a file of bad rows those are kept that are looked at: the
        first ones, up to the number at which `merged` stops, so that many pieces fit in memory."""
        bad: Counter[tuple[str, str | None]] = Counter()
        in_order = sorted(range(len(plan)), key=lambda number: _place(plan[number]))
        for number in in_order:
            for unit, read in zip(plan[number], self.get(number), strict=True):
                if read.found is not None:
                    if bad[unit.key, unit.member] >= MOST_BAD:
                        read.found.bad.clear()
                    bad[unit.key, unit.member] += len(read.found.bad)
                yield unit, read

    def _key(self, number: int) -> str:
        return f"{self._prefix}{number:05d}.json"

    def _put(self, name: str, value: Any) -> None:
        self._storage.put_text(self._prefix + name, json.dumps(value), "application/json")


def _place(piece: Piece) -> tuple[str, str, int]:
    """Of its first unit, by which pieces follow each other as in the files."""
    return piece[0].key, piece[0].member or "", piece[0].start


def _read_json(read: Read) -> dict[str, Any]:
    found = None if read.found is None else asdict(read.found)
    if found is not None:
        found["header_line"] = found["header_line"].decode("latin-1")
        found["lines_of"] = {
            label: lines if found["counts"].get(label, 0) <= LINES_OF_A_LABEL else []
            for label, lines in found["lines_of"].items()
        }
    return {
        "version_id": read.version_id,
        "sha256": read.sha256,
        "found": found,
        "not_images": read.not_images,
        "sealed": read.sealed,
    }


def _read(raw: Mapping[str, Any]) -> Read:
    found = raw["found"]
    if found is not None:
        found = CsvFile(
            **found
            | {
                "header_line": found["header_line"].encode("latin-1"),
                "bad": [BadRow(*row) for row in found["bad"]],
                "problems": [Problem(**problem) for problem in found["problems"]],
            }
        )
    not_images = tuple((path, what) for path, what in raw["not_images"])
    return Read(raw["version_id"], raw["sha256"], found, not_images, tuple(raw.get("sealed", ())))
