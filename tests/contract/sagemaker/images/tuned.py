"""A training container for tests of tuning jobs: its objective is a function of hyperparameters.

Prints `score=…;` once an epoch (`epochs`, 1 by default), rising to
1 - (x - 0.7)² - (depth - 4)²/100, less 0.1 when `kind` is "bad"; what is missing is at its best.

The hyperparameter `mode`: mute: never prints it   failing: fails   waiting: until it is stopped
slow_below: a number: a trial with a lower score takes a second from epoch to epoch
fail_below: a number: a trial with a lower score fails
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path


def main() -> int:
    base = Path(os.environ["SAGEMAKER_BASE_DIR"])
    settings = json.loads((base / "input/config/hyperparameters.json").read_text())
    (base / "model/hyperparameters.json").write_text(json.dumps(settings))
    mode = settings.get("mode")
    if mode == "failing":
        (base / "output/failure").write_text("no luck")
        return 1
    if mode == "mute":
        return 0
    score = best(settings)
    epochs = int(settings.get("epochs", "1"))
    for epoch in range(1, epochs + 1):
        if epoch > 1 and score < float(settings.get("slow_below", "-inf")):
            time.sleep(1)
        print(f"epoch={epoch}; score={score * epoch / epochs:.9f};", flush=True)
    if mode == "waiting":
        time.sleep(600)
    return 1 if score < float(settings.get("fail_below", "-inf")) else 0


def best(settings: dict[str, str]) -> float:
    x, depth = float(settings.get("x", "0.7")), int(settings.get("depth", "4"))
    penalty = 0.1 if settings.get("kind") == "bad" else 0.0
    return 1.0 - (x - 0.7) ** 2 - (depth - 4) ** 2 / 100 - penalty


if __name__ == "__main__":
    sys.exit(main())
