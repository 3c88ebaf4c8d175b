"""A training container for the page's tests: prints what it is told to, then waits for its end.

Hyperparameters: `say`, lines as JSON; `wait`: until SIGTERM; `fail`, what it writes as its failure.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

base = Path(os.environ["SAGEMAKER_BASE_DIR"])
settings = json.loads((base / "input/config/hyperparameters.json").read_text())
for line in json.loads(settings.get("say", "[]")):
    print(line, flush=True)
while "wait" in settings:
    time.sleep(0.05)
if "fail" in settings:
    (base / "output/failure").write_text(settings["fail"])
    sys.exit(1)
