"""A CSV that was read in parts, put together: what reading it from end to end would have found."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.datasets.preflight.csvfound import LINES_OF_A_LABEL, MOST_BAD, BadRow, CsvFile
from chalicelib.datasets.preflight.csvlabels import MOST_CLASSES, too_many_labels
from chalicelib.datasets.preflight.problem import Problem

EMPTY_LINE = "an empty line between rows"


def merged(parts: Sequence[CsvFile]) -> CsvFile:
    """The whole file, from its parts in their order. A single one, which is whole, stays itself."""
    if len(parts) == 1:
        return parts[0]
    whole = CsvFile(parts[0].name)
    for part in parts:
        _add(whole, part)
        if part.problems or whole.unfinished or whole.problems:
            return whole  # as whoever reads on from there would have stopped
    return whole


def _add(whole: CsvFile, part: CsvFile) -> None:
    """Lines that follow those of `whole`."""
    passed = whole.lines
    if not part.goes_on:
        whole.header, whole.header_line = part.header, part.header_line
        whole.label_column = part.label_column
    if part.pixels is not None and whole.pixels not in (None, part.pixels):
        _unlike(whole, part, f"{part.pixels} pixels", f"{whole.pixels}")
    if part.scale is not None and whole.scale not in (None, part.scale):
        ways = {1: "numbers from 0 to 1", 255: "whole numbers to 255"}
        _unlike(whole, part, f"values written as {ways[part.scale]}", ways[whole.scale or 255])
    _add_blank_lines(whole, part)
    _add_labels(whole, part)
    whole.pixels = part.pixels if whole.pixels is None else whole.pixels
    whole.scale = part.scale if whole.scale is None else whole.scale
    whole.varied |= part.varied or bool(whole.first and part.first and whole.first != part.first)
    whole.first = whole.first or part.first
    whole.bad += [BadRow(row.line + passed, row.column, row.reason) for row in part.bad]
    whole.notes += part.notes
    whole.problems += [_moved(problem, passed) for problem in part.problems]
    whole.unfinished |= part.unfinished or len(whole.bad) >= MOST_BAD
    whole.lines += part.lines


def _unlike(whole: CsvFile, part: CsvFile, these: str, those: str) -> None:
    """Parts that no common beginning told how to be read are read in different ways."""
    line = whole.lines + min(part.labels.values(), default=1)
    whole.problems.append(
        Problem(whole.name, f"from here on its rows have {these}, before it {those}", line)
    )


def _add_blank_lines(whole: CsvFile, part: CsvFile) -> None:
    """Empty lines at a part's end lie between rows where rows follow in another part."""
    rows_at = part.lines if part.blank_at is None else part.blank_at - 1
    if not rows_at:  # nothing but empty lines
        if whole.blank_at is None and part.lines:
            whole.blank_at = whole.lines + 1
        return
    if whole.blank_at is not None:
        lines = range(whole.blank_at, whole.lines + 1)
        whole.bad += [BadRow(line, None, EMPTY_LINE) for line in lines]
    whole.blank_at = None if part.blank_at is None else whole.lines + part.blank_at


def _add_labels(whole: CsvFile, part: CsvFile) -> None:
    passed = whole.lines
    for label, line in part.labels.items():
        if label not in whole.labels and len(whole.labels) == MOST_CLASSES:
            most = max(*whole.counts.values(), *part.counts.values())
            reason, column = too_many_labels(most), whole.label_column + 1
            whole.problems.append(Problem(whole.name, reason, line + passed, column))
            return
        whole.labels.setdefault(label, line + passed)
        whole.counts[label] = whole.counts.get(label, 0) + part.counts.get(label, 0)
        lines = whole.lines_of.setdefault(label, [])
        room = LINES_OF_A_LABEL - len(lines)
        lines += [at + passed for at in part.lines_of.get(label, [])[:room]]
    for label, line in part.lost.items():
        whole.lost.setdefault(label, line + passed)


def _moved(problem: Problem, lines: int) -> Problem:
    line = None if problem.line is None else problem.line + lines
    return Problem(problem.file, problem.reason, line, problem.column)
