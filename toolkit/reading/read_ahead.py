"""Decode logs in a thread while the modules that a command needs are imported."""

from __future__ import annotations

from contextlib import suppress
from queue import Empty, Full, Queue
from threading import Lock, Thread, main_thread
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.reading.blocks import Decoded, Plan

# Blocks without text, of about a megabyte each.
_MOST_BLOCKS = 64
# How often a thread that waits for room checks whether the main thread has ended.
_CHECK_SECONDS = 0.05

_End: TypeAlias = "BaseException | None"


class ReadAhead:
    """The blocks of logs, which a thread decodes before they are taken."""

    def __init__(self, stream: Iterator[Decoded], plan: Plan) -> None:
        self.stream, self.plan = stream, plan
        self.queue: Queue[Decoded | _End] = Queue(_MOST_BLOCKS)
        self.is_stopped = False
        self.claim = Lock()  # acquired once, by the query that takes the blocks
        # Not a daemon: the end of the process would abort it in the middle of its work.
        Thread(target=self.run, name="toolkit-ahead").start()

    def run(self) -> None:
        """Decode the blocks; at the end put None, or the error that ended it."""
        end: _End = None
        try:
            for decoded in self.stream:
                self._put(decoded)
                if self.is_stopped:
                    return
        except BaseException as error:
            end = error
        self._put(end)

    def _put(self, item: Decoded | _End) -> None:
        """Put an item once there is room; give up if the main thread has ended."""
        while not self.is_stopped:
            with suppress(Full):
                self.queue.put(item, timeout=_CHECK_SECONDS)
                return
            self.is_stopped = not main_thread().is_alive()

    def take(self, plan: Plan) -> Iterator[Decoded] | None:
        """Return the blocks, once; None if a plan needs others."""
        if not self.claim.acquire(blocking=False):
            return None
        if self.plan.covers(plan):
            return self.iter_decoded()
        self.stop()
        return None

    def iter_decoded(self) -> Iterator[Decoded]:
        """Yield the blocks in their order."""
        try:
            while isinstance(decoded := self.queue.get(), tuple):
                yield decoded
            if decoded is not None:
                raise decoded
        finally:
            self.stop()

    def stop(self) -> None:
        """Stop the thread, and empty the queue in case it waits for room."""
        self.is_stopped = True
        with suppress(Empty):
            while True:
                self.queue.get_nowait()
