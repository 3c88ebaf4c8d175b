"""Names of input objects, packing, unpacking, metrics, the private /opt/ml."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from localcloud.sagemaker import private
from localcloud.sagemaker.clock import SystemClock
from localcloud.sagemaker.metrics import MetricWatch
from localcloud.sagemaker.s3data import DataError, relative_path, split_uri, unpack


@pytest.mark.parametrize(
    ("prefix", "key", "path"),
    [
        ("a/b/", "a/b/c/d.csv", "c/d.csv"),
        ("a/b", "a/b/c.csv", "c.csv"),
        ("a/b.csv", "a/b.csv", "b.csv"),
        ("a/img1", "a/img10/x.png", "img10/x.png"),
        ("", "x.png", "x.png"),
    ],
)
def test_relative_path(prefix: str, key: str, path: str) -> None:
    assert relative_path(prefix, key) == path


def test_split_uri() -> None:
    assert split_uri("s3://bucket/a b/c?d#e") == ("bucket", "a b/c?d#e")
    assert split_uri("s3://bucket") == ("bucket", "")


def archive(path: Path, name: str) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        info = tarfile.TarInfo(name)
        info.size = 2
        tar.addfile(info, io.BytesIO(b"hi"))
    return path


def test_unpack_appears_whole(tmp_path: Path) -> None:
    unpack(archive(tmp_path / "a.tar.gz", "x/y"), tmp_path / "out")
    assert (tmp_path / "out/x/y").read_text() == "hi"


@pytest.mark.parametrize("name", ["../outside", "/tmp/absolute-path-of-a-test/../../outside"])
def test_unpack_does_not_write_elsewhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError):
        unpack(archive(tmp_path / "a.tar.gz", name), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar.gz"]


def test_unpack_of_no_archive(tmp_path: Path) -> None:
    broken = archive(tmp_path / "a.tar.gz", "x")
    broken.write_bytes(broken.read_bytes()[:20])
    with pytest.raises(DataError, match="cannot be extracted"):
        unpack(broken, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_metrics_keep_the_last_number_of_each_definition() -> None:
    definitions = [
        {"Name": "loss", "Regex": r"loss=(\S+?);"},
        {"Name": "never", "Regex": "never=(.*)"},
    ]
    watch = MetricWatch(definitions, SystemClock())
    for line in ("loss=0.5; loss=0.25;", "loss=nan;", "loss=many;", "other"):
        watch.line(line)
    assert [(m["MetricName"], m["Value"]) for m in watch.final()] == [("loss", 0.25)]


def test_a_line_on_which_an_expression_takes_for_ever_is_left_out() -> None:
    definitions = [
        {"Name": "slow", "Regex": "(x+x+)+y"},
        {"Name": "loss", "Regex": r"loss=(\S+?);"},
    ]
    watch = MetricWatch(definitions, SystemClock(), patience=0.01)
    watch.line("x" * 5000 + "loss=0.5;")
    assert [(m["MetricName"], m["Value"]) for m in watch.final()] == [("loss", 0.5)]


def test_a_progress_bar_is_one_long_line() -> None:
    watch = MetricWatch([{"Name": "loss", "Regex": r".*val_loss=([0-9.]+)"}], SystemClock())
    watch.line("12/938 [....] - ETA: 3s - accuracy: 0.5\b\b\b" * 6000 + "val_loss=0.5")
    assert [m["Value"] for m in watch.final()] == [0.5]


@pytest.mark.skipif(not private.available(), reason="the system gives no private mounts")
def test_private_opt_ml_is_seen_inside_alone(tmp_path: Path) -> None:
    stage, root, model = tmp_path / "stage", tmp_path / "ml", tmp_path / "artifact"
    for path in (stage, root / "model", model):
        path.mkdir(parents=True)
    (model / "m").write_text("model")
    script = "cat /opt/ml/model/m && echo made > /opt/ml/new && ! echo no 2>&- > /opt/ml/model/n"
    command = private.wrap(["sh", "-c", script], stage=stage, root=root, read_only={"model": model})
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "model"), done.stderr
    assert (root / "new").read_text() == "made\n"
    assert not Path("/opt/ml/new").exists()
    assert not (model / "n").exists()
