"""dataset.json: what the people who drop data may say about it (docs/data.md)."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chalicelib.datasets.preflight.csvlabels import label_problem
from chalicelib.datasets.preflight.problem import Problem
from chalicelib.datasets.settings import service_settings
from chalicelib.datasets.settings.service_settings import ServiceSettings, read_service
from chalicelib.datasets.settings.setting_values import (
    Wrong,
    check_members,
    instance_type,
    is_number,
    is_utf8,
    is_whole,
    shown,
)

SETTINGS_FILE = "dataset.json"
LARGEST_SETTINGS = 1 << 20  # bytes
TRAINED_BY = ("classes", "preset", "hyperparameters", "shape", "label", "instances", "bad_rows")
KNOWN = (*TRAINED_BY, *service_settings.READERS)
# Those of training_job/pigeonhole_training/models, which a test holds beside these.
PRESETS = (
    "default",
    "default-large",
    "dense-256-128-32",
    "dense-128",
    "cnn-32-64-128",
    "wide-28-10",
    "resnet50",
    "resnet50-random",
)
FINE_TUNED = ("resnet50",)
SMALLEST_SIDE, LARGEST_SIDE = 8, 256
CHANNELS = (1, 3)
MOST_INSTANCES = 16
MOST_HYPERPARAMETERS = 90  # SageMaker takes 100, and the service sets some itself
LONGEST_HYPERPARAMETER = 256  # characters
WHOLE_NUMBERS = {
    "epochs": (1, 1000),
    "fine_tune_epochs": (0, 1000),
    "batch_size": (1, 65536),
    "seed": (0, 2**32 - 1),
}
LARGEST_LEARNING_RATE = 10
CHOICES = {
    "mixed_precision": ("auto", "on", "off"),
    "quantize": ("none", "fp16", "int8", "auto"),
}
HYPERPARAMETERS = (*WHOLE_NUMBERS, "learning_rate", *CHOICES)
_HYPERPARAMETER = re.compile(r"[a-z][a-z0-9_]{0,63}")
RESERVED = ("dataset", "dataset_version", "code_version", "model_dir", "task")
MOST_BAD_ROWS = 0.1
MOST_TYPES = 10


@dataclass(frozen=True)
class Shape:
    """Of every image."""

    height: int
    width: int
    channels: int

    @property
    def values(self) -> int:
        """In a row of a CSV, the label not counted."""
        return self.height * self.width * self.channels


@dataclass(frozen=True)
class Instances:
    """What the training job runs on; None: as the stage is set.

    `types`: the ones after the first are for when it cannot be had; none: as the stage is set.
    """

    types: tuple[str, ...] = ()
    count: int | None = None
    spot: bool | None = None


@dataclass(frozen=True)
class DatasetSettings:
    """dataset.json, understood: what it does not say is None.

    `classes`: names in label order; `label`: the name of the label's column in CSVs; `bad_rows`:
    the share of a version's rows that may be set aside. `service` is no part of the version.
    """

    classes: tuple[str, ...] | None = None
    preset: str | None = None
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    shape: Shape | None = None
    label: str | None = None
    instances: Instances | None = None
    bad_rows: float | None = None
    service: ServiceSettings = field(default_factory=ServiceSettings)
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


def read_settings(text: bytes) -> DatasetSettings:
    """Parse dataset.json; what is wrong with it is in `problems`."""
    try:
        raw = json.loads(text)
    except ValueError as error:
        return _refused(f"not JSON: {error}")
    except RecursionError:
        return _refused("nested too deeply")
    if not isinstance(raw, dict):
        return _refused("must be a JSON object")
    problems = [
        f"{unknown!r} is no setting; {', '.join(KNOWN[:-1])} and {KNOWN[-1]} are"
        for unknown in sorted(raw.keys() - set(KNOWN))
    ]
    read: dict[str, Any] = {}
    readers: Mapping[str, Callable[[Any], Any]] = {
        "classes": _classes,
        "preset": _preset,
        "shape": _shape,
        "label": _label,
        "instances": _instances,
        "bad_rows": _bad_rows,
    }
    for name, reader in readers.items():
        if raw.get(name) is None:
            continue
        try:
            read[name] = reader(raw[name])
        except Wrong as wrong:
            problems.append(f"{name} {wrong}")
    hyperparameters, wrong_ones = _hyperparameters(raw.get("hyperparameters"))
    service, wrong_settings = read_service(raw)
    problems += [*wrong_ones, *wrong_settings.values()]
    return DatasetSettings(
        **read,
        hyperparameters=hyperparameters,
        service=service,
        problems=tuple(Problem(SETTINGS_FILE, reason) for reason in problems),
        notes=tuple(
            f"dataset.json: hyperparameter {name} is none that the training job is known to "
            f"take ({', '.join(HYPERPARAMETERS)})"
            for name in hyperparameters
            if name not in HYPERPARAMETERS
        )
        + _without_effect(hyperparameters, read.get("preset")),
    )


def _without_effect(hyperparameters: Mapping[str, Any], preset: str | None) -> tuple[str, ...]:
    if "fine_tune_epochs" not in hyperparameters or preset in FINE_TUNED:
        return ()
    return (
        "dataset.json: hyperparameter fine_tune_epochs changes nothing: of the presets, only "
        f"{' and '.join(FINE_TUNED)} is fine-tuned",
    )


def _refused(reason: str) -> DatasetSettings:
    return DatasetSettings(problems=(Problem(SETTINGS_FILE, reason),))


def _classes(value: Any) -> tuple[str, ...]:
    fine = (
        isinstance(value, list)
        and all(isinstance(name, str) and name.strip() and is_utf8(name) for name in value)
        and len(set(value)) == len(value)
    )
    if not fine:
        raise Wrong("must be a list of different, non-empty names, in UTF-8")
    if problem := next(filter(None, (label_problem(name, "name") for name in value)), None):
        raise Wrong(f"cannot be used: {problem}")
    return tuple(value)


def _preset(value: Any) -> str:
    if value not in PRESETS:
        raise Wrong(f"must be one of {', '.join(PRESETS)}, not {shown(value)}")
    return str(value)


def _shape(value: Any) -> Shape:
    members = ("height", "width", "channels")
    check_members(value, members)
    if missing := [member for member in members if member not in value]:
        raise Wrong(f"lacks {' and '.join(missing)}: it is {{height, width, channels}}")
    for side in ("height", "width"):
        if not is_whole(value[side], SMALLEST_SIDE, LARGEST_SIDE):
            raise Wrong(
                f"has a {side} of {shown(value[side])}: whole numbers from {SMALLEST_SIDE} to "
                f"{LARGEST_SIDE} are taken"
            )
    if isinstance(value["channels"], bool) or value["channels"] not in CHANNELS:
        raise Wrong(f"has {shown(value['channels'])} channels: 1 is grey, 3 is RGB")
    return Shape(value["height"], value["width"], int(value["channels"]))


def _label(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not is_utf8(value):
        raise Wrong(f"must be the name of a column, not {shown(value)}")
    return value.strip()


def _instances(value: Any) -> Instances:
    check_members(value, ("type", "count", "spot"))
    count, spot = value.get("count"), value.get("spot")
    types = _types(value.get("type"))
    if count is not None and not is_whole(count, 1, MOST_INSTANCES):
        raise Wrong(f"has a count of {shown(count)}: 1 to {MOST_INSTANCES} are taken")
    if spot is not None and not isinstance(spot, bool):
        raise Wrong(f"has spot {shown(spot)}: true or false")
    return Instances(types, count, spot)


def _types(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        return (instance_type(value),)
    types = tuple(instance_type(one) for one in value)
    if not types or len(set(types)) < len(types) or len(types) > MOST_TYPES:
        raise Wrong(f"has {len(types)} types: 1 to {MOST_TYPES} different ones are taken")
    return types


def _bad_rows(value: Any) -> float:
    if not is_number(value, 0, MOST_BAD_ROWS):
        raise Wrong(
            f"must be a share from 0 to {MOST_BAD_ROWS} (0.001 is one row in a thousand), not "
            f"{shown(value)}"
        )
    return float(value)


def _hyperparameters(given: Any) -> tuple[dict[str, Any], list[str]]:
    """Those that can be used, and what is wrong with the others."""
    if given is None:
        return {}, []
    if not isinstance(given, dict):
        return {}, ["hyperparameters must be a JSON object"]
    if len(given) > MOST_HYPERPARAMETERS:
        return {}, [f"{len(given)} hyperparameters: {MOST_HYPERPARAMETERS} are taken at most"]
    good: dict[str, Any] = {}
    problems = []
    for name, value in given.items():
        if problem := _hyperparameter_problem(name, value):
            shown = name if _HYPERPARAMETER.fullmatch(name) else repr(name[:64])
            problems.append(f"hyperparameter {shown}: {problem}")
        else:
            good[name] = value
    return good, problems


def _hyperparameter_problem(name: str, value: Any) -> str | None:
    if not _HYPERPARAMETER.fullmatch(name):
        return "its name must be small letters, digits and underscores"
    if name == "preset":
        return "it stands beside the hyperparameters, not among them"
    if name in RESERVED or name.startswith("sagemaker_"):
        return "the service sets it"
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return "its value must be a number or a text"
    return _range_problem(name, value) or _text_problem(str(value))


def _range_problem(name: str, value: int | float | str) -> str | None:
    if name in WHOLE_NUMBERS:
        least, most = WHOLE_NUMBERS[name]
        if not is_whole(value, least, most):
            return f"must be a whole number from {least} to {most}, not {shown(value)}"
    elif name == "learning_rate":
        if isinstance(value, str) or not 0 < value <= LARGEST_LEARNING_RATE:
            return f"must be a number above 0, to {LARGEST_LEARNING_RATE}, not {shown(value)}"
    elif name in CHOICES:
        if value not in CHOICES[name]:
            return f"must be one of {', '.join(CHOICES[name])}, not {shown(value)}"
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
