"""What do smaller precisions save, and what do they cost or gain in speed?

    python bench/precision.py [--preset default --preset resnet50-random …]

For each preset, untrained (neither size nor speed depends on the weights' values): bytes of
model.onnx, and milliseconds of CPU an image with ONNX Runtime on one thread, one and 64 images at a
time, as float32, with float16 weights and as int8. CPU time is counted, so that other work on the
machine hardly matters. Runs in the training environment.
"""

# ruff: noqa: PLC0415 (imports are of the other environment)

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
TRAINING = REPO / os.environ.get("PIGEONHOLE_VENVS", ".venvs") / "training" / "bin" / "python"
SIDES = {"resnet50-random": (224, 3)}  # others: 28 pixels, grey
CLASSES = 10
SECONDS = 1.0
ROWS = 64  # that int8 takes its ranges from


def measure(preset: str) -> None:
    """Prints the preset's line of the table, as Markdown."""
    import keras
    import numpy as np
    from pigeonhole_training.data.rows import Pool
    from pigeonhole_training.data.version import Shape
    from pigeonhole_training.export.precision import to_float16_weights, to_int8
    from pigeonhole_training.models import preset_of

    side, channels = SIDES.get(preset, (28, 1))
    keras.utils.set_random_seed(0)
    model = preset_of(preset).build(Shape(side, side, channels), CLASSES, None)
    pixels = np.random.default_rng(0).integers(0, 256, (ROWS, side, side, channels), np.uint8)
    model(pixels[:1].astype(np.float32))
    rows = Pool.of(pixels, np.zeros(ROWS, np.int32)).rows()
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("float32", "float16", "int8")]
        model.export(paths[0], format="onnx", verbose=False)
        to_float16_weights(paths[0], paths[1])
        to_int8(paths[0], paths[2], rows)
        cells = []
        for path in paths:
            one, many = milliseconds(path, pixels[:1]), milliseconds(path, pixels)
            cells.append(f"{path.stat().st_size / 1e6:.2f} MB | {one:.3g} / {many:.3g}")
        print(f"| `{preset}` {side} x {side} x {channels} | {' | '.join(cells)} |", flush=True)


def milliseconds(path: Path, pixels: object) -> float:
    """Of CPU an image: the best call of a second's."""
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options)
    batch = np.asarray(pixels, np.float32)
    feed = {session.get_inputs()[0].name: batch}
    session.run(None, feed)
    best, end = np.inf, time.perf_counter() + SECONDS
    while best == np.inf or time.perf_counter() < end:
        start = time.process_time()
        session.run(None, feed)
        best = min(best, time.process_time() - start)
    return 1000 * float(best) / len(batch)


def main() -> int:
    """Measures each preset in one process of the training environment."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", action="append")
    presets = parser.parse_args().preset
    if Path(sys.prefix) != TRAINING.parents[1]:
        if not TRAINING.exists():
            print(f"{TRAINING} is not there: run `make setup`", file=sys.stderr)
            return 1
        environment = os.environ | {
            "PYTHONPATH": str(REPO / "training_job"),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "PYTHONWARNINGS": "ignore",
        }
        command = [str(TRAINING), __file__, *sys.argv[1:]]
        done = subprocess.run(
            command, env=environment, stderr=subprocess.PIPE, text=True, check=False
        )
        if done.returncode:
            print(done.stderr, file=sys.stderr)
        return done.returncode
    print("| model | float32 | 1 / 64 at a time | fp16 | 1 / 64 | int8 | 1 / 64 |")
    print("|---|---|---|---|---|---|---|")
    for preset in presets or ("dense-128", "default", "cnn-32-64-128", "resnet50-random"):
        measure(preset)
    return 0


if __name__ == "__main__":
    sys.exit(main())
