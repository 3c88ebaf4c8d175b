"""The images.toml of a local cloud's own folder."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from localcloud.home import Home, Ports
from localcloud.supervisor import CloudFailed, images_of, run

OWN = """
[[image]]
pattern = "*/mine:*"
command = ["{repo}/mine.sh"]

[[image]]
pattern = "*/pigeonhole-serving:*"
command = ["/instead"]
"""


def test_a_folder_s_own_images_come_before_the_project_s(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    assert images_of(home, {}).resolve("a/pigeonhole-serving:1").command != ("/instead",)
    home.images_file.write_text(OWN)
    images = images_of(home, {})
    assert images.resolve("a/mine:1").command[0].endswith("/mine.sh")
    assert images.resolve("a/pigeonhole-serving:1").command == ("/instead",)
    assert images.resolve("a/pigeonhole-training:1").command


@pytest.mark.parametrize("text", ["[[image]", "[[image]]\npattern = 'a'", "\xff"])
def test_a_file_that_makes_no_sense_stops_the_start_and_is_named(tmp_path: Path, text: str) -> None:
    home = Home.at(tmp_path)
    home.images_file.write_bytes(text.encode("latin-1"))
    with pytest.raises(CloudFailed, match=str(home.images_file)):
        run(home, Ports(5000), "us-east-1", {}, threading.Event())
    assert not home.lock_file.exists()
