"""Rows that cannot be used are set aside while they are few; what is more, or worse, is refused."""

from __future__ import annotations

import csv as csv_text
import io
from typing import Any

import pytest
from aws_lambda_powertools import Logger

from chalicelib.datasets.content import look
from chalicelib.datasets.preflight.preflight import Asked, Preflight
from tests.unit.datasets.world import DATASET, Broken, Trained, World, csv, row

LOG = Logger(service="bad-rows", stream=io.StringIO())
RAGGED = row(1, 7, pixels=63)
NAN = row(1, 7, pixels=63) + ",nan"
LARGE = row(0, 256)


def rows(count: int, **bad: str) -> bytes:
    """`count` rows of two classes; those at the 0-based places `_7="…"` are replaced."""
    lines = [row(i % 2, (i * 7) % 250) for i in range(count)]
    for place, line in bad.items():
        lines[int(place[1:])] = line
    return csv(*lines)


def checked(files: dict[str, bytes], settings: str = "", piece: int = 10**9) -> Any:
    """The world, its report.json and how to read the others beside it."""
    world = World()
    for name, body in files.items():
        world.put(name, body)
    if settings:
        world.put("dataset.json", settings.encode())
    version = look(world.storage, DATASET).version
    preflight = Preflight(world.storage, lambda: world.now, LOG, piece)
    preflight.run(Asked(DATASET, version, 1))
    folder = f"reports/{DATASET}/preflight/{version}/"
    return world, world.storage.get_json(folder + "report.json"), folder


def test_few_bad_rows_are_set_aside_and_named() -> None:
    body = rows(3000, _7=RAGGED, _512=NAN, _2999=LARGE)
    world, report, folder = checked({"a.csv": body})
    assert (report["ok"], report["problems"]) == (True, [])
    assert report["set_aside_count"] == 3
    assert [(one["line"], one["column"]) for one in report["set_aside"]] == [
        (8, None),
        (513, 65),
        (3000, 2),
    ]
    assert (
        report["set_aside"][1]["reason"] == "'nan' is a missing value: fill it or leave the row out"
    )
    assert report["rows"]["train"] == 2997
    [file] = world.storage.get_json(folder + "version.json")["files"]
    assert (file["rows"], file["set_aside"]) == (3000, [7, 512, 2999])
    note = next(note for note in report["notes"] if "set aside" in note)
    assert note.startswith("3 of 3,000 rows cannot be used and are set aside (0.1 %): first a.csv")
    text = world.storage.get_bytes(folder + "report.txt").decode()
    assert "a.csv, line 513, column 65: 'nan' is a missing value" in text
    assert "a.csv: train, 3,000 rows, 3 set aside, no header" in text
    assert folder + "set_aside.csv" not in world.storage.versions


def test_more_than_the_share_is_refused_with_count_share_and_first_places() -> None:
    bad = {f"_{place}": RAGGED for place in (7, 100, 200, 300)}
    _, report, _ = checked({"a.csv": rows(3000, **bad)})
    assert report["ok"] is False
    assert report["summary"] == (
        "refused: a.csv, line 8: the row has 63 pixels, the others have 64; 4 of 3,000 rows cannot "
        "be used (0.13 %; 0.1 % of a file may be set aside: bad_rows in dataset.json) "
        "(and 3 more)"
    )
    assert [problem["line"] for problem in report["problems"]] == [8, 101, 201, 301]
    assert report["set_aside"] == []


def test_the_share_is_the_datasets_to_say() -> None:
    body = rows(100, _3=RAGGED, _50=NAN)
    assert checked({"a.csv": body}, '{"bad_rows": 0.02}')[1]["set_aside_count"] == 2
    assert not checked({"a.csv": body}, '{"bad_rows": 0.019}')[1]["ok"]
    assert not checked({"a.csv": rows(3000, _3=RAGGED)}, '{"bad_rows": 0}')[1]["ok"]


def test_the_share_holds_for_each_file() -> None:
    files = {"a.csv": rows(3000), "b.csv": rows(100, _3=RAGGED)}
    assert "b.csv, line 4" in checked(files)[1]["summary"]


