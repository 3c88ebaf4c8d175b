"""What the demo makes of a CSV."""

from __future__ import annotations

import gzip
import io
import socket
from pathlib import Path

from PIL import Image

from cli.demo import Material, cloud_port, make_folder
from cli.pictures import Picture, read_pictures


def test_rows_become_the_pictures_they_hold(tmp_path: Path) -> None:
    pixels = bytes(range(0, 144, 9))
    text = "label,p1,p2\n" + "3," + ",".join(map(str, pixels)) + "\n"
    packed = tmp_path / "a_test.csv.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    (picture,) = read_pictures(packed)
    assert picture.label == "3"
    image = Image.open(io.BytesIO(picture.png()))
    assert (image.size, image.mode, image.tobytes()) == ((4, 4), "L", pixels)


def test_folder_has_200_files_two_of_them_no_pictures(tmp_path: Path) -> None:
    heldout = [Picture(str(n % 2), bytes([n % 256]) * 16) for n in range(1000)]
    material = Material([], heldout, ["Bag", "Coat"])
    truth = make_folder(tmp_path / "images", material)
    truth_again = make_folder(tmp_path / "images", material)
    names = {path.name for path in (tmp_path / "images").iterdir()}
    assert truth == truth_again
    assert len(names) == 200
    assert names - set(truth) == {"broken.png", "notes.txt"}
    assert set(truth.values()) == {"Bag", "Coat"}


def test_port_is_kept_between_runs_and_given_up_when_taken(tmp_path: Path) -> None:
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        taken = any_port.getsockname()[1]
        any_port.listen()
        (tmp_path / "port").write_text(f"{taken}\n")
        port = cloud_port(tmp_path)
    assert port != taken
    assert cloud_port(tmp_path) == port
