"""A training container for tests; the hyperparameter `mode` says what it does.

good: prints metrics, copies what it got into the model   failing: writes a failure file, exits 3
silent: exits 7 without a word                           stubborn: ignores SIGTERM
polite: ends at SIGTERM, leaving a model                 role: reads S3 as the job's role
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path


def main() -> int:
    base = Path(os.environ["SAGEMAKER_BASE_DIR"])
    settings = json.loads((base / "input/config/hyperparameters.json").read_text())
    mode = settings.get("mode", "good")
    print(f"mode {mode} argument {sys.argv[1]}", flush=True)
    if mode == "failing":
        (base / "output/failure").write_text("data changed: b.csv\n" + "x" * 3000)
        return 3
    if mode == "silent":
        return 7
    if mode in ("stubborn", "polite"):
        return wait(base, mode)
    for epoch, loss in enumerate((0.9, 0.5, 0.25), 1):
        print(f"epoch={epoch}; loss={loss}; accuracy=nan;", flush=True)
    data = base / "input/data"
    report = {
        "files": {
            str(path.relative_to(data)): path.read_text()
            for path in sorted(data.rglob("*"))
            if path.is_file()
        },
        "configs": {
            path.name: json.loads(path.read_text())
            for path in (base / "input/config").glob("*.json")
        },
        "environment": {k: v for k, v in os.environ.items() if k != "PATH"},
        "private": Path("/opt/ml/input/config/hyperparameters.json").exists(),
    }
    (base / "model/report.json").write_text(json.dumps(report))
    if settings.get("output"):
        (base / "output/data/history.json").write_text("{}")
    return 0


def wait(base: Path, mode: str) -> int:
    if mode == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        (base / "model/checkpoint").write_text("half")
    (base / "output/ready").touch()
    print("waiting", flush=True)
    while True:
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