def test_a_header_counts_as_a_line_and_not_as_a_row() -> None:
    header = ",".join(["label", *[f"pixel{i}" for i in range(64)]])
    body = csv(header) + rows(2000, _0=NAN, _9=header)
    world, report, folder = checked({"a.csv": body})
    assert [one["line"] for one in report["set_aside"]] == [2, 11]
    assert "the header is repeated" in report["set_aside"][1]["reason"]
    [file] = world.storage.get_json(folder + "version.json")["files"]
    assert (file["header"], file["rows"], file["set_aside"]) == (True, 2000, [0, 9])


def test_a_broken_first_row_does_not_make_the_others_look_broken() -> None:
    for first in (RAGGED, row(1, 0.5), NAN, "", "word," * 64 + "1"):
        _, report, _ = checked({"a.csv": rows(1000, _0=first)})
        if not first:
            assert "the first line is empty" in report["summary"]
        elif first.startswith("word"):
            assert "read as a row because column 65 is called '1'" in report["summary"]
        else:
            assert [one["line"] for one in report["set_aside"]] == [1], report["summary"]


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ("", "the label is empty"),
        (" 1", "label ' 1' has spaces around it"),
        ("one", "label 'one' where the other rows have labels like '0'"),
    ],
)
def test_labels_that_can_be_none_are_set_aside(label: str, reason: str) -> None:
    _, report, _ = checked({"a.csv": rows(1000, _5=row(label, 9))})
    [aside] = report["set_aside"]
    assert (aside["line"], aside["column"]) == (6, 1)
    assert reason in aside["reason"]


def test_a_label_of_many_rows_is_no_slip() -> None:
    bad = {f"_{place}": row("one", place % 200) for place in range(101)}
    _, report, _ = checked({"a.csv": rows(2000, **bad)}, '{"bad_rows": 0.1}')
    assert (report["ok"], report["set_aside"]) == (False, [])
    assert "label 'one' where the other rows have labels like '1'" in report["summary"]
    del bad["_100"]
    _, report, _ = checked({"a.csv": rows(2000, **bad)}, '{"bad_rows": 0.1}')
    assert report["set_aside_count"] == 100


def test_labels_that_nobody_knows_are_set_aside_while_they_are_few() -> None:
    words = rows(1000, _5=row("shrit", 9)).replace(b"\n0,", b"\nbag,").replace(b"\n1,", b"\nshirt,")
    words = words.replace(b"0,", b"bag,", 1)
    _, report, _ = checked({"a.csv": words}, '{"classes": ["bag", "shirt"]}')
    [aside] = report["set_aside"]
    assert "label 'shrit' is none of the classes in dataset.json" in aside["reason"]
    _, report, _ = checked({"a.csv": words})
    assert "class 'shrit' has a single row to train with" in report["summary"]
    assert "list the classes in dataset.json" in report["summary"]
    _, report, _ = checked({"a.csv": rows(1000, _5=row(17, 9))}, '{"classes": ["a", "b"]}')
    assert "label '17' is none of the classes" in report["set_aside"][0]["reason"]
    assert report["classes"] == ["a", "b"]
    files = {"a.csv": rows(1000), "a_test.csv": rows(1000, _7=row(2, 3))}
    _, report, _ = checked(files)
    [aside] = report["set_aside"]
    assert (aside["file"], aside["line"]) == ("a_test.csv", 8)
    assert aside["reason"] == "label '2' is in no training row"
    files["a_test.csv"] = rows(1000, _7=row(2, 3), _9=row(2, 4))
    assert "label '2' is in no training row" in checked(files)[1]["summary"]


def test_no_class_vanishes_by_setting_rows_aside() -> None:
    _, report, _ = checked({"a.csv": rows(1000, _5=row(2, 256))})
    assert "every row of class '2' cannot be used: set aside, the class would vanish" in str(
        report["problems"]
    )


def test_a_long_list_has_a_file_of_its_own() -> None:
    bad = {f"_{place}": RAGGED for place in range(0, 1200, 20)}
    world, report, folder = checked({"a.csv": rows(1200, **bad)}, '{"bad_rows": 0.1}')
    assert report["set_aside_count"] == 60
    listed = world.storage.get_bytes(folder + "set_aside.csv").decode()
    read = list(csv_text.DictReader(io.StringIO(listed)))
    assert len(read) == 60
    assert read[1] == {
        "file": "a.csv",
        "line": "21",
        "column": "",
        "reason": "the row has 63 pixels, the others have 64",
    }
    assert "set_aside.csv lists all" in world.storage.get_bytes(folder + "report.txt").decode()


