"""Transfer learning on a folder of photos, with the weights from a channel and nothing downloaded.

The weights here are random and the photos small: what is shown is the way from photos to a model,
not what ImageNet's weights are worth.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

SOURCE = Path(__file__).resolve().parents[3] / "training_job"
CLASSES = ["beagle", "poodle"]
COLOURS = {"beagle": (220, 150, 60), "poodle": (40, 60, 200)}
WEIGHTS = """
import sys, keras
base = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(64, 64, 3))
base.save_weights(sys.argv[1])
"""


def photograph(label: str, number: int) -> Image.Image:
    """A blurred spot of the breed's colour, each time elsewhere."""
    rng = np.random.default_rng([CLASSES.index(label), number])
    rows, columns = np.mgrid[0:32, 0:32]
    distance = np.hypot(rows - rng.integers(8, 24), columns - rng.integers(8, 24))
    spot = np.exp(-((distance / 9) ** 2))[..., None] * COLOURS[label]
    pixels = spot + rng.integers(0, 30, (32, 32, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def write_photos(folder: Path) -> list[dict]:
    """20 photos to train on and 6 held out, and how version.json names them."""
    files = []
    for role, count in (("train", 20), ("test", 6)):
        for number in range(count):
            label = CLASSES[number % 2]
            path = folder / role / label / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            photograph(label, number + 1000 * (role == "test")).save(path)
            content = path.read_bytes()
            files.append(
                {
                    "key": f"datasets/dogs/{path.relative_to(folder)}",
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


def test_photos_become_a_model_by_way_of_frozen_base_and_fine_tuning(tmp_path: Path) -> None:
    for name in ("train", "version", "weights", "keras"):
        (tmp_path / name).mkdir()
    document = {
        "format": 2,
        "dataset": "dogs",
        "version": "cd" * 32,
        "bucket": "bucket",
        "prefix": "datasets/dogs/",
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
    session = onnxruntime.InferenceSession(tmp_path / "model" / "model.onnx")
    pixels = np.asarray(photograph("beagle", 7), np.float32)[None]
    (answer,) = session.run(None, {session.get_inputs()[0].name: pixels})
    assert answer.shape == (1, len(CLASSES))
    assert abs(answer.sum() - 1) < 1e-5
    assert not (tmp_path / "keras" / "models").exists(), "weights were downloaded"
