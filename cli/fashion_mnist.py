"""Fashion-MNIST as the CSVs that Pigeonhole takes: all of it, or the sample in docs/examples.

    python -m cli.fashion_mnist full [FOLDER]     both CSVs, 60,000 and 10,000 rows
    python -m cli.fashion_mnist sample [FOLDER]   rebuilds docs/examples/fashion-mnist's CSVs

The images come from Debian's package `dataset-fashion-mnist` where it is installed, else from the
dataset's public home; either way their SHA-256 is checked. The CSVs are laid out as on Kaggle: a
header `label,pixel1,…,pixel784`, then a row an image.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import sys
import tempfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
TRAIN_CSV, TEST_CSV = "fashion-mnist_train.csv", "fashion-mnist_test.csv"
SAMPLE_FOLDER = Path(__file__).resolve().parent.parent / "docs" / "examples" / "fashion-mnist"
SAMPLE_TRAIN_ROWS, SAMPLE_TEST_ROWS = 4000, 1000
PIXELS = 28 * 28
# of the unpacked files: Debian's package holds the same bytes, packed anew
SHA256 = {
    "train-images-idx3": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}

Progress = Callable[[str, float], None]
"""Called with what is being done and the share done, 0 to 1."""


class DatasetUnavailable(Exception):
    """Fashion-MNIST could not be found or downloaded; the text says what to do."""


@dataclass(frozen=True)
class Sources:
    """Where the dataset's files are looked for: a folder first, then addresses."""

    folder: Path = Path("/usr/share/datasets/fashion-mnist")
    homes: tuple[str, ...] = (
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    )


PUBLIC = Sources()


@dataclass(frozen=True)
class Images:
    """`pixels` has 784 bytes an image, `labels` one."""

    pixels: bytes
    labels: bytes

    def __len__(self) -> int:
        return len(self.labels)

    def csv_line(self, index: int) -> str:
        """`label,pixel,…` and a line feed."""
        start = index * PIXELS
        values = [_TEXT[value] for value in self.pixels[start : start + PIXELS]]
        return f"{_TEXT[self.labels[index]]},{','.join(values)}\n"


_TEXT = [str(value) for value in range(256)]
_HEADER = "label," + ",".join(f"pixel{i + 1}" for i in range(PIXELS)) + "\n"


def full_csvs(
    folder: Path, progress: Progress | None = None, sources: Sources = PUBLIC
) -> tuple[Path, Path]:
    """The train CSV and the test CSV below `folder`, made if they are not there yet.

    Each appears whole or not at all, so that what is there can be used again. Raises
    DatasetUnavailable.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = (folder / TRAIN_CSV, folder / TEST_CSV)
    for path, part in zip(paths, ("train", "t10k"), strict=True):
        if not path.exists():
            _write_csv(path, load_images(part, folder, progress, sources), progress)
    return paths


def write_sample(
    folder: Path, progress: Progress | None = None, sources: Sources = PUBLIC
) -> tuple[Path, Path]:
    """The balanced sample: the first 400 training and 100 test images of each class, in order."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = (
        (folder / f"{TRAIN_CSV}.gz", "train", SAMPLE_TRAIN_ROWS),
        (folder / f"{TEST_CSV}.gz", "t10k", SAMPLE_TEST_ROWS),
    )
    with tempfile.TemporaryDirectory() as cache:
        for path, part, rows in wanted:
            images = load_images(part, Path(cache), progress, sources)
            _report(progress, f"Writing {path.name}", 0)
            lines = [_HEADER, *map(images.csv_line, first_of_each(images.labels, rows))]
            with _whole(path) as out:
                out.write(_gzip("".join(lines).encode("ascii")))
            _report(progress, f"Writing {path.name}", 1)
    return wanted[0][0], wanted[1][0]


