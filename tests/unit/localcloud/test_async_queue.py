"""The queue of asynchronous invocations."""

from __future__ import annotations

from pathlib import Path

from localcloud.sagemaker.hosting.queue import AsyncQueue, AsyncRequest


def request(name: str, endpoint: str = "e", received: float = 100.0) -> AsyncRequest:
    return AsyncRequest(
        endpoint=endpoint,
        inference_id=name,
        received=received,
        ttl=60,
        timeout=900,
        input="s3://b/in",
        output="s3://b/out",
        failure="",
        content_type="text/csv",
        accept="",
        custom_attributes="",
        body=b"\x00bytes",
    )


def test_requests_come_out_in_order_and_whole(tmp_path: Path) -> None:
    queue = AsyncQueue(tmp_path / "queue.db")
    put = [queue.put(request(name)) for name in "ab"]
    queue.put(request("other", endpoint="f"))
    assert [queue.take("e"), queue.take("e"), queue.take("e")] == [*put, None]


def test_what_was_taken_is_there_again_for_the_next_process(tmp_path: Path) -> None:
    queue = AsyncQueue(tmp_path / "queue.db")
    done, taken, waiting = [queue.put(request(name)) for name in "abc"]
    queue.take("e")
    queue.take("e")
    queue.done(done)
    # No close: the process was killed.
    later = AsyncQueue(tmp_path / "queue.db")
    assert [later.take("e"), later.take("e"), later.take("e")] == [taken, waiting, None]


def test_request_that_is_put_back_keeps_its_place(tmp_path: Path) -> None:
    queue = AsyncQueue(tmp_path / "queue.db")
    first = queue.put(request("a"))
    queue.put(request("b"))
    queue.take("e")
    queue.put_back(first)
    assert queue.take("e") == first


def test_expired_requests_are_found(tmp_path: Path) -> None:
    queue = AsyncQueue(tmp_path / "queue.db")
    queue.put(request("young", received=150.0))
    old = queue.put(request("old", received=100.0))
    assert queue.take_expired("e", now=160.0) is None
    assert queue.take_expired("e", now=161.0) == old
    assert queue.take_expired("e", now=161.0) is None


def test_backlog_counts_until_a_request_is_done(tmp_path: Path) -> None:
    queue = AsyncQueue(tmp_path / "queue.db")
    assert queue.backlog("e") == (0, None)
    first = queue.put(request("a", received=10.0))
    queue.put(request("b", received=20.0))
    queue.take("e")
    assert queue.backlog("e") == (2, 10.0)
    queue.done(first)
    assert queue.backlog("e") == (1, 20.0)
    queue.forget("e")
    assert queue.backlog("e") == (0, None)


def test_what_ends_after_the_queue_is_closed_is_done_again(tmp_path: Path) -> None:
    queue = AsyncQueue(tmp_path / "queue.db")
    late = queue.put(request("a"))
    queue.take("e")
    queue.close()
    queue.done(late)
    assert AsyncQueue(tmp_path / "queue.db").take("e") == late
