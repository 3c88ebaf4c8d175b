"""What must hold of a dataset as a whole, once each of its files has been read."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from chalicelib.datasets.csvfile import CsvFile, Problem, is_integer

SETTINGS_FILE = "dataset.json"
SMALLEST_SIDE, LARGEST_SIDE = 8, 256
MOST_HYPERPARAMETERS = 90  # SageMaker takes 100, and the service sets some itself
LONGEST_HYPERPARAMETER = 256  # characters
WHOLE_NUMBERS = {"epochs": (1, 1000), "batch_size": (1, 65536), "seed": (0, 2**32 - 1)}
LARGEST_LEARNING_RATE = 10
_HYPERPARAMETER = re.compile(r"[a-z][a-z0-9_]{0,63}")
RESERVED = ("dataset", "dataset_version", "code_version", "model_dir")


@dataclass(frozen=True)
class Shape:
    """Of every image."""

    height: int
    width: int
    channels: int


@dataclass(frozen=True)
class DatasetSettings:
    """dataset.json: names of the classes in label order (None: the labels are the names)."""

    classes: tuple[str, ...] | None = None
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def read_settings(text: bytes) -> DatasetSettings:
    """Parse dataset.json; what is wrong with it is in `problems`."""
    problems: list[Problem] = []

    def wrong(reason: str) -> None:
        problems.append(Problem(SETTINGS_FILE, reason))

    try:
        raw = json.loads(text)
    except ValueError as error:
        return DatasetSettings(problems=(Problem(SETTINGS_FILE, f"not JSON: {error}"),))
    except RecursionError:
        return DatasetSettings(problems=(Problem(SETTINGS_FILE, "nested too deeply"),))
    if not isinstance(raw, dict):
        return DatasetSettings(problems=(Problem(SETTINGS_FILE, "must be a JSON object"),))
    for unknown in sorted(raw.keys() - {"classes", "hyperparameters"}):
        wrong(f"{unknown!r} is no setting; classes and hyperparameters are")
    classes = raw.get("classes")
    if classes is not None and not (
        isinstance(classes, list)
        and all(isinstance(name, str) and name.strip() and _is_utf8(name) for name in classes)
        and len(set(classes)) == len(classes)
    ):
        wrong("classes must be a list of different, non-empty names, in UTF-8")
        classes = None
    given = raw.get("hyperparameters", {})
    hyperparameters: dict[str, Any] = {}
    if not isinstance(given, dict):
        wrong("hyperparameters must be a JSON object")
    elif len(given) > MOST_HYPERPARAMETERS:
        wrong(f"{len(given)} hyperparameters: {MOST_HYPERPARAMETERS} are taken at most")
    else:
        for name, value in given.items():
            if problem := _hyperparameter_problem(name, value):
                shown = name if _HYPERPARAMETER.fullmatch(name) else repr(name[:64])
                wrong(f"hyperparameter {shown}: {problem}")
            else:
                hyperparameters[name] = value
    return DatasetSettings(
        None if classes is None else tuple(classes), hyperparameters, tuple(problems)
    )


def _hyperparameter_problem(name: str, value: Any) -> str | None:
    if not _HYPERPARAMETER.fullmatch(name):
        return "its name must be small letters, digits and underscores"
    if name in RESERVED or name.startswith("sagemaker_"):
        return "the service sets it"
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return "its value must be a number or a text"
    return _range_problem(name, value) or _text_problem(str(value))


def _range_problem(name: str, value: int | float | str) -> str | None:
    if name in WHOLE_NUMBERS:
        least, most = WHOLE_NUMBERS[name]
        if not isinstance(value, int) or not least <= value <= most:
            return f"must be a whole number from {least} to {most}, not {_shown(value)}"
    elif name == "learning_rate":
        if isinstance(value, str) or not 0 < value <= LARGEST_LEARNING_RATE:
            return f"must be a number above 0, to {LARGEST_LEARNING_RATE}, not {_shown(value)}"
    elif isinstance(value, float) and not math.isfinite(value):
        return f"must be a finite number, not {value}"
    return None


def _text_problem(text: str) -> str | None:
    """Why SageMaker would not carry the text as a hyperparameter's value."""
    if not text.strip():
        return "its value is blank"
    if len(text) > LONGEST_HYPERPARAMETER:
        return f"its value is longer than {LONGEST_HYPERPARAMETER} characters"
    if any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in text):
        return "its value has line breaks or other control characters: take them out"
    return None


def _shown(value: Any) -> str:
    return repr(value)[:40]


def _is_utf8(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


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


def check_dataset(
    train: Sequence[CsvFile], test: Sequence[CsvFile], settings: DatasetSettings
) -> list[Problem]:
    """What is wrong between the files. Files with problems of their own say nothing here."""
    if not train:
        return [
            Problem(
                "",
                "no file to train with: every CSV has the word test in its path, "
                "which marks rows that are held out",
            )
        ]
    problems = [*_shape_problems([*train, *test]), *_label_problems(train, test)]
    labels = {label for file in train for label in file.labels}
    if settings.classes is not None and len(settings.classes) != len(labels):
        problems.append(
            Problem(
                SETTINGS_FILE,
                f"classes has {len(settings.classes)} names, the training rows have "
                f"{len(labels)} different labels: {_some(sorted_labels(labels))}",
            )
        )
    return problems


def _shape_problems(files: Sequence[CsvFile]) -> list[Problem]:
    first = files[0]
    problems = [
        Problem(
            file.name,
            f"its rows have {file.pixels} pixels, those of {first.name} have {first.pixels}",
        )
        for file in files[1:]
        if file.pixels != first.pixels
    ]
    if image_shape(first.pixels or 0) is None:
        problems.append(
            Problem(
                first.name,
                f"{first.pixels} pixels a row make no square image: 784 are 28 x 28 grey, "
                f"3072 are 32 x 32 RGB; sides of {SMALLEST_SIDE} to {LARGEST_SIDE} are taken",
            )
        )
    return problems


def _label_problems(train: Sequence[CsvFile], test: Sequence[CsvFile]) -> list[Problem]:
    problems: list[Problem] = []
    known = {label: file.name for file in train for label in file.labels}
    if len(known) == 1:
        problems.append(Problem("", f"there is one class only, {next(iter(known))!r}"))
    if len({is_integer(label) for label in known}) > 1:
        problems.append(Problem("", "some files have numbers as labels, others have words"))
    elif all(is_integer(label) for label in known):
        numbers: dict[int, str] = {}
        for label in sorted_labels(known):
            if (other := numbers.setdefault(int(label), label)) != label:
                problems.append(Problem(known[label], f"labels {other!r} and {label!r} are mixed"))
    for file in test:
        for label, line in file.labels.items():
            if label not in known:
                problems.append(
                    Problem(file.name, f"label {label!r} is in no training row", line, 1)
                )
    return problems


def _some(labels: Sequence[str]) -> str:
    return ", ".join(labels[:10]) + (", …" if len(labels) > 10 else "")