def first_of_each(labels: bytes, rows: int) -> list[int]:
    """The first `rows` indices, in order, with equally many of each class."""
    left = dict.fromkeys(range(len(CLASSES)), rows // len(CLASSES))
    chosen = []
    for index, label in enumerate(labels):
        if left[label]:
            left[label] -= 1
            chosen.append(index)
    return chosen


def load_images(
    part: str, cache: Path, progress: Progress | None = None, sources: Sources = PUBLIC
) -> Images:
    """`part` is `train` or `t10k`. Downloads are kept in `cache`. Raises DatasetUnavailable."""
    pixels = _idx(f"{part}-images-idx3-ubyte.gz", cache, progress, sources)
    labels = _idx(f"{part}-labels-idx1-ubyte.gz", cache, progress, sources)
    # IDX: 4 bytes type and rank, then 4 bytes a dimension; the check sum vouches for the values
    return Images(pixels[16:], labels[8:])


def _idx(name: str, cache: Path, progress: Progress | None, sources: Sources) -> bytes:
    for folder in (sources.folder, cache):
        if (folder / name).is_file():
            content = _unpacked(name, (folder / name).read_bytes())
            if content is not None:
                return content
    reasons = []
    for home in sources.homes:
        try:
            packed = _download(home + name, progress)
        except (urllib.error.URLError, OSError) as error:
            reasons.append(f"{home}: {error}")
            continue
        content = _unpacked(name, packed)
        if content is None:
            reasons.append(f"{home}: {name} has another SHA-256 than it should")
            continue
        with _whole(cache / name) as out:
            out.write(packed)
        return content
    raise DatasetUnavailable(
        f"Fashion-MNIST is not in {sources.folder} (Debian and Ubuntu: apt install "
        f"dataset-fashion-mnist) and could not be downloaded: {'; '.join(reasons)}"
    )


def _unpacked(name: str, packed: bytes) -> bytes | None:
    """The content, or None when it is not the dataset's."""
    try:
        content = gzip.decompress(packed)
    except (OSError, EOFError, zlib.error):
        return None
    return (
        content
        if hashlib.sha256(content).hexdigest() == SHA256[name.removesuffix("-ubyte.gz")]
        else None
    )


def _download(url: str, progress: Progress | None) -> bytes:
    what = f"Downloading {url.rsplit('/', 1)[-1]}"
    with urllib.request.urlopen(url, timeout=30) as response:
        size = int(response.headers.get("Content-Length") or 0)
        parts = bytearray()
        while piece := response.read(1 << 18):
            parts += piece
            _report(progress, what, len(parts) / size if size else 0)
    return bytes(parts)


def _write_csv(path: Path, images: Images, progress: Progress | None) -> None:
    step = 1000
    with _whole(path) as out:
        out.write(_HEADER.encode("ascii"))
        for start in range(0, len(images), step):
            rows = range(start, min(start + step, len(images)))
            out.write("".join(map(images.csv_line, rows)).encode("ascii"))
            _report(progress, f"Writing {path.name}", rows.stop / len(images))


def _gzip(content: bytes) -> bytes:
    """The same bytes for the same content: no time, no file name."""
    return gzip.compress(content, compresslevel=9, mtime=0)


@contextmanager
def _whole(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears under its name only once it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as out:
            yield out
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _report(progress: Progress | None, what: str, share: float) -> None:
    if progress is not None:
        progress(what, share)


def main(arguments: Sequence[str]) -> int:
    """The two commands above."""
    makers = {
        "full": (full_csvs, Path(".local/data/fashion-mnist")),
        "sample": (write_sample, SAMPLE_FOLDER),
    }
    if not arguments or arguments[0] not in makers or len(arguments) > 2:
        print(__doc__, file=sys.stderr)
        return 2
    make, folder = makers[arguments[0]]
    try:
        paths = make(Path(arguments[1]) if len(arguments) > 1 else folder, _print_progress)
    except DatasetUnavailable as error:
        print(error, file=sys.stderr)
        return 1
    for path in paths:
        print(f"{path} ({path.stat().st_size:,} bytes)")
    return 0


def _print_progress(what: str, share: float) -> None:
    end = "\n" if share >= 1 else "\r"
    print(f"{what}: {share:4.0%}", end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
