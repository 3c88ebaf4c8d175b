"""These tests run in the training container's environment, which alone has its packages."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "training_job"))
collect_ignore_glob = [] if importlib.util.find_spec("polars") else ["test_*.py"]
