"""Reading a dataset version: the one entry, whatever its files are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pigeonhole_training.data.csv_rows import read_rows
from pigeonhole_training.data.image_rows import read_pictures
from pigeonhole_training.data.memory import pixel_budget
from pigeonhole_training.data.rows import Pool
from pigeonhole_training.data.set_aside import set_aside_notes
from pigeonhole_training.data.version import DatasetVersion, Shape


@dataclass(frozen=True)
class Dataset:
    """Every row that could be read, by role; `test` and `validation` may have none.

    `shape` is that of every image. `framed`: some pictures had to be cut or scaled to it. `notes`
    are sentences for people about what was left out on the way.
    """

    train: Pool
    test: Pool
    validation: Pool
    shape: Shape
    framed: bool
    notes: tuple[str, ...]


def read_dataset(
    version: DatasetVersion,
    folder: Path,
    scratch: Path,
    preset_side: Callable[[], int],
    *,
    budget: int | None = None,
    check: Callable[[], None] = lambda: None,
) -> Dataset:
    """Reads every file of `version` below `folder` into pools.

    Pixels of more than `budget` bytes (default: a quarter of the memory) lie in files in `scratch`,
    which must live as long as the pools do; the memory taken besides does not grow with them.
    `preset_side` gives the side in pixels of pictures that have no shape in common. `check` is
    called now and then; what it raises ends the reading.

    Raises BadData with a reason for people when the data cannot be read, DataChanged when it is not
    what was promised.
    """
    budget = pixel_budget() if budget is None else budget
    if version.kind == "images":
        found = read_pictures(
            version, folder, scratch, preset_side=preset_side, budget=budget, check=check
        )
        return Dataset(
            train=found.pools["train"],
            test=found.pools["test"],
            validation=found.pools["validation"],
            shape=found.shape,
            framed=found.framed,
            notes=found.notes,
        )
    promised = sum((file.rows or 0) - len(file.set_aside) for file in version.files)
    on_disk = scratch if promised * version.shape.values > budget else None

    def pool(role: str) -> Pool:
        return read_rows(version.of_role(role), folder, version, on_disk, check)

    return Dataset(
        train=pool("train"),
        test=pool("test"),
        validation=pool("validation"),
        shape=version.shape,
        framed=False,
        notes=tuple(set_aside_notes(version.files)),
    )
