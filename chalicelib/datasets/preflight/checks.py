"""What must hold of a dataset as a whole, once each of its files has been looked at."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise

from chalicelib.datasets.preflight.csvfound import CsvFile
from chalicelib.datasets.preflight.csvlabels import is_integer
from chalicelib.datasets.preflight.problem import SHOWN_NAMES, Problem, some
from chalicelib.datasets.settings.settings_file import (
    LARGEST_SIDE,
    SETTINGS_FILE,
    SMALLEST_SIDE,
    DatasetSettings,
    Shape,
)

Place = tuple[str, int | None, int | None]  # file, line, column
ENOUGH_HELD_OUT = 200  # rows; with fewer, the gate asks a person
SPLIT_SHARE = 5  # without rows that are held out, every fifth is
# Of a class with a single row either nothing is learned or nothing is judged; from five on, some
# are sure to be on each side of a split (training_job/…/data/split.py).
FEWEST, HANDFUL = 2, 5
MOST_LIKELY_NUMBERED = 10  # rows, from which on it is no chance that all labels differ


@dataclass
class Found:
    """Labels of a dataset: `counts[role][label]` rows or images, and where each is seen first."""

    things: str  # "row" or "image"
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    places: dict[tuple[str, str], Place] = field(default_factory=dict)

    def add(self, role: str, label: str, count: int, place: Place) -> None:
        of_role = self.counts.setdefault(role, {})
        of_role[label] = of_role.get(label, 0) + count
        self.places.setdefault((role, label), place)

    def of(self, role: str) -> Mapping[str, int]:
        return self.counts.get(role, {})

    def total(self, role: str) -> int:
        return sum(self.of(role).values())


@dataclass(frozen=True)
class Classes:
    """`labels[i]` is how class `i` is written, `classes[i]` its name."""

    labels: tuple[str, ...]
    classes: tuple[str, ...]
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


def image_shape(pixels: int) -> Shape | None:
    """The square grey or RGB image with so many values, of 8 to 256 pixels a side; else None."""
    for channels in (1, 3):
        side = math.isqrt(pixels // channels)
        if side * side * channels == pixels and SMALLEST_SIDE <= side <= LARGEST_SIDE:
            return Shape(side, side, channels)
    return None


def sorted_labels(labels: Iterable[str]) -> list[str]:
    """Numerically when all are whole numbers, else as text."""
    names = list(labels)
    if all(is_integer(name) for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)


def check_rows(
    files: Sequence[CsvFile], settings: DatasetSettings
) -> tuple[Shape | None, tuple[int, int], list[Problem], list[str]]:
    """What is wrong between CSVs that are fine each by itself; all are held against the first.

    Gives the images' shape, the range in which values are written, problems and notes.
    """
    first = files[0]
    problems = [
        Problem(file.name, _other_length(file, first))
        for file in files[1:]
        if file.pixels != first.pixels
    ]
    notes = []
    shape, shape_problem = _shape_of(first, settings)
    if shape_problem is not None:
        problems.append(shape_problem)
    scales = {file.scale: file for file in files}
    if 1 in scales and 255 in scales:
        problems.append(
            Problem(
                scales[1].name,
                "its values are numbers from 0 to 1, those of "
                f"{scales[255].name} whole numbers to 255: write all in one way",
            )
        )
    elif set(scales) == {None} and any(file.varied for file in files):
        notes.append("every value is 0 or 1: they are taken as black and white")
    elif 255 in scales:
        notes += [
            f"{file.name}: every value is 0 or 1, where those of {scales[255].name} go up to 255: "
            "they are taken as black and nearly black"
            for file in files
            if file.scale is None and file.varied
        ]
    return shape, (0, 255) if 255 in scales else (0, 1), problems, notes


def _other_length(file: CsvFile, first: CsvFile) -> str:
    reason = f"its rows have {file.pixels} pixels, those of {first.name} have {first.pixels}"
    if first.pixels is not None and file.pixels == first.pixels - 1:
        reason += (
            ". Have they no labels? Then nothing can be learned or judged by them: leave it out"
        )
    return reason


def all_alike(files: Sequence[CsvFile]) -> Problem | None:
    """Do all rows have the same values?"""
    if any(file.varied for file in files) or len({file.first for file in files}) > 1:
        return None
    rows = sum(file.rows for file in files)
    reason = f"all {rows:,} rows have the same values: there is nothing to tell them apart by"
    return Problem("", reason)


def _shape_of(first: CsvFile, settings: DatasetSettings) -> tuple[Shape | None, Problem | None]:
    pixels, asked = first.pixels or 0, settings.shape
    if asked is not None:
        if asked.values == pixels:
            return asked, None
        reason = (
            f"shape {asked.height} x {asked.width} x {asked.channels} has {asked.values:,} "
            f"values, the rows of {first.name} have {pixels:,}"
        )
        return None, Problem(SETTINGS_FILE, reason)
    shape = image_shape(pixels)
    if shape is not None:
        return shape, None
    reason = (
        f"{pixels} pixels a row make no square image: 784 are 28 x 28 grey, "
        f"3072 are 32 x 32 RGB; sides of {SMALLEST_SIDE} to {LARGEST_SIDE} are taken. "
        f"For another, say so in {SETTINGS_FILE}: "
        '{"shape": {"height": …, "width": …, "channels": 1}}'
    )
    return None, Problem(first.name, reason)


def check_classes(found: Found, settings: DatasetSettings) -> Classes:
    """Labels and classes in order, and what is wrong with them."""
    train = found.of("train")
    labels = sorted_labels(train)
    if not labels:
        reason = (
            "no file to train with: every path has the word test or validation in it, "
            "which marks what is held out"
        )
        return Classes((), (), (Problem("", reason),))
    problems = [*_label_problems(found, labels)]
    classes: Sequence[str] = labels
    if settings.classes is not None:
        named = _named(found, labels, settings.classes)
        labels, classes = list(named.labels), named.classes
        problems += named.problems
    if not problems:
        problems += _too_few(found, labels)
    notes = [] if problems else [*_gaps(labels, settings.classes), *_few(found, labels)]
    return Classes(tuple(labels), tuple(classes), tuple(problems), tuple(notes))


def _label_problems(found: Found, labels: Sequence[str]) -> Iterable[Problem]:
    if len(labels) == 1:
        yield Problem(
            "", f"there is one class only, {labels[0]!r}: a model tells two or more apart"
        )
    if found.things == "row" and len({is_integer(label) for label in labels}) > 1:
        yield Problem("", "some files have numbers as labels, others have words")
    elif all(is_integer(label) for label in labels):
        numbers: dict[int, str] = {}
        for label in labels:
            if (other := numbers.setdefault(int(label), label)) != label:
                file = found.places["train", label][0]
                yield Problem(file, f"labels {other!r} and {label!r} are mixed")
    known = set(labels)
    for (role, label), (file, line, column) in found.places.items():
        if role != "train" and label not in known:
            count = found.of(role)[label]
            also = f" ({count:,} {found.things}s have it)" if count > 1 else ""
            reason = f"label {label!r} is in no training {found.things}{also}"
            yield Problem(file, reason, line, column)


def _named(found: Found, labels: Sequence[str], names: Sequence[str]) -> Classes:
    """The labels under the names that dataset.json gives.

    Words that are among the names are names themselves, and the list says their order; anything
    else is named in label order.
    """
    known = set(names)
    if not all(map(is_integer, labels)) and known & set(labels):
        problems = [
            Problem(file, f"label {label!r} is none of the classes in {SETTINGS_FILE}", *place)
            for label in labels
            if label not in known
            for file, *place in [found.places["train", label]]
        ]
        if missing := [name for name in names if name not in labels]:
            reason = (
                f"classes has {some(list(map(repr, missing)))}, which no training {found.things} is"
            )
            problems.append(Problem(SETTINGS_FILE, reason))
        return Classes(tuple(names), tuple(names), tuple(problems))
    if len(names) == len(labels):
        return Classes(tuple(labels), tuple(names))
    reason = (
        f"classes has {len(names)} names, the training {found.things}s have "
        f"{len(labels)} different labels: {some(labels)}"
    )
    absent = [i for i in range(len(names)) if str(i) not in labels]
    if found.things == "row" and set(labels) < set(map(str, range(len(names)))):
        lacking = [f"{i} ({names[i]!r})" for i in absent]
        reason += f". No training row has label {some(lacking)}"
    problems = [Problem(SETTINGS_FILE, reason)]
    beyond = [label for label in labels if is_integer(label) and int(label) >= len(names)]
    if beyond:
        file, line, column = found.places["train", beyond[0]]
        reason = f"label {beyond[0]!r} is unknown to the {len(names)} classes in {SETTINGS_FILE}"
        problems.append(Problem(file, reason, line, column))
    return Classes(tuple(labels), tuple(names), tuple(problems))


def _too_few(found: Found, labels: Sequence[str]) -> Iterable[Problem]:
    """Classes that cannot be learned and judged."""
    train = found.of("train")
    single = [label for label in labels if train[label] < FEWEST]
    if len(single) == len(labels) and len(labels) >= MOST_LIKELY_NUMBERED:
        file, line, column = found.places["train", labels[0]]
        where = "the first column" if column == 1 else f"column {column}"
        of_rows = f"{where} is taken for the labels. Does it number or name the rows?"
        of_images = "the folders say the classes: put each class' images into one folder"
        yield Problem(
            file,
            f"every {found.things} has a label of its own ({some(labels)}): "
            f"{of_rows if found.things == 'row' else of_images}",
            line,
            column,
        )
        return
    slip = (
        f" (a slip in a label? list the classes in {SETTINGS_FILE}, and rows of others can be set "
        "aside)"
    )
    for label in single:
        file, line, column = found.places["train", label]
        yield Problem(
            file,
            f"class {label!r} has a single {found.things} to train with: {FEWEST} are needed at "
            "least, one to learn from and one to judge or choose by"
            f"{slip if found.things == 'row' else ''}",
            line,
            column,
        )


def _gaps(labels: Sequence[str], classes: Sequence[str] | None) -> Iterable[str]:
    """How whole numbers with gaps between them are taken."""
    if not all(map(is_integer, labels)):
        return
    numbers = list(map(int, labels))
    between = (n for low, high in pairwise(numbers) for n in range(low + 1, high))
    missing = list(map(str, islice(between, SHOWN_NAMES + 1)))
    if not missing:
        return
    told = f"labels go from {labels[0]} to {labels[-1]} without {some(missing)}"
    if classes is None:
        yield (
            f"{told}: is a class missing? Without it the classes are the {len(labels)} that are "
            f"there, in their order, called {some(list(labels))}"
        )
    else:
        named = [f"{label} is {name!r}" for label, name in zip(labels, classes, strict=False)]
        yield f"{told}: they are named in their order, {some(named)}"


def _few(found: Found, labels: Sequence[str]) -> list[str]:
    """Notes on what can be trained, but not well judged."""
    train, test = found.of("train"), found.of("test")
    notes = []
    if few := [label for label in labels if train[label] < HANDFUL]:
        classes = "classes have" if len(few) > 1 else "class has"
        notes.append(
            f"{len(few)} {classes} fewer than {HANDFUL} {found.things}s to train with, too few to "
            f"learn from and to be sure that some choose: {some(few)}"
        )
    if test and (unjudged := [label for label in labels if label not in test]):
        notes.append(f"no held-out {found.things} of: {some(unjudged)}")
    heldout = found.total("test") or found.total("train") // SPLIT_SHARE
    if heldout < ENOUGH_HELD_OUT:
        about = "" if test else "about "
        notes.append(
            f"{about}{heldout} {found.things}s are held out: with fewer than {ENOUGH_HELD_OUT}, "
            "a person has to approve the model before it goes live"
        )
    folded: dict[str, str] = {}
    for label in labels:
        if (other := folded.setdefault(label.casefold(), label)) != label:
            notes.append(f"classes {other!r} and {label!r} differ in capitals only")
    return notes
