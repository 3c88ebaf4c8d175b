"""The training container as SageMaker runs it, for tests: its folders, its data, its process."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SOURCE = Path(__file__).resolve().parents[3] / "training_job"
CLASSES = ["left", "middle", "Größe/right"]


@dataclass(frozen=True)
class Job:
    """One container: the folders that SageMaker gives it, and the code where it unpacks it."""

    folder: Path

    @property
    def model(self) -> Path:
        return self.folder / "model"

    @property
    def data(self) -> Path:
        return self.folder / "output" / "data"

    @property
    def failure(self) -> str:
        return (self.folder / "output" / "failure").read_text(encoding="utf-8")

    def start(
        self, *flags: str, champion: Path | None = None, challenger: Path | None = None
    ) -> subprocess.Popen[str]:
        shutil.copytree(SOURCE, self.folder / "code", ignore=shutil.ignore_patterns("__pycache__"))
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SM_")} | {
            "SAGEMAKER_BASE_DIR": str(self.folder),  # checkpoints and TensorBoard's files
            "SM_CHANNEL_TRAIN": str(self.folder / "train"),
            "SM_CHANNEL_VERSION": str(self.folder / "version"),
            "SM_MODEL_DIR": str(self.model),
            "SM_OUTPUT_DIR": str(self.folder / "output"),
            "SM_OUTPUT_DATA_DIR": str(self.data),
            "TRAINING_JOB_NAME": self.folder.name,
        }
        if champion is not None:
            environment["SM_CHANNEL_CHAMPION"] = str(champion)
        if challenger is not None:
            environment["SM_CHANNEL_CHALLENGER"] = str(challenger)
        return subprocess.Popen(
            [
                sys.executable,
                "train.py",
                "--model_dir",
                "None/x/model",
                "--batch_size",
                "16",
                *flags,
            ],
            cwd=self.folder / "code",
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(
        self, *flags: str, champion: Path | None = None, challenger: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        process = self.start(*flags, champion=champion, challenger=challenger)
        out, errors = process.communicate(timeout=300)
        return subprocess.CompletedProcess([], process.returncode, out, errors)


def images(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """RGB images 6 high, 9 wide: noise on black, with a bright bar whose place is the class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, count)
    pixels = rng.integers(0, 40, (count, 6, 9, 3), dtype=np.uint8)
    for pixel, label in zip(pixels, labels, strict=True):
        pixel[1:5, 3 * label + 1] = 220
    return pixels, labels


def new_job(folder: Path) -> Job:
    """A job with 240 training and 60 test rows, its channels filled."""
    for name in ("train/sub", "version"):
        (folder / name).mkdir(parents=True)
    files = []
    for path, role, count, seed in (("sub/a.csv", "train", 240, 1), ("b_test.csv", "test", 60, 2)):
        pixels, labels = images(count, seed)
        if role == "train":  # two images of the test file
            pixels[:2], labels[:2] = images(60, 2)[0][:2], images(60, 2)[1][:2]
        rows = np.column_stack([labels + 10, pixels.reshape(count, -1)])
        content = "\n".join(",".join(map(str, row)) for row in rows).encode()
        (folder / "train" / path).write_bytes(content)
        files.append(
            {
                "key": f"datasets/bars/{path}",
                "path": path,
                "version_id": "1",
                "etag": "e",
                "size": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
                "role": role,
                "header": False,
                "rows": count,
            }
        )
    document = {
        "format": 1,
        "dataset": "bars",
        "version": "ab" * 32,
        "bucket": "bucket",
        "prefix": "datasets/bars/",
        "files": files,
        "shape": {"height": 6, "width": 9, "channels": 3},
        "classes": CLASSES,
        "labels": ["10", "11", "12"],
    }
    (folder / "version" / "version.json").write_text(json.dumps(document))
    return Job(folder)


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))
