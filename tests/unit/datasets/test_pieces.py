"""What is too much for one call is read in pieces, and found to be the same."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any

import pytest

from chalicelib import names
from chalicelib.datasets.content import look
from chalicelib.datasets.preflight import csvfile, merging, pieces, units
from chalicelib.datasets.preflight.pieces import Pieces
from chalicelib.datasets.preflight.survey import survey
from chalicelib.datasets.preflight.units import Unit
from tests.fakes.ticks import die
from tests.unit.datasets.pictures import folders, zipped
from tests.unit.datasets.test_crashes import outcome
from tests.unit.datasets.world import DATASET, World, csv, row, with_settings

HEADER = ",".join(["label", *[f"pixel{i}" for i in range(64)]])
ROWS = [row(i % 3, i % 7) for i in range(40)]
PIECE = 600  # bytes: some four rows


def world_of(piece: int, **files: bytes) -> World:
    """A world that reads pieces of this size; `a_csv` is a.csv."""
    world = World(settings=with_settings(preflight_piece_bytes=piece))
    for name, body in files.items():
        world.put(name.replace("_csv", ".csv").replace("_json", ".json"), body)
    world.ready()
    return world


def found(world: World) -> dict[str, Any]:
    """What the check wrote, but for the time."""
    version = look(world.storage, DATASET).version
    folder = names.preflight_prefix(DATASET, version)
    report = world.storage.get_json(folder + "report.json")
    written = {"report": report | {"finished": ""}}
    for name in ("version.json", "train.manifest"):
        if report["ok"]:
            written[name] = world.storage.get_json(folder + name)
    return written


def both(files: dict[str, bytes], piece: int = PIECE) -> tuple[dict[str, Any], dict[str, Any], int]:
    """What is found in one go and in pieces, and how many pieces there were."""
    whole, cut = world_of(10**9, **files), world_of(piece, **files)
    whole.until("Training", "Refused")
    cut.until("Training", "Refused")
    version = look(cut.storage, DATASET).version
    assert Pieces(whole.storage, DATASET, version, 1).progress() is None
    progress = Pieces(cut.storage, DATASET, version, 1).progress()
    assert progress is not None
    assert progress.missing == ()
    # Whose copy of the same bytes it was may differ: each world numbers its own.
    return found(whole), found(cut), progress.count


LATE = [*ROWS[:30], row(0, 300), *ROWS[30:], row(1, pixels=63), row(2)]
FEW_BAD = b'{"bad_rows": 0.1}'


@pytest.mark.parametrize(
    "files",
    [
        {"a_csv": csv(*ROWS)},
        {"a_csv": csv(HEADER, *ROWS), "a_test_csv": csv(HEADER, *ROWS[:9])},
        {"a_csv": csv(HEADER, *ROWS).replace(b"\n", b"\r\n")},
        {"a_csv": b"\xef\xbb\xbf" + csv(HEADER, *ROWS).rstrip(b"\n")},
        {"a_csv": csv(*ROWS) + b"\n\n\r\n"},
        {"a_csv": csv(*ROWS).replace(b"0,", b'"0",')},
        {"a_csv": csv(*[f"0.25,{r}" for r in (row(i % 2, 0.5, 63) for i in range(20))])},
        {"a_csv": csv(*LATE), "dataset_json": FEW_BAD},
        {"a_csv": csv(*ROWS[:20], "", "", *ROWS[20:]), "dataset_json": FEW_BAD},
        {"a_csv": csv(HEADER, *ROWS[:20], HEADER, *ROWS[20:]), "dataset_json": FEW_BAD},
        {"a_csv": csv(*ROWS, row("Bag")), "dataset_json": FEW_BAD},
        {"a.csv.gz": gzip.compress(csv(*ROWS), mtime=0), "b_csv": csv(*ROWS)},
        {"a.zip": zipped({"b.csv": csv(*ROWS), "c.csv": csv(*ROWS[:9])}), "b_csv": csv(*ROWS)},
    ],
)
def test_in_pieces_the_same_is_found(files: dict[str, bytes]) -> None:
    whole, cut, pieces = both(files)
    assert pieces > 2
    assert whole == cut


@pytest.mark.parametrize(
    ("files", "line", "reason"),
    [
        ({"a_csv": csv(*LATE)}, 31, "300 is out of 0 to 255; 2 of 43 rows cannot be used"),
        ({"a_csv": csv(HEADER, *LATE)}, 32, "300 is out of 0 to 255"),
        ({"a_csv": csv(*ROWS, "x" * 1_100_000)}, 41, "longer than 1,048,576 bytes"),
        ({"a_csv": csv(*ROWS).replace(b",", b";")}, 1, "separated by ';'"),
        ({"a_csv": csv(*ROWS[:30], "", *ROWS[30:])}, 31, "an empty line between rows"),
        ({"a_csv": csv(*ROWS, *[row(i) for i in range(1001)])}, 1041, "1,000 different labels"),
    ],
)
def test_lines_count_from_the_beginning_of_the_file(
    files: dict[str, bytes], line: int, reason: str
) -> None:
    whole, cut, _ = both(files, PIECE if len(files["a_csv"]) < 10_000 else 5000)
    for one in (whole, cut):
        problem = one["report"]["problems"][0]
        assert (problem["file"], problem["line"]) == ("a.csv", line), problem
        assert reason in problem["reason"]


def test_values_written_in_another_way_further_down_are_refused() -> None:
    """No row of the beginning tells how they are written: each piece takes them as they come."""
    zeros = [row(i % 2, 0) for i in range(1100)]
    whole, cut, _ = both({"a_csv": csv(*zeros, *[row(0, 0.5)] * 99, *[row(1, 200)] * 99)}, 30_000)
    assert not whole["report"]["ok"]
    assert not cut["report"]["ok"]
    assert "0 to 1" in cut["report"]["summary"]


def test_ranges_end_at_line_ends_and_leave_nothing_out() -> None:
    world = world_of(PIECE, a_csv=csv(HEADER, *ROWS))
    seen = survey(world.storage, DATASET, look(world.storage, DATASET))
    [digest, *ranges] = units.units_of(world.storage, seen, PIECE)
    assert digest.what == "hash"
    body = csv(HEADER, *ROWS)
    assert b"".join(body[unit.start : unit.end] for unit in ranges) == body
    assert len(ranges) > 5
    for unit in ranges:
        assert body[unit.start : unit.end].endswith(b"\n")
        assert unit.end is not None
        assert unit.end - unit.start < 2 * PIECE


def test_a_lost_piece_is_asked_for_again_and_the_others_are_not() -> None:
    world = world_of(PIECE, a_csv=csv(*ROWS))
    world.until("Checking")
    while len(world.queues.asked) < 3:
        world.step()
    asked = len(world.queues.asked)
    lost = world.queues.asked.pop()
    world.queues.asked.append(lost)
    del world.queues.asked[0]
    start = world.now
    assert world.settle()["outcome"] == "Live"
    assert world.queues.sent["preflight"] == 1 + asked + 1
    assert (world.now - start).total_seconds() < 300


def test_progress_is_told() -> None:
    world = world_of(PIECE, a_csv=csv(*ROWS))
    world.until("Checking")
    told = []
    while world.status()["phase"] == "Checking":
        world.step()
        told.append(world.status()["message"])
    assert any("pieces are done" in message for message in told)


def test_a_piece_that_is_given_up_ends_the_check() -> None:
    world = world_of(PIECE, a_csv=csv(*ROWS))
    world.until("Checking")
    for _ in range(8):
        world.reconcile()
        world.queues.asked[:] = [m for m in world.queues.asked if "piece" not in m["preflight"]]
        world.step()
        world.later(1000)
    status = world.settle()
    assert (status["outcome"], status["settled"]) == ("Failed", True)
    assert "did not come on" in status["message"]


def test_data_that_changes_while_its_pieces_are_read_is_checked_anew() -> None:
    world = world_of(PIECE, a_csv=csv(*ROWS))
    world.until("Checking")
    for _ in range(5):
        world.step()
    world.put("a.csv", csv(*ROWS[1:]))
    world.ready()
    status = world.settle()
    assert status["outcome"] == "Live"
    assert status["version"] == look(world.storage, DATASET).version
    assert len(world.jobs) == 1


def test_a_gzip_that_one_call_cannot_read_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csvfile, "LARGEST_UNPACKED", 5000)
    world = world_of(10**9, **{"a.csv.gz": gzip.compress(csv(*ROWS), mtime=0)})
    assert world.settle()["outcome"] == "Refused"
    assert "pack it as several files, or put it unpacked" in world.status()["message"]


def test_many_pieces_of_bad_rows_fit_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (pieces, merging):
        monkeypatch.setattr(module, "MOST_BAD", 5)
    held: list[int] = []
    results = Pieces.results

    def counted(self: Pieces, plan: Sequence[pieces.Piece]) -> Iterator[tuple[Unit, units.Read]]:
        for unit, read in results(self, plan):
            held.append(0 if read.found is None else len(read.found.bad))
            yield unit, read

    monkeypatch.setattr(Pieces, "results", counted)
    bad = [row(0, "x")] * 40
    world = world_of(PIECE, a_csv=csv(*ROWS, *bad), b_csv=csv(*ROWS, *bad))
    world.until("Refused")
    assert 10 <= sum(held) <= 20
    summary = found(world)["report"]["summary"]
    assert "a.csv, line 41, column 2: 'x' is not a whole number" in summary
    assert "at least" in summary


def several(world: World) -> None:
    world.put("a.csv", csv(HEADER, *ROWS[:6]))
    world.put("b.csv.gz", gzip.compress(csv(*ROWS), mtime=0))
    world.ready()


def in_pieces(scene: Callable[[World], None]) -> World:
    world = World(settings=with_settings(preflight_piece_bytes=PIECE))
    scene(world)
    return world


def ended(world: World) -> dict[str, Any]:
    return outcome(world) | {"checked": json.dumps(found(world), sort_keys=True)}


def test_killed_after_any_effect_it_ends_the_same() -> None:
    undisturbed = in_pieces(several)
    start = undisturbed.tick.count
    undisturbed.settle()
    expected = ended(undisturbed)
    for n in count(start + 1):
        world = in_pieces(several)
        world.tick.at, world.tick.then = n, die
        world.settle()
        assert ended(world) == expected, f"killed after effect {n}"
        if world.tick.then is not None:
            assert n > start + 25
            return


def test_two_at_once_end_the_same() -> None:
    undisturbed = in_pieces(several)
    start = undisturbed.tick.count
    undisturbed.settle()
    expected = ended(undisturbed)
    for n in count(start + 1):
        world = in_pieces(several)
        world.tick.at, world.tick.then = n, world.reconcile
        world.settle()
        assert ended(world) == expected, f"another one cut in after effect {n}"
        assert world.queues.sent == undisturbed.queues.sent
        if world.tick.then is not None:
            return


def test_of_images_the_same_is_found_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "HEADS", 9)
    loose = folders("train/cat", "train/dog", "test/cat", "test/dog", each=11)
    loose["train/dog/3.png"] = b"<html>"
    inside = folders("train/cat", "train/dog", each=9) | {"train/cat/8.png": b"%PDF"}
    settings = json.dumps({"bad_rows": 0.1}).encode()
    whole, cut, pieces = both({**loose, "more.zip": zipped(inside), "dataset_json": settings})
    assert pieces == 6
    assert whole == cut
    assert whole["report"]["set_aside_count"] == 2
