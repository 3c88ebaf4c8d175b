"""The live model's data beside new data: what an application that asks the model would notice.

Images of another size, or a class that is gone, mostly come of a mistake (half an upload, the wrong
dataset's folder), and break who asks. So they are refused, unless dataset.json says just that: then
a person approves the model. A new class is no mistake.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.datasets.preflight.problem import Problem, some
from chalicelib.datasets.settings.settings_file import SETTINGS_FILE, DatasetSettings, Shape


@dataclass(frozen=True)
class ChampionsData:
    """By the version.json of the live model. `shape` is None where its training job decided it."""

    version: str
    classes: tuple[str, ...]
    shape: Shape | None

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> ChampionsData:
        """From version.json."""
        shape = described.get("shape")
        return cls(
            str(described["version"]),
            tuple(map(str, described["classes"])),
            None if shape is None else Shape(**{k: int(v) for k, v in shape.items()}),
        )


def compare(
    champion: ChampionsData,
    shape: Shape | None,
    classes: Sequence[str],
    things: str,
    settings: DatasetSettings,
) -> tuple[list[Problem], list[str]]:
    """Problems and notes of data with images of this `shape` (None: not known yet) and these
    classes; `things` are its rows or images."""
    problems, notes = [], []
    if shape is not None and champion.shape is not None and shape != champion.shape:
        change = f"images of {_told(shape)}, where the live model's are {_told(champion.shape)}"
        if settings.shape is None:
            written = (
                f'"shape": {{"height": {shape.height}, "width": {shape.width}, '
                f'"channels": {shape.channels}}}'
            )
            problems.append(_refusal(change, written))
        else:
            notes.append(_meant(change))
    if gone := [name for name in champion.classes if name not in classes]:
        those = "class" if len(gone) == 1 else "classes"
        change = f"no training {things} of {those} {some(list(map(repr, gone)))}, which the live"
        change += f" model knows{' all' if len(gone) > 1 else ''}"
        if settings.classes is None:
            problems.append(_refusal(change, f'"classes": [{", ".join(_listed(classes))}]'))
        else:
            notes.append(_meant(change))
    if new := [name for name in classes if name not in champion.classes]:
        those = "class" if len(new) == 1 else "classes"
        notes.append(
            f"{those} {some(list(map(repr, new)))} {'is' if len(new) == 1 else 'are'} new to the "
            "live model: a person approves the next one"
        )
    return problems, notes


def _told(shape: Shape) -> str:
    return f"{shape.width} x {shape.height} {'grey' if shape.channels == 1 else 'RGB'}"


def _listed(classes: Sequence[str]) -> list[str]:
    shown = [f'"{name}"' for name in classes[:10]]
    return shown if len(classes) <= 10 else [*shown, "…"]


def _refusal(change: str, written: str) -> Problem:
    reason = f"{change}. If that is meant, say so in {SETTINGS_FILE}: {{{written}}}"
    return Problem("", f"{reason}; a person approves the model then")


def _meant(change: str) -> str:
    return f"{change}: {SETTINGS_FILE} says so, and a person approves the model"
