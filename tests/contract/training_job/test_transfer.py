"""Transfer learning on a folder of photos, with the weights from a channel and nothing downloaded.

The photos are real ones, cut into pieces of many sizes; the weights are random. What is shown is
the way from photos to answers over HTTP, not what ImageNet's weights are worth.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets
from PIL import Image

from tests.contract.serving.container import running

REPO = Path(__file__).resolve().parents[3]
SOURCE = REPO / "training_job"
SERVING = str(REPO / os.environ.get("PIGEONHOLE_VENVS", ".venvs") / "serving" / "bin" / "python")
PHOTOS = Path(sklearn.datasets.__file__).parent / "images"
CLASSES = ["china", "flower"]  # scikit-learn's two photographs, 640 x 427
WEIGHTS = """
import sys, keras
base = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(64, 64, 3))
base.save_weights(sys.argv[1])
"""


def photograph(label: str, number: int, role: str = "train") -> Image.Image:
    """A piece of the photograph: to train with from its left, to be held out from its right."""
    whole = Image.open(PHOTOS / f"{label}.jpg")
    rng = np.random.default_rng([CLASSES.index(label), number])
    width, height = int(rng.integers(40, 160)), int(rng.integers(40, 160))
    left, right = (0, 400) if role == "train" else (400, whole.width)
    x = int(rng.integers(left, right - width))
    y = int(rng.integers(0, whole.height - height))
    return whole.crop((x, y, x + width, y + height))


def as_jpeg(image: Image.Image) -> bytes:
    content = io.BytesIO()
    image.save(content, "JPEG", quality=90)
    return content.getvalue()


def write_photos(folder: Path) -> list[dict]:
    """20 photos to train on and 6 held out, and how version.json names them."""
    files = []
    for role, count in (("train", 20), ("test", 6)):
        for number in range(count):
            label = CLASSES[number % 2]
            path = folder / role / label / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            content = as_jpeg(photograph(label, number, role))
            path.write_bytes(content)
            files.append(
                {
                    "key": f"datasets/photos/{path.relative_to(folder)}",
                    "path": str(path.relative_to(folder)),
                    "version_id": "1",
                    "etag": "e",
                    "size": len(content),
                    "sha256": None,
                    "md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
                    "role": role,
                    "label": label,
                }
            )
    return files


def test_photos_become_answers_by_way_of_frozen_base_and_fine_tuning(tmp_path: Path) -> None:
    for name in ("train", "version", "weights", "keras"):
        (tmp_path / name).mkdir()
    document = {
        "format": 2,
        "dataset": "photos",
        "version": "cd" * 32,
        "bucket": "bucket",
        "prefix": "datasets/photos/",
        "kind": "images",
        "range": [0, 255],
        "files": write_photos(tmp_path / "train"),
        "shape": {"height": 32, "width": 32, "channels": 3},
        "classes": CLASSES,
        "labels": CLASSES,
    }
    (tmp_path / "version" / "version.json").write_text(json.dumps(document))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SM_")} | {
        "SAGEMAKER_BASE_DIR": str(tmp_path),
        "SM_CHANNEL_TRAIN": str(tmp_path / "train"),
        "SM_CHANNEL_VERSION": str(tmp_path / "version"),
        "SM_CHANNEL_WEIGHTS": str(tmp_path / "weights"),
        "KERAS_HOME": str(tmp_path / "keras"),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    weights = str(tmp_path / "weights" / "resnet50.weights.h5")
    subprocess.run([sys.executable, "-c", WEIGHTS, weights], env=environment, check=True)
    flags = ["--preset", "resnet50", "--epochs", "1", "--fine_tune_epochs", "1"]
    job = subprocess.run(
        [sys.executable, "train.py", *flags, "--batch_size", "10"],
        cwd=SOURCE,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert job.returncode == 0, job.stdout + job.stderr

    assert len(re.findall("^epoch=", job.stdout, re.MULTILINE)) == 2
    history = json.loads((tmp_path / "output" / "data" / "history.json").read_text())
    assert [phase["trainable"] for phase in history["recipe"]["phases"]] == ["head", "base:33"]
    assert not (tmp_path / "keras" / "models").exists(), "weights were downloaded"
    with running(tmp_path / "model", tmp_path / "log", SERVING, PYTHONPATH="") as container:
        status, _, content = container.call(as_jpeg(photograph("china", 7, "test")), "image/jpeg")
        assert (status, json.loads(content)["label"] in CLASSES) == (200, True)
        golden = (tmp_path / "model" / "golden.jsonl").read_text().splitlines()
        assert len(golden) == 6
        for known in map(json.loads, golden):
            status, _, content = container.call(base64.b64decode(known["png"]), "image/png")
            answer = json.loads(content)["probabilities"]
            assert [answer[label] for label in CLASSES] == pytest.approx(
                known["probabilities"], abs=1e-3
            )
