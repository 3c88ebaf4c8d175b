"""Checkpoints: whole or not there, and none of another run."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from pigeonhole_training.fitting.checkpoints import SETTLED_SECONDS, Checkpoint, Checkpoints


def at(steps: int) -> Checkpoint:
    state = [np.full((2, 3), steps, np.float32), np.array([7, steps], np.uint32)]
    return Checkpoint(steps, {"epoch": steps // 10}, state, [np.full(4, -steps, np.float32)])


def checkpoints(folder: Path, said: list[str], **fingerprint: object) -> Checkpoints:
    return Checkpoints(folder, {"recipe": {"epochs": 3}, "code": "c1"} | fingerprint, said.append)


def test_the_newest_comes_back_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "checkpoints"
    said: list[str] = []
    for steps in (9, 10, 1200):
        checkpoints(folder, said).save(at(steps))
    found = checkpoints(folder, said).newest()
    assert found is not None
    assert (found.steps, found.place) == (1200, {"epoch": 120})
    saved = at(1200)
    pairs = zip((*found.state, *found.best), (*saved.state, *saved.best), strict=True)
    for got, given in pairs:
        assert got.dtype == given.dtype
        assert np.array_equal(got, given)
    assert not said


def test_few_are_kept_and_one_of_them_is_in_s3_already(tmp_path: Path) -> None:
    """One a second, over two minutes: SageMaker takes half a minute to put a file."""
    ours = checkpoints(tmp_path, [])
    most = 0
    for second in range(1, 121):
        for path in tmp_path.iterdir():  # a second passes
            status = path.stat()
            os.utime(path, (status.st_atime, status.st_mtime - 1))
        ours.save(at(second))
        steps = sorted(int(path.stem.split("-")[1]) for path in tmp_path.iterdir())
        most = max(most, len(steps))
        assert steps[-2:] == [second - 1, second][-len(steps) :]
        if second > SETTLED_SECONDS:
            assert any(SETTLED_SECONDS <= second - step <= 65 for step in steps)
    assert most == 4


def test_a_damaged_one_falls_back_to_the_one_before(tmp_path: Path) -> None:
    def damage(how: str, content: bytes) -> bytes:
        middle = content.index(np.full(3, 20, np.float32).tobytes())
        if how == "flipped":
            return content[:middle] + b"\xff" + content[middle + 1 :]
        return content[:middle] if how == "cut" else b""

    for how in ("flipped", "cut", "empty"):
        said: list[str] = []
        folder = tmp_path / how
        ours = checkpoints(folder, said)
        ours.save(at(10))
        ours.save(at(20))
        newest = folder / "checkpoint-0000000020.npz"
        newest.write_bytes(damage(how, newest.read_bytes()))
        found = ours.newest()
        assert found is not None
        assert found.steps == 10
        assert len(said) == 1
        assert said[0].startswith("The checkpoint checkpoint-0000000020.npz is damaged")


def test_one_of_another_run_is_not_used(tmp_path: Path) -> None:
    said: list[str] = []
    checkpoints(tmp_path, said).save(at(10))
    assert checkpoints(tmp_path, said, code="c2", recipe={"epochs": 4}).newest() is None
    assert said == [
        "The checkpoint checkpoint-0000000010.npz is not used: its run had another code, recipe"
    ]


def test_a_run_that_is_over_leaves_nothing_and_nobody_elses_files_go(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / ".checkpoint.tmp").write_bytes(b"half")
    ours = checkpoints(tmp_path, [])
    ours.save(at(10))
    ours.clear()
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]
    assert ours.newest() is None


def test_there_may_be_no_folder(tmp_path: Path) -> None:
    ours = checkpoints(tmp_path / "none", [])
    assert ours.newest() is None
    ours.clear()
