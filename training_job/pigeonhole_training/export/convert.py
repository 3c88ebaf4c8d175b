"""`python -m pigeonhole_training.export.convert model.keras model.onnx`, in a process of its own.

Keras' way to ONNX leads through TensorFlow. A job that trains on another backend starts this with
`KERAS_BACKEND=tensorflow` and without its GPU, which the job itself holds.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pigeonhole_training.errors import BadExport

SHOWN = 500  # characters of what the process said last


def convert(source: Path, target: Path) -> None:
    """Writes the model in `source` (.keras) to `target` (.onnx). Raises BadExport."""
    root = str(Path(__file__).resolve().parents[2])
    environment = os.environ | {
        "KERAS_BACKEND": "tensorflow",
        "CUDA_VISIBLE_DEVICES": "",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")])),
    }
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(source), str(target)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BadExport(
            "the model cannot be exported to ONNX by TensorFlow, which that needs on every "
            f"backend: {done.stderr.strip()[-SHOWN:]}"
        )


def main(source: str, target: str) -> None:
    """What the process does."""
    import keras  # noqa: PLC0415

    model = keras.saving.load_model(source)
    model(keras.ops.zeros((1, *model.inputs[0].shape[1:])))
    model.export(target, format="onnx", verbose=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
