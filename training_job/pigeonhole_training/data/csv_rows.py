"""CSV rows (a label and the pixel values, line by line of the image) into a pool.

A file is taken in blocks of whole lines: unpacked in one thread, parsed in as many as there are
processors, put into the pool here. A few blocks are held at a time, whatever the file's size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from pigeonhole_training.data.ahead import ahead, mapped
from pigeonhole_training.data.csv_block import BlockParser
from pigeonhole_training.data.csv_fields import RowTrouble
from pigeonhole_training.data.csv_text import read_blocks
from pigeonhole_training.data.pool import PoolBuilder
from pigeonhole_training.data.rows import Labels, Pixels, Pool, Positions
from pigeonhole_training.data.set_aside import Block, without
from pigeonhole_training.data.version import DatasetVersion, SourceFile
from pigeonhole_training.errors import BadData, DataChanged


def read_rows(
    files: Sequence[SourceFile],
    folder: Path,
    version: DatasetVersion,
    scratch: Path | None = None,
    check: Callable[[], None] = lambda: None,
) -> Pool:
    """Reads all of `files` below `folder`, in their order; on disk in `scratch` if that is given.

    `check` is called after each block; what it raises ends the reading. Raises BadData with file,
    row and reason when a file is not rows of `version.shape`, or has a label that `version` does
    not list; DataChanged when it has another number of rows than promised. Rows that were set aside
    are skipped, and are nothing to complain of.
    """
    most = [_most_rows(file, folder) for file in files]
    with PoolBuilder(sum(most), version.shape, scratch) as pool:
        for index, (file, rows) in enumerate(zip(files, most, strict=True)):
            done = 0
            blocks = without(ahead(read_blocks(file, folder)), file.set_aside)
            try:
                for pixels, labels, numbers in mapped(_parsing(file, version), blocks):
                    check()
                    if done + len(labels) > rows:
                        raise DataChanged(f"{file.name} has more rows than the {rows} promised")
                    lines = np.arange(done, done + len(labels)) + 1
                    if numbers is not None:
                        lines = numbers[: len(labels)]  # of empty lines at the end come no rows
                    pool.add(pixels, labels, index, lines)
                    done += len(labels)
            except RowTrouble as trouble:
                row = trouble.row if file.set_aside else done + trouble.row
                raise BadData(f"{file.name}, row {row}{trouble.text}") from None
            if file.rows is not None and done != rows:
                raise DataChanged(
                    f"{file.name} has {done + len(file.set_aside)} rows instead of {file.rows}"
                )
        return pool.finish(tuple(file.name for file in files))


def _parsing(
    file: SourceFile, version: DatasetVersion
) -> Callable[[Block], tuple[Pixels, Labels, Positions | None]]:
    parser = BlockParser(file, version)

    def parse(block: Block) -> tuple[Pixels, Labels, Positions | None]:
        try:
            return *parser.parse(block.text), block.numbers
        except RowTrouble as trouble:
            if block.numbers is None:
                raise
            raise RowTrouble(int(block.numbers[trouble.row - 1]), trouble.text) from None

    return parse


def _most_rows(file: SourceFile, folder: Path) -> int:
    """How many rows the file must have; where nobody counted them, at most so many."""
    if file.rows is not None:
        return file.rows - len(file.set_aside)
    return sum(block.count(b"\n") for block in read_blocks(file, folder))
