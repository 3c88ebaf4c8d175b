"""Checkpoints: whole or not there, and none of another run."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path

import numpy as np
import pytest
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


def test_whatever_bit_is_wrong_it_is_that_checkpoint_or_none(tmp_path: Path) -> None:
    ours = checkpoints(tmp_path, [])
    ours.save(at(10))
    (path,) = tmp_path.iterdir()
    content, given = path.read_bytes(), at(10)
    directory = content.index(b"PK\x01\x02")  # of the zip: no checksum covers it
    for place in range(directory, len(content)):
        for bit in (0, 3, 6):
            wrong = bytes([content[place] ^ 1 << bit])
            path.write_bytes(content[:place] + wrong + content[place + 1 :])
            found = ours.newest()
            if found is not None:
                assert (found.steps, found.place) == (given.steps, given.place)
                pairs = zip((*found.state, *found.best), (*given.state, *given.best), strict=True)
                assert all(np.array_equal(one, other) for one, other in pairs)


def test_a_full_disk_leaves_the_checkpoints_there_were(tmp_path: Path) -> None:
    ours = checkpoints(tmp_path, [])
    ours.save(at(10))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            ours.save(at(20))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-0000000010.npz"]
    found = ours.newest()
    assert found is not None
    assert found.steps == 10


def test_one_of_another_run_is_not_used(tmp_path: Path) -> None:
    said: list[str] = []
    checkpoints(tmp_path, said).save(at(10))
    assert checkpoints(tmp_path, said, code="c2", recipe={"epochs": 4}).newest() is None
    assert said == [
        "The checkpoint checkpoint-0000000010.npz is not used: its run had another code, recipe"
    ]


def test_those_of_another_run_make_place_however_far_it_was(tmp_path: Path) -> None:
    for steps in (4_990, 5_000):
        checkpoints(tmp_path, []).save(at(steps))
    ours = checkpoints(tmp_path, [], code="c2")
    for steps in (10, 20, 30):
        ours.save(at(steps))
        found = ours.newest()
        assert found is not None
        assert found.steps == steps
    assert len(list(tmp_path.iterdir())) <= 4


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
