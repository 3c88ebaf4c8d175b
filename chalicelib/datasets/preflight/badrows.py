"""Rows that cannot be used: set aside while they are few, else the reason to refuse the version.

Set aside are defects of single rows: another number of values than the others, a value that is
missing, none, or out of range, a label that cannot be one, that dataset.json does not list, or that
no training row has. They are left out of training and judging, and reported. They may be a share
of each file's rows (`bad_rows` in dataset.json, by default a thousandth), and never all rows of a
class. What is wrong with a file (its header, its packing, its encoding) is never set aside.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from chalicelib.datasets.preflight.csvfound import CsvFile
from chalicelib.datasets.preflight.csvlabels import is_integer
from chalicelib.datasets.preflight.csvrows import leave_out_label, settle_labels
from chalicelib.datasets.preflight.problem import Problem
from chalicelib.datasets.settings.settings_file import SETTINGS_FILE, DatasetSettings

SHARE = 0.001  # of a file's rows, where dataset.json says nothing
SHOWN = 20  # bad rows of a refused file


@dataclass(frozen=True)
class SetAside:
    """What was set aside, and why the version is refused, if it is."""

    rows: list[Problem] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def set_aside(files: Sequence[tuple[str, CsvFile]], settings: DatasetSettings) -> SetAside:
    """Sort out the bad rows of these files, each with its role.

    Rows whose labels are unknown become bad ones where that keeps a file within its share; else
    they stay, for `checks` to refuse them by their label.
    """
    share = share_of(settings)
    for _, file in files:
        settle_labels(file)
    _leave_out_unknown(files, settings, share)
    found = SetAside()
    for _, file in files:
        if len(file.bad) > most_of(file.rows, share) or file.unfinished:
            found.problems.extend(_too_many(file, share))
        else:
            found.rows.extend(Problem(file.name, r.reason, r.line, r.column) for r in file.bad)
    found.problems.extend(_vanished(files, settings))
    if found.rows:
        total = sum(file.rows for _, file in files)
        found.notes.append(note(found.rows, total))
    return found


def note(aside: Sequence[Problem], total: int, things: str = "row") -> str:
    """What was set aside, of so many rows or images, in a sentence."""
    one = len(aside) == 1
    return (
        f"{len(aside):,} of {total:,} {things}s cannot be used and {'is' if one else 'are'} set "
        f"aside ({percent(len(aside) / total)}): {'' if one else 'first '}{aside[0]}"
    )


def share_of(settings: DatasetSettings) -> float:
    """What share of its rows a dataset may do without."""
    return SHARE if settings.bad_rows is None else settings.bad_rows


def most_of(rows: int, share: float) -> int:
    """So many of these rows may be set aside."""
    return int(rows * share + 1e-6)  # 0.001 of 3,000 is a little less than 3 in binary


def percent(share: float) -> str:
    """A share for people: two digits that say something."""
    return f"{share * 100:.2g} %" if share < 0.995 else "100 %"


def _too_many(file: CsvFile, share: float) -> Iterable[Problem]:
    """The first bad row, with how many there are; then the next."""
    count = f"{'at least ' if file.unfinished else ''}{len(file.bad):,} of "
    count += f"{'its first ' if file.unfinished else ''}{file.rows:,} rows cannot be used"
    of_all = percent(len(file.bad) / max(1, file.rows))
    rule = f"({of_all}; {percent(share)} of a file may be set aside: bad_rows in {SETTINGS_FILE})"
    first = file.bad[0]
    yield Problem(file.name, f"{first.reason}; {count} {rule}", first.line, first.column)
    for row in file.bad[1:SHOWN]:
        yield Problem(file.name, row.reason, row.line, row.column)


def _vanished(files: Sequence[tuple[str, CsvFile]], settings: DatasetSettings) -> Iterable[Problem]:
    """Classes of which every row to train with is a bad one."""
    train = [file for role, file in files if role == "train"]
    labels = {label for file in train for label in file.labels}
    numbers = {is_integer(label) for label in labels}
    seen = set()
    for file in train:
        for label, line in file.lost.items():
            known = settings.classes is None or is_integer(label) or label in settings.classes
            if label in labels or label in seen or not known or is_integer(label) not in numbers:
                continue
            seen.add(label)
            yield Problem(
                file.name,
                f"every row of class {label!r} cannot be used: set aside, the class would vanish",
                line,
                file.label_column + 1,
            )


def _leave_out_unknown(
    files: Sequence[tuple[str, CsvFile]], settings: DatasetSettings, share: float
) -> None:
    train: Counter[str] = Counter()
    for role, file in files:
        if role == "train":
            train.update(file.counts)
    unlisted = _unlisted(train, settings.classes)
    for role, file in files:
        for label in list(file.labels):
            if label in unlisted:
                reason = f"label {label!r} is none of the classes in {SETTINGS_FILE}"
            elif role != "train" and label not in train:
                reason = f"label {label!r} is in no training row"
            else:
                continue
            if len(file.bad) + file.counts[label] <= most_of(file.rows, share):
                leave_out_label(file, label, reason)


def _unlisted(train: Counter[str], classes: tuple[str, ...] | None) -> set[str]:
    """Labels that dataset.json does not list.

    It lists words by themselves. It names whole numbers in their order: where there are more of
    them than names, the rarest of those beyond the names' count are none.
    """
    if classes is None:
        return set()
    if not all(map(is_integer, train)):
        return set(train) - set(classes) if set(classes) & set(train) else set()
    beyond = [label for label in train if not 0 <= int(label) < len(classes)]
    more = len(train) - len(classes)
    if not 0 < more <= len(beyond):
        return set()
    return set(sorted(beyond, key=lambda label: train[label])[:more])
