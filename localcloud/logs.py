"""CloudWatch Logs for containers: batched, in the background, and never in a job's way.

Limits of PutLogEvents: 10,000 events and 1,048,576 bytes (26 more an event) a call, no empty
message (CloudWatch Logs API reference).
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from localcloud.clients import Clients

_log = logging.getLogger(__name__)

_EVERY = 0.5  # seconds between two looks at what was written
_MOST_EVENTS = 10_000
_MOST_BYTES = 1_048_576
_EVENT_OVERHEAD = 26
_LONGEST = 256 * 1024 - _EVENT_OVERHEAD
_MOST_WAITING = 200_000  # lines a stream keeps while Logs cannot be reached


class CloudWatchLogs:
    """`localcloud.ports.Logs` on MiniStack."""

    def __init__(self, clients: Clients) -> None:
        self._client = clients("logs")
        self._lock = threading.Lock()
        self._streams: set[Stream] = set()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="logs", daemon=True)
        self._thread.start()

    def stream(self, group: str, name: str) -> Stream:
        """Open a stream; the group and the stream are made where they do not exist."""
        opened = Stream(self._client, group, name, self._forget)
        with self._lock:
            self._streams.add(opened)
        return opened

    def close(self) -> None:
        """Send what every open stream holds, and end."""
        self._closing.set()
        self._thread.join()
        for stream in self._open():
            stream.close()

    def _open(self) -> list[Stream]:
        with self._lock:
            return list(self._streams)

    def _forget(self, stream: Stream) -> None:
        with self._lock:
            self._streams.discard(stream)

    def _run(self) -> None:
        while not self._closing.wait(_EVERY):
            for stream in self._open():
                stream.flush()


class Stream:
    """`localcloud.ports.LogStream`; safe to write to from several threads."""

    def __init__(self, client: Any, group: str, name: str, forget: Any) -> None:
        self._client = client
        self._group = group
        self._name = name
        self._forget = forget
        self._made = False
        self._complained = False
        self._lost = 0
        self._waiting: deque[tuple[int, str]] = deque()
        self._lock = threading.Lock()
        self._sending = threading.Lock()

    def write(self, line: str) -> None:
        """Add one line; sent within a second. Empty lines are left out, as Logs takes none."""
        if not line:
            return
        now = int(time.time() * 1000)
        with self._lock:
            if len(self._waiting) >= _MOST_WAITING:
                self._waiting.popleft()
                self._lost += 1
            self._waiting.append((now, line))

    def flush(self) -> bool:
        """Send what waits. False when Logs could not be reached: it is kept for the next time."""
        with self._sending:
            try:
                if not self._made:
                    self._make()
                while batch := self._batch():
                    try:
                        self._client.put_log_events(
                            logGroupName=self._group,
                            logStreamName=self._name,
                            logEvents=[{"timestamp": at, "message": line} for at, line in batch],
                        )
                    except Exception:
                        with self._lock:
                            self._waiting.extendleft(reversed(batch))
                        raise
            except (BotoCoreError, ClientError) as error:
                if not self._complained:
                    _log.warning("logs %s %s: %s", self._group, self._name, error)
                self._complained = True
                return False
            self._complained = False
            return True

    def close(self) -> None:
        """Send what is left; given up when Logs cannot be reached."""
        if not self.flush():
            time.sleep(_EVERY)
            self.flush()
        self._forget(self)

    def _make(self) -> None:
        exists = self._client.exceptions.ResourceAlreadyExistsException
        with contextlib.suppress(exists):
            self._client.create_log_group(logGroupName=self._group)
        with contextlib.suppress(exists):
            self._client.create_log_stream(logGroupName=self._group, logStreamName=self._name)
        self._made = True

    def _batch(self) -> list[tuple[int, str]]:
        batch: list[tuple[int, str]] = []
        size = 0
        with self._lock:
            if self._lost:
                self._waiting.appendleft(
                    (self._waiting[0][0], f"({self._lost} lines lost: CloudWatch Logs was away)")
                )
                self._lost = 0
            while self._waiting and len(batch) < _MOST_EVENTS:
                at, line = self._waiting[0]
                line = line.encode()[:_LONGEST].decode(errors="ignore")
                size += len(line.encode()) + _EVENT_OVERHEAD
                if batch and size > _MOST_BYTES:
                    break
                self._waiting.popleft()
                batch.append((at, line))
        return batch
