"""A batch of a queue's messages while a function works on it: held, handed back, given up.

SQS hides a message from others for the queue's visibility timeout, which must be longer than the
function may run: 15 minutes for heavy work. A function that is killed after a second would be made
up for after all of it. So messages are held by a lease instead, renewed for as long as the function
lives: when it dies, they come back soon after.

A message that failed comes back by itself after a while, twice as long each time. One that fails at
its last delivery, or asks for what can never be done, is parked in the dead-letter queue with the
reason, which SQS would not know. What killed the function each time is moved there by SQS, without
one.

One message can kill the function, by what it takes to handle, and with it the others of its batch.
The one in hand is leased for longer than those that wait: after a death the innocent come back
first and by themselves, and what is done is deleted at once.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from aws_lambda_powertools import Logger

from chalicelib.aws.source_queue import SourceQueue
from chalicelib.aws.translate import AWS_TROUBLE
from chalicelib.clock import Clock, iso
from chalicelib.errors import DatasetNotFound, InputRefused

MOST_RECEIVES = 5  # maxReceiveCount of the stack's queues
LONGEST_PAUSE = 900  # s
HOPELESS = (InputRefused, DatasetNotFound)  # what another try cannot do either
_BEATS = 3  # a lease is renewed so many times before it would end
_LONGEST_CAUSE = 1000
_UNPRINTABLE = re.compile(r"[^\t\n\x20-\ud7ff\ue000-\ufffd]")  # SQS refuses these


@dataclass(frozen=True)
class Invocation:
    """Which run of which function this is, as its log tells it."""

    function: str
    request_id: str
    log_group: str

    @classmethod
    def of(cls, context: Any) -> Invocation:
        """From Lambda's context object."""
        return cls(
            str(context.function_name), str(context.aws_request_id), str(context.log_group_name)
        )


@dataclass(frozen=True)
class Message:
    """`receives` counts this delivery."""

    id: str
    body: str
    handle: str
    receives: int

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Message:
        """From a record of an SQS event."""
        receives = int(record["attributes"]["ApproximateReceiveCount"])
        return cls(
            str(record["messageId"]), str(record["body"]), str(record["receiptHandle"]), receives
        )


class Delivery:
    """Use it as a context: inside it the messages are held.

    `seconds` is the lease, and how long a message that failed waits at first.
    """

    def __init__(
        self,
        messages: Iterable[Message],
        *,
        queue: SourceQueue,
        seconds: float,
        invocation: Invocation,
        clock: Clock,
        logger: Logger,
    ) -> None:
        self._queue = queue
        self._seconds = seconds
        self._invocation = invocation
        self._clock = clock
        self._log = logger
        self._held = {message.id: message for message in messages}
        self._in_hand: frozenset[str] = frozenset()
        self._failed: list[str] = []
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._beat = threading.Thread(target=self._keep_holding, daemon=True)

    def __enter__(self) -> Delivery:
        self._hold()
        self._beat.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._beat.join()

    @property
    def failed(self) -> list[str]:
        """The ids of the messages that the queue is to deliver again, sorted."""
        return sorted(self._failed)

    def begin(self, messages: Iterable[Message]) -> None:
        """Work on these begins now."""
        with self._lock:
            self._in_hand = frozenset(message.id for message in messages)
            alone = self._held.keys() <= self._in_hand
        if not alone:
            self._hold()

    def done(self, messages: Iterable[Message]) -> None:
        """They need nothing more."""
        gone = [message for message in messages if message.id in self._held]
        self._let_go(gone)
        self._delete(gone)

    def fail(self, messages: Iterable[Message], error: Exception) -> None:
        """They come again later, or are parked when this was their last chance."""
        gone = [message for message in messages if message.id in self._held]
        self._let_go(gone)
        for message in gone:
            last = message.receives >= MOST_RECEIVES or isinstance(error, HOPELESS)
            if last and self._parked(message, error):
                self._delete([message])
                continue
            pause = min(LONGEST_PAUSE, self._seconds * 2 ** (message.receives - 1))
            self._try("hold", self._queue.hold, [message.handle], math.ceil(pause))
            self._failed.append(message.id)

    def _parked(self, message: Message, error: Exception) -> bool:
        cause = _UNPRINTABLE.sub("?", f"{type(error).__name__}: {error}")[:_LONGEST_CAUSE]
        told = {
            "cause": cause,
            "message_id": message.id,
            "function": self._invocation.function,
            "log_group": self._invocation.log_group,
            "request_id": self._invocation.request_id,
            "time": iso(self._clock()),
        }
        self._log.error("gave up on a message", body=message.body[:4000], extra=told)
        return self._try("park", self._queue.park, message.body, told)

    def _delete(self, messages: list[Message]) -> None:
        """At once, should the function die of one of the others. The last are deleted by Lambda."""
        if self._held:
            self._try("delete", self._queue.delete, [message.handle for message in messages])

    def _let_go(self, messages: Iterable[Message]) -> None:
        with self._lock:
            for message in messages:
                del self._held[message.id]

    def _keep_holding(self) -> None:
        while not self._over.wait(self._seconds / _BEATS):
            self._hold()

    def _hold(self) -> None:
        with self._lock:
            held, in_hand_ids = self._held.values(), self._in_hand
            in_hand = [message.handle for message in held if message.id in in_hand_ids]
            waiting = [message.handle for message in held if message.id not in in_hand_ids]
        seconds = math.ceil(self._seconds)
        longer = 2 if waiting else 1  # alone there is nobody to let go first
        self._try("hold", self._queue.hold, in_hand, seconds * longer)
        self._try("hold", self._queue.hold, waiting, seconds)

    def _try(self, what: str, call: Any, *args: Any) -> bool:
        """A message that cannot be held is delivered twice at worst, which does no harm."""
        try:
            call(*args)
        except AWS_TROUBLE as error:
            self._log.warning(f"cannot {what} messages: {error}")
            return False
        return True
