"""Working ahead in threads, in order.

Pays where making an item leaves Python's lock free, as unpacking, parsing and decoding do.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")

_END = object()
WAITING = 4  # items in the works for each thread


def ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items in the same order, each begun one before it is asked for.

    What `items` raises is raised here.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as thread:
        coming = thread.submit(next, items, _END)
        while (item := coming.result()) is not _END:
            coming = thread.submit(next, items, _END)
            yield item  # type: ignore[misc]  # not _END


def mapped(function: Callable[[S], T], items: Iterable[S]) -> Iterator[T]:
    """`function` of each item, in order, by as many threads as there are processors.

    No more than a few items a thread are in the works, however many there are.
    """
    threads = processors()
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="mapped") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= threads * WAITING:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def processors() -> int:
    """Those that this process may run on."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
