"""Rows of a CSV that were set aside before the job: they are skipped, and no others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from pigeonhole_training.data.rows import Positions
from pigeonhole_training.data.sentences import counted, some
from pigeonhole_training.data.version import SourceFile


@dataclass(frozen=True)
class Block:
    """Whole lines of a CSV. `numbers` int64 says which of the file's rows they are, from 1; None
    where none of the file's is left out."""

    text: bytes
    numbers: Positions | None = None


def without(blocks: Iterator[bytes], set_aside: Sequence[int]) -> Iterator[Block]:
    """The blocks, without the lines whose 0-based places among all of them are in `set_aside`.

    Where nothing is set aside they pass as they are. Lines are all that a line feed ends, so that
    an empty one, or what some parser would take for two rows, is what the check took it for.
    """
    if not set_aside:
        yield from map(Block, blocks)
        return
    out = np.unique(np.array(set_aside, np.int64))
    done = 0
    for text in blocks:
        count = text.count(b"\n")
        first, behind = np.searchsorted(out, (done, done + count))
        numbers = np.arange(done, done + count) + 1
        if first == behind:
            yield Block(text, numbers)
        elif behind - first < count:
            here = out[first:behind] - done
            yield Block(_without_lines(text, here), np.delete(numbers, here))
        done += count


def _without_lines(text: bytes, places: Positions) -> bytes:
    lines = text.split(b"\n")
    kept = []
    start = 0
    for place in chain(map(int, places), [len(lines)]):
        kept += lines[start:place]
        start = place + 1
    return b"\n".join(kept)


def set_aside_notes(files: Sequence[SourceFile]) -> list[str]:
    """What was skipped, in a sentence for people; none where nothing was."""
    of_files = [
        f"{counted(len(file.set_aside), 'row', 'rows')} of {file.name}"
        for file in files
        if file.set_aside
    ]
    if not of_files:
        return []
    return [f"Left out of all files, as the check before the job found them bad: {some(of_files)}"]