def test_what_is_wrong_with_a_file_is_never_set_aside() -> None:
    good = rows(3000)
    for name, body, reason in (
        ("b.csv.gz", good, "the compressed file is broken"),
        ("b.csv", b"", "the file is empty"),
        ("b.csv", good.decode().encode("utf-16"), "UTF-16"),
    ):
        _, report, _ = checked({"a.csv": good, name: body}, '{"bad_rows": 0.1}')
        assert reason in report["summary"]


def test_read_in_pieces_the_same_rows_are_set_aside() -> None:
    header = ",".join(["label", *[f"pixel{i}" for i in range(64)]])
    bad = {"_7": RAGGED, "_1500": NAN, "_1501": "", "_2999": LARGE, "_2000": row("one", 3)}
    body = csv(header) + rows(5000, **bad)
    whole = checked({"a.csv": body})
    assert whole[1]["set_aside_count"] == 5
    world = World()
    world.put("a.csv", body)
    version = look(world.storage, DATASET).version
    preflight = Preflight(world.storage, lambda: world.now, LOG, 100_000)
    preflight.run(Asked(DATASET, version, 1))
    for piece in range(50):
        if world.storage.head(whole[2] + "report.json") is not None:
            break
        preflight.run(Asked(DATASET, version, 1, piece=piece))
    assert piece > 3
    for name in ("report.json", "version.json"):
        in_pieces, in_one = (w.storage.get_json(whole[2] + name) for w in (world, whole[0]))
        for one in (in_pieces, in_one):
            one.pop("finished", None)
            for file in one["files"]:
                file.pop("version_id", None)
        assert in_pieces == in_one


def test_data_put_right_while_the_job_starts_ends_it_and_is_trained_next() -> None:
    world = World()
    world.results = [Broken("AlgorithmError: data changed: a.csv has other content"), Trained()]
    world.put("a.csv", rows(1000, _7=NAN))
    world.ready()
    world.until("Training")
    first = look(world.storage, DATASET).version
    world.put("a.csv", rows(1000))
    world.ready()
    status = world.settle()
    second = look(world.storage, DATASET).version
    assert (status["outcome"], status["version"]) == ("Live", second)
    files = [
        world.storage.get_json(f"reports/{DATASET}/preflight/{version}/version.json")["files"]
        for version in (first, second)
    ]
    assert [file.get("set_aside") for [file] in files] == [[7], None]
    assert len(world.jobs) == 2


def test_data_that_was_another_while_the_job_started_is_trained_after_all() -> None:
    world = World()
    changed = Broken("AlgorithmError: data changed: a.csv has other content")
    world.results = [changed, Trained()]
    first = rows(1000)
    world.put("a.csv", first)
    world.ready()
    world.until("Training")
    world.put("a.csv", rows(1001))
    world.put("a.csv", first)
    status = world.settle()
    assert (status["outcome"], len(world.jobs)) == ("Live", 2)

    world = World()  # once: whatever is wrong else is said
    world.results = [changed, changed]
    world.drop(first)
    assert world.status()["outcome"] == "Failed"
    assert "data changed: a.csv has other content" in world.status()["message"]
    assert len(world.jobs) == 2


@pytest.mark.parametrize(
    "reason",
    [
        "AlgorithmError: data changed: a.csv has other content, exit code: 1",
        "ClientError: Data download failed:a.csv: NoSuchKey",
    ],
)
def test_data_that_comes_back_after_its_job_met_other_data_is_trained(reason: str) -> None:
    world = World()
    world.results = [Broken(reason)]
    first = rows(1000)
    world.put("a.csv", first)
    world.ready()
    world.until("Training")
    world.put("a.csv", rows(1001))
    assert world.settle()["outcome"] == "Live"
    world.put("a.csv", first)
    status = world.settle()
    assert (status["outcome"], len(world.jobs)) == ("Live", 3)
    assert status["version"] == look(world.storage, DATASET).version
