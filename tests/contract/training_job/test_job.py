"""The job as SageMaker runs it, to its end: a process, files in, files out. It also runs on JAX."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from .container import CLASSES, SOURCE, Job, images, new_job, read

NUMBER = r"([0-9.]+)"
EPOCH_LINE = re.compile(
    rf"^epoch=\d+; train_loss={NUMBER}; train_accuracy={NUMBER}; "
    rf"validation_loss={NUMBER}; validation_accuracy={NUMBER}; seconds={NUMBER}; "
    r"learning_rate=[-0-9.e]+;$",
    re.MULTILINE,
)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, str, str]:
    """A finished first job, its stdout and its stderr."""
    job = new_job(tmp_path_factory.mktemp("first"))
    flags = ("--epochs", "6", "--code_version", "c1", "--dataset_version", "ab" * 32)
    result = job.run(*flags)
    assert result.returncode == 0, result.stdout + result.stderr
    return job, result.stdout, result.stderr


def test_metric_lines_and_nothing_else_than_plain_sentences(first: tuple[Job, str, str]) -> None:
    _, out, errors = first
    assert len(EPOCH_LINE.findall(out)) == 6
    assert len(re.findall(rf"^heldout_accuracy={NUMBER};$", out, re.MULTILINE)) == 1
    assert "champion_accuracy" not in out
    for step in ("Checking", "Reading 300 rows", "Training default on", "Evaluating", "Exporting"):
        assert step in out
    assert f"with {os.environ.get('KERAS_BACKEND', 'tensorflow')}, float32\n" in out
    assert errors == ""


def test_the_outputs_are_what_is_promised_and_no_more(first: tuple[Job, str, str]) -> None:
    job, _, _ = first
    assert sorted(p.name for p in job.model.iterdir()) == [
        "golden.jsonl",
        "model.json",
        "model.onnx",
        "trained_rows.bin",
    ]
    assert sorted(p.name for p in job.data.iterdir()) == [
        "evaluation.json",
        "history.json",
        "model.keras",
        "reports",
    ]
    assert not (job.folder / "output" / "failure").exists()
    assert not list((job.folder / "checkpoints").iterdir())  # training once more begins afresh


def test_the_reports_are_whole_and_tell_of_this_job(first: tuple[Job, str, str]) -> None:
    job, out, _ = first
    reports = job.data / "reports"
    assert "could not be drawn" not in out
    found = {str(p.relative_to(reports)) for p in reports.rglob("*") if p.is_file()}
    assert {
        "index.html",
        "model_card.md",
        "model_card.json",
        "data/data.json",
        "data/both_sides.csv",
        "data/label_errors.csv",
        "evaluation/confusion.csv",
        "evaluation/per_class.csv",
        "evaluation/predictions.csv",
        "profile/profile.json",
    } <= found
    page = (reports / "index.html").read_text(encoding="utf-8")
    accuracy = read(job.data / "evaluation.json")["challenger"]["accuracy"]
    assert "The model is right for " + ("100.0%" if accuracy == 1 else f"{accuracy:.1%}") in page
    assert "2 training rows left out" in page  # they are held out too
    assert "://" not in re.sub(r'xmlns(:xlink)?="[^"]*"', "", page)  # names, not addresses


def test_the_job_leaves_its_profile_and_event_files(first: tuple[Job, str, str]) -> None:
    job, out, _ = first
    profile = read(job.data / "reports" / "profile" / "profile.json")
    assert [epoch["epoch"] for epoch in profile["epochs"]] == [1, 2, 3, 4, 5, 6]
    assert profile["gradients"][0]["norms"].keys() == profile["sizes"].keys()
    assert profile["dead_units"]
    assert profile["notes"] == []
    assert "ended early" not in out  # neither the watch nor TensorBoard's writer failed
    (events,) = (job.folder / "output" / "tensorboard").iterdir()
    assert events.name.startswith("events.out.tfevents.")
    assert events.stat().st_size > 10_000


def test_the_documents_have_the_documented_form(first: tuple[Job, str, str]) -> None:
    job, out, _ = first
    evaluation, model = read(job.data / "evaluation.json"), read(job.model / "model.json")
    assert evaluation["heldout"] == {
        "rows": 60,
        "source": "test files",
        "majority_share": pytest.approx(np.bincount(images(60, 2)[1]).max() / 60, abs=1e-6),
        "excluded_duplicates_of_training_rows": 2,
    }
    assert evaluation["champion"] is None
    assert evaluation["paired"] is None
    accuracy = evaluation["challenger"]["accuracy"]
    assert accuracy > 0.9
    assert set(evaluation["challenger"]["recall"]) == set(CLASSES)
    assert f"heldout_accuracy={accuracy:.4f};" in out
    low, high = evaluation["challenger"]["interval"]
    assert low < accuracy <= high
    assert sum(map(sum, evaluation["confusion"]["counts"])) == 60
    calibration = evaluation["calibration"]
    assert calibration["after"]["log_loss"] == evaluation["challenger"]["log_loss"]
    assert sum(each["rows"] for each in calibration["before"]["bins"]) == 60
    assert [each["precision"] for each in evaluation["export"]["candidates"]] == ["float32"]
    assert model == {
        "format": 2,
        "input": {
            "height": 6,
            "width": 9,
            "channels": 3,
            "range": [0, 255],
            "foreground": "light",
        },
        "classes": CLASSES,
        "temperature": calibration["temperature"],
        "precision": "float32",
        "preset": "default",
        "metrics": {
            "heldout_accuracy": accuracy,
            "heldout_rows": 60,
            "heldout_ece": evaluation["challenger"]["ece"],
        },
        "dataset": "bars",
        "dataset_version": "ab" * 32,
        "training_job": job.folder.name,
        "code_version": "c1",
    }
    history = read(job.data / "history.json")
    assert [epoch["epoch"] for epoch in history["epochs"]] == [1, 2, 3, 4, 5, 6]
    assert history["recipe"]["phases"] == [
        {"epochs": 6, "learning_rate": 0.025, "trainable": "all"}
    ]


def test_the_onnx_model_answers_the_golden_images_as_keras_did(
    first: tuple[Job, str, str],
) -> None:
    job, _, _ = first
    session = onnxruntime.InferenceSession(str(job.model / "model.onnx"))
    taken, given = session.get_inputs()[0], session.get_outputs()[0]
    assert (taken.type, taken.shape[1:]) == ("tensor(float)", [6, 9, 3])
    assert (given.type, given.shape[1:]) == ("tensor(float)", [3])
    lines = (job.model / "golden.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 32
    for line in map(json.loads, lines):
        answer = session.run(None, {taken.name: unpacked(base64.b64decode(line["png"]))})[0]
        assert answer[0] == pytest.approx(line["probabilities"], abs=1e-3)
        assert answer.sum() == pytest.approx(1, abs=1e-5)
        assert line["label"] in CLASSES


def unpacked(png: bytes) -> np.ndarray:
    """A PNG as float32 (1, 6, 9, 3)."""
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image, np.float32)[np.newaxis]


def test_the_model_runs_without_us_by_the_lines_of_its_page(
    first: tuple[Job, str, str], tmp_path: Path
) -> None:
    page = (SOURCE.parent / "docs" / "model.md").read_text(encoding="utf-8")
    lines = page.split("```python\n")[1].split("```")[0]
    model, golden = first[0].model, first[0].model / "golden.jsonl"
    line = json.loads(golden.read_text(encoding="utf-8").splitlines()[0])
    shutil.copytree(model, tmp_path, dirs_exist_ok=True)
    (tmp_path / "picture.png").write_bytes(base64.b64decode(line["png"]))
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", lines],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    best = max(line["probabilities"])
    name = CLASSES[line["probabilities"].index(best)]
    assert done.stderr == ""
    label, probability = done.stdout.rsplit(maxsplit=1)
    assert label == name
    assert float(probability) == pytest.approx(best, abs=2e-4)


def test_trained_rows_are_those_that_were_not_held_out(first: tuple[Job, str, str]) -> None:
    job, _, _ = first
    kept = images(240, 1)[0][2:]
    expected = sorted(hashlib.blake2b(p.tobytes(), digest_size=8).digest() for p in kept)
    assert (job.model / "trained_rows.bin").read_bytes() == b"".join(expected)


def test_the_same_seed_gives_the_same_model_and_a_draw_with_the_champion(
    first: tuple[Job, str, str], tmp_path: Path
) -> None:
    champion = tmp_path / "champion"
    champion.mkdir()
    with tarfile.open(champion / "model.tar.gz", "w:gz") as tar:
        for path in first[0].model.iterdir():
            tar.add(path, path.name)
    job = new_job(tmp_path / "second")
    result = job.run("--epochs", "6", champion=champion)
    assert result.returncode == 0, result.stdout + result.stderr
    golden = [(j.model / "golden.jsonl").read_bytes() for j in (first[0], job)]
    assert golden[0] == golden[1]
    evaluation = read(job.data / "evaluation.json")
    assert evaluation["champion"] == {
        "training_job": first[0].folder.name,
        "dataset_version": "ab" * 32,
        "same_classes": True,
        "same_shape": True,
        **evaluation["challenger"],
    }
    paired = evaluation["paired"]
    classes = paired.pop("classes")
    assert paired == {
        "rows": 60,
        "only_challenger_right": 0,
        "only_champion_right": 0,
        "difference": 0.0,
        "standard_error": 0.0,
    }
    assert classes.keys() == set(CLASSES)
    assert sum(one["rows"] for one in classes.values()) == 60
    assert {one["only_champion_right"] for one in classes.values()} == {0}
    accuracy = evaluation["champion"]["accuracy"]
    assert f"\nchampion_accuracy={accuracy:.4f};\n" in result.stdout
