"""The last lines of every container, in memory, for who watches as they come.

`TailedLogs` stands before the real CloudWatch Logs and keeps a copy of what passes. It also knows
which streams are open, which is which containers live: each opens its stream when it starts and
closes it when it has ended.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from localcloud.ports import Logs, LogStream

_ENDPOINTS = "/aws/sagemaker/Endpoints/"
_DATA_LOG = "/data-log"  # SageMaker's own words about a container, not a container's
_MOST_LINES = 2_000  # of one job or endpoint
_MOST = 32 * 1024 * 1024  # bytes of all together
_LINE = 250  # bytes that a line takes besides its text (CPython 3.11)
_LONGEST = 4_096  # characters of a line; CloudWatch Logs has all of it


@dataclass(frozen=True)
class Line:
    """One line. `number` rises over all lines, and from one run of the cloud to the next; `at`:
    epoch seconds; `stream`: the stream's name without the job's.
    """

    number: int
    at: float
    stream: str
    text: str


@dataclass(frozen=True)
class OpenStream:
    """A container that lives. `name` as `Line.stream`; `since`: epoch seconds."""

    name: str
    since: float


@dataclass
class _Source:
    lines: deque[Line] = field(default_factory=lambda: deque(maxlen=_MOST_LINES))
    open: dict[int, OpenStream] = field(default_factory=dict)
    size: int = 0


class Tail:
    """The last lines by source: a job's name, or an endpoint's, in its log group.

    most: how many bytes are kept in all, about; the sources that were silent longest go first.
    """

    def __init__(self, most: int = _MOST, now: Callable[[], float] = time.time) -> None:
        self._most = most
        self._now = now
        self._lock = threading.Lock()
        self._sources: OrderedDict[tuple[str, str], _Source] = OrderedDict()
        self._size = 0
        # Microseconds: who read until a restart asks for what came after the number he has.
        self._number = int(now() * 1_000_000)
        self._streams = itertools.count(1)
        self._version = 0

    @property
    def version(self) -> int:
        """Changes whenever a stream opens or closes."""
        return self._version

    @property
    def number(self) -> int:
        """The number of the line that was written last, of any source."""
        return self._number

    def lines(self, group: str, name: str, after: int = 0, limit: int = 500) -> list[Line]:
        """At most `limit` of the newest lines of a source with a number over `after`."""
        with self._lock:
            source = self._sources.get(source_of(group, name))
            found = list(source.lines) if source else []
        return [line for line in found[-limit:] if line.number > after]

    def open_streams(self, group: str, name: str) -> list[OpenStream]:
        """The containers of a source that live, the oldest first."""
        with self._lock:
            source = self._sources.get(source_of(group, name))
            return list(source.open.values()) if source else []

    def opened(self, group: str, stream: str) -> int:
        """A stream was opened; returns the number by which it is closed."""
        number = next(self._streams)
        with self._lock:
            source = self._source(group, stream)
            if not stream.endswith(_DATA_LOG):
                source.open[number] = OpenStream(_short(group, stream), self._now())
                self._version += 1
        return number

    def closed(self, group: str, stream: str, number: int) -> None:
        """A stream was closed; its lines stay."""
        with self._lock:
            source = self._source(group, stream)
            if source.open.pop(number, None):
                self._version += 1
            if not source.open and not source.lines:
                self._sources.popitem()  # `_source` put it last

    def add(self, group: str, stream: str, text: str) -> None:
        """A line was written."""
        kept = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
        with self._lock:
            self._number += 1
            line = Line(self._number, self._now(), _short(group, stream), kept)
            source = self._source(group, stream)
            if len(source.lines) == _MOST_LINES:
                self._resize(source, -_LINE - len(source.lines[0].text))
            source.lines.append(line)
            self._resize(source, _LINE + len(kept))
            self._make_room()

    def _source(self, group: str, stream: str) -> _Source:
        key = source_of(group, stream.split("/", maxsplit=1)[0])
        source = self._sources.setdefault(key, _Source())
        self._sources.move_to_end(key)
        return source

    def _make_room(self) -> None:
        while self._size > self._most:
            key, oldest = self._sources.popitem(last=False)
            self._size -= oldest.size
            if oldest.open:  # its lines go, not what is known of its containers
                self._sources[key] = _Source(open=oldest.open)

    def _resize(self, source: _Source, by: int) -> None:
        source.size += by
        self._size += by


class TailedLogs:
    """`localcloud.ports.Logs` that passes everything on and keeps the newest of it in `tail`."""

    def __init__(self, logs: Logs, tail: Tail) -> None:
        self._logs = logs
        self._tail = tail

    def stream(self, group: str, name: str) -> LogStream:
        """Open a stream."""
        return _TailedStream(self._logs.stream(group, name), self._tail, group, name)


class _TailedStream:
    def __init__(self, stream: LogStream, tail: Tail, group: str, name: str) -> None:
        self._stream = stream
        self._tail = tail
        self._group = group
        self._name = name
        self._number = tail.opened(group, name)

    def write(self, line: str) -> None:
        self._stream.write(line)
        if line:
            self._tail.add(self._group, self._name, line)

    def close(self) -> None:
        # First of all: the container has ended, though sending the rest may take a while.
        self._tail.closed(self._group, self._name, self._number)
        self._stream.close()


def source_of(group: str, name: str) -> tuple[str, str]:
    """Jobs share a group and begin their streams' names with their own; endpoints have groups."""
    return (group, "") if group.startswith(_ENDPOINTS) else (group, name)


def _short(group: str, stream: str) -> str:
    return stream if group.startswith(_ENDPOINTS) else stream.partition("/")[2] or stream
