"""CSV rows (a label, then pixel values 0-255 row by row) into arrays.

polars reads CSV several times faster than pandas and goes straight to one byte a pixel.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np
import polars as pl

from pigeonhole_training.data.rows import Labels, Origins, Pixels, Pool
from pigeonhole_training.data.version import DatasetVersion, Shape, SourceFile
from pigeonhole_training.errors import BadData, DataChanged


def read_rows(files: Sequence[SourceFile], folder: Path, version: DatasetVersion) -> Pool:
    """Reads all of `files` below `folder`, in their order.

    Raises BadData with file and reason when a file is not rows of `version.shape`, or has a label
    that `version` does not list; DataChanged when it has another number of rows than promised.
    """
    shape = version.shape
    parts = [_read_file(file, folder, version) for file in files]
    empty = np.empty((0, shape.height, shape.width, shape.channels), np.uint8)
    counts = [len(labels) for _, labels in parts]
    origins = Origins(
        tuple(file.path for file in files),
        np.repeat(np.arange(len(parts), dtype=np.int32), counts),
        np.concatenate([np.arange(1, count + 1, dtype=np.int64) for count in [0, *counts]]),
    )
    return Pool.of(
        np.concatenate([empty, *(pixels for pixels, _ in parts)]),
        np.concatenate([np.empty(0, np.int32), *(labels for _, labels in parts)]),
        origins,
    )


def _read_file(file: SourceFile, folder: Path, version: DatasetVersion) -> tuple[Pixels, Labels]:
    frames = [_read_frame(stream, file, version.shape) for stream in _streams(folder / file.path)]
    frame = pl.concat(frames)
    if file.rows is not None and frame.height != file.rows:
        raise DataChanged(f"{file.path} has {frame.height} rows instead of {file.rows}")
    return _pixels(frame, version.shape), _labels(frame, file, version)


def _streams(path: Path) -> Iterator[IO[bytes] | Path]:
    """The CSVs in one file: itself (polars unpacks .gz), or each CSV in a .zip by name."""
    if path.suffix.lower() != ".zip":
        yield path
        return
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise BadData(f"{path.name} is not a zip archive: {error}") from error
    with archive:
        names = sorted(n for n in archive.namelist() if _is_csv_member(n))
        if not names:
            raise BadData(f"{path.name} holds no .csv file")
        for name in names:
            with archive.open(name) as stream:
                yield stream


def _is_csv_member(name: str) -> bool:
    # macOS adds a "__MACOSX/._x.csv" beside every file that it zips; it is no CSV.
    return name.lower().endswith(".csv") and not name.startswith("__MACOSX/")


def _read_frame(source: IO[bytes] | Path, file: SourceFile, shape: Shape) -> pl.DataFrame:
    schema: dict[str, type[pl.DataType]] = {"label": pl.String}
    schema.update((f"pixel{i + 1}", pl.UInt8) for i in range(shape.values))
    try:
        frame = pl.read_csv(
            source, has_header=False, skip_lines=1 if file.header else 0, schema=schema
        )
    except pl.exceptions.PolarsError as error:
        # polars goes on with advice about its own options, which the reader cannot use
        reason = str(error).split("\n", 1)[0]
        raise BadData(
            f"{file.path} is not rows of a label and {shape.values} values 0-255 each: {reason}"
        ) from error
    empty = frame.select(pl.all_horizontal(pl.all().is_null())).to_series()
    if empty.any():  # blank lines
        frame = frame.filter(~empty)
    gaps = sum(frame.null_count().row(0)) if frame.height else 0
    if gaps:
        raise BadData(f"{file.path} has {gaps} empty fields")
    return frame


def _pixels(frame: pl.DataFrame, shape: Shape) -> Pixels:
    values = frame.select(pl.exclude("label")).to_numpy(order="c")
    return values.reshape(-1, shape.height, shape.width, shape.channels)


def _labels(frame: pl.DataFrame, file: SourceFile, version: DatasetVersion) -> Labels:
    written = frame["label"].str.strip_chars()
    index = written.replace_strict(
        list(version.labels),
        list(range(len(version.labels))),
        default=None,
        return_dtype=pl.Int32,
    )
    unknown = written.filter(index.is_null())
    if len(unknown):
        raise BadData(f"{file.path} has the label {unknown[0]!r}, which version.json does not list")
    return index.to_numpy().astype(np.int32)
