"""images.toml: which image runs as which command."""

from __future__ import annotations

from pathlib import Path

import pytest

from localcloud.images import Images, UnknownImage

VENVS, REPO = Path("/venvs"), Path("/repo")


def test_the_projects_own_images() -> None:
    images = Images.load(venvs=VENVS, repo=REPO)
    registry = "763104351884.dkr.ecr.us-east-1.amazonaws.com"
    training = images.resolve(f"{registry}/tensorflow-training:2.21.0-gpu-py312")
    assert training.command == ("/venvs/training/bin/python", "/repo/localcloud/toolkit.py")
    assert images.resolve("x/pigeonhole-training:1").command == training.command
    serving = images.resolve("x/pigeonhole-serving:1")
    assert serving.command == ("/venvs/serving/bin/python", "-m", "serving")
    assert serving.cwd == REPO


def test_unknown_image_is_told_what_to_do() -> None:
    with pytest.raises(UnknownImage, match=r"a/b:1 matches no pattern of localcloud/images.toml"):
        Images.load(venvs=VENVS, repo=REPO).resolve("a/b:1")


def test_extra_files_come_first(tmp_path: Path) -> None:
    extra = tmp_path / "mine.toml"
    extra.write_text('[[image]]\npattern = "*"\ncommand = ["{repo}/x"]\n')
    images = Images.load(venvs=VENVS, repo=REPO, extra=[extra])
    assert images.resolve("x/pigeonhole-serving:1").command == ("/repo/x",)


@pytest.mark.parametrize("text", ["not toml", "[[image]]\npattern = 'x'", "image = 3"])
def test_a_file_that_cannot_be_understood_is_named(tmp_path: Path, text: str) -> None:
    extra = tmp_path / "bad.toml"
    extra.write_text(text)
    with pytest.raises(ValueError, match=r"bad\.toml"):
        Images.load(venvs=VENVS, repo=REPO, extra=[extra])
