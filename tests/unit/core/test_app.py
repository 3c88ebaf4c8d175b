"""The app can be imported without an account, and its handlers are wired to the queues."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]


def test_importing_the_app_builds_no_client_and_reads_no_settings() -> None:
    script = """
import socket, sys
def refuse(*args): raise AssertionError("network at import")
socket.socket.connect = refuse
import app
from chalicelib import wiring
for name, part in vars(wiring).items():
    if hasattr(part, "cache_info"):
        assert part.cache_info().currsize == 0, name
print(sorted(h.name for h in app.app.event_sources), sorted(app.app.handler_map))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=REPOSITORY,
        env={"PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "'reconcile', 'work'" in done.stdout
