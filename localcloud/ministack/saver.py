"""Saves MiniStack's state while it runs, so that a kill -9 loses two seconds at most.

MiniStack itself saves on a clean stop only. What is used of it here
(`_build_persistence_save_dict`, `_json_default`, `_state_format_version`) is private: its version
is pinned, and the contract tests kill and restart it. Files are the ones that its own `save_all`
writes.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
import time
from typing import Any

_log = logging.getLogger("pigeonhole.saver")

_ATTEMPTS = 5  # a service may change while it is read


class Saver:
    """Writes the services that changed, each in one step, every `every` seconds.

    Requests tell it with `touch` that something may have changed; without any it looks every
    tenth time, for what changes by itself (schedules, event source mappings).
    """

    def __init__(self, every: float) -> None:
        self._every = every
        self._touched = threading.Event()
        self._stop = threading.Event()
        self._written: dict[str, bytes] = {}
        self._thread = threading.Thread(target=self._run, name="saver", daemon=True)

    def start(self) -> None:
        """Begin. Only once the last run's state was loaded: it would be overwritten by nothing."""
        self._thread.start()

    def touch(self) -> None:
        """Something may have changed."""
        self._touched.set()

    def stop(self) -> None:
        """End, and wait for a save under way."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        quiet = 0
        while not self._stop.wait(self._every):
            quiet += 1
            if not self._touched.is_set() and quiet < 10:
                continue
            quiet = 0
            self._touched.clear()
            try:
                self.save()
            except Exception:
                _log.exception("state was not saved")
                self._touched.set()

    def save(self) -> None:
        """Write every service whose state differs from what was written last."""
        from ministack.app import _build_persistence_save_dict  # noqa: PLC0415

        for service, get_state in _build_persistence_save_dict().items():
            text = _snapshot(service, get_state)
            if text is None:
                self._touched.set()
                continue
            if not text:
                continue
            digest = hashlib.blake2b(text, digest_size=16).digest()
            if self._written.get(service) != digest:
                _write(service, text)
                self._written[service] = digest


def _snapshot(service: str, get_state: Any) -> bytes | None:
    """The file's content; empty when the service has no state, None when it changes too fast."""
    from ministack.core.persistence import _json_default, _state_format_version  # noqa: PLC0415

    for _ in range(_ATTEMPTS):
        try:
            state = get_state()
            if state is None:
                return b""
            wrapped = {"__ministack_format__": _state_format_version(service), "payload": state}
            return json.dumps(wrapped, default=_json_default).encode()
        except RuntimeError:  # "dictionary changed size during iteration"
            time.sleep(0.01)
    return None


def _write(service: str, text: bytes) -> None:
    folder = os.environ["STATE_DIR"]
    path = os.path.join(folder, f"{service}.json")
    # Not MiniStack's own temporary name: both may write when it stops.
    partial = f"{path}.saving"
    with open(partial, "wb") as file:
        file.write(text)
    os.replace(partial, path)
