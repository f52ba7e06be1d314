"""Work spread over threads in two steps, its results in the order of the items.

Each item goes through the first step alone; what comes of several goes through the second
together, because networks are faster so. What is on the way is bounded: no item is taken before
there is room for it.
"""

from __future__ import annotations

import heapq
import itertools
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Generic, TypeVar

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
T = TypeVar("T")

PATIENCE = 1.0
"""Seconds for which what the first step gave waits for more to come with it."""

FAREWELL = 1.0
"""Seconds that an interrupted program waits for what its threads are at."""

_NAME = "facefind worker"


def begun(task: Callable[[], T]) -> Future[T]:
    """Has a thread of its own do a task at once; its result or error is there when asked for."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(task())
        except BaseException as error:  # noqa: BLE001  # raised again where the result is taken
            future.set_exception(error)

    threading.Thread(target=run, name="facefind ahead").start()
    return future


class Workers:
    """Threads that do the most urgent task first; among equals, the one that came first.

    At the end of the ``with`` block tasks that have not begun are dropped, and the threads are
    waited for; but not for long where the program itself is being ended.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._tasks: list[tuple[int, int, Future[Any], Callable[[], Any]]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._closed = False
        # Not those of concurrent.futures: nothing could keep Python from waiting for them.
        self._threads = [
            threading.Thread(target=self._run, name=_NAME, daemon=True) for _ in range(count)
        ]

    def __enter__(self) -> Workers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._changed:
            self._closed = True
            dropped, self._tasks = self._tasks, []
            self._changed.notify_all()
        for *_, future, _task in dropped:
            future.cancel()
        ending = isinstance(error, (KeyboardInterrupt, SystemExit))
        until = time.monotonic() + FAREWELL
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0) if ending else None)

    def submit(self, task: Callable[[], T], urgency: int = 0) -> Future[T]:
        """Has the task done; the greater urgency goes first."""
        future: Future[T] = Future()
        with self._changed:
            if self._closed:
                raise CancelledError
            heapq.heappush(self._tasks, (-urgency, next(self._numbers), future, task))
            self._changed.notify()
        return future

    def _run(self) -> None:
        while True:
            with self._changed:
                while not (self._tasks or self._closed):
                    self._changed.wait()
                if self._closed:
                    return
                *_, future, task = heapq.heappop(self._tasks)
            _do(task, future)
            # Or it would hold on to its last result while it waits.
            del future, task


def _do(task: Callable[[], T], future: Future[T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = task()
    except BaseException as error:  # noqa: BLE001  # raised again where the result is taken
        future.set_exception(error)
    else:
        future.set_result(result)


def left_behind() -> bool:
    """Whether a thread of `Workers` is still at work although its block has ended."""
    return any(thread.name == _NAME for thread in threading.enumerate())


class Gate:
    """Keeps what is held at once within a limit, first come, first served.

    What would take more than all of it has it to itself.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = self._free = capacity
        self._queue: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def holding(self, amount: int) -> Iterator[None]:
        """Waits for its turn, and holds so much until the block ends."""
        amount, ticket = min(amount, self._capacity), object()
        with self._changed:
            self._queue.append(ticket)
            self._changed.wait_for(lambda: self._queue[0] is ticket and amount <= self._free)
            self._queue.popleft()
            self._free -= amount
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._free += amount
                self._changed.notify_all()


class Ordered(Generic[T]):
    """Tasks whose results are taken in the order in which they were given.

    Args:
        limit: Tasks at most that are not taken yet.
        finished: Set whenever a task is done.
    """

    def __init__(
        self, workers: Workers, limit: int, finished: threading.Event, urgency: int = 0
    ) -> None:
        self._workers, self._limit, self._urgency = workers, limit, urgency
        self._finished = finished
        self._given: deque[Future[T]] = deque()

    def __len__(self) -> int:
        return len(self._given)

    @property
    def under_way(self) -> int:
        """How many are not done yet."""
        return sum(not future.done() for future in self._given)

    @property
    def has_room(self) -> bool:
        """Whether another task may be given."""
        return len(self._given) < self._limit

    def give(self, task: Callable[[], T]) -> None:
        """Has the task done."""
        self.put(self._workers.submit(task, self._urgency))

    def put(self, future: Future[T]) -> None:
        """Gives what is being done already."""
        self._given.append(future)
        future.add_done_callback(lambda _: self._finished.set())

    def take(self) -> Future[T] | None:
        """The first of those that are left, once it is done."""
        return self._given.popleft() if self._given and self._given[0].done() else None


class Flow(Generic[A, B, C]):
    """Takes items through both steps.

    An iterator of what the second step gave, in the order of the items. Whatever an item's step
    raises comes in its place, when all before it is taken; no further items are taken then.

    Args:
        items: Taken by the thread that asks for results, one when there is room for it.
        weight: How much the second step has to do about what the first gave.
        enough: Weight from which the second step begins.
        together: So many go through the second step together at most, whatever their weight.
    """

    def __init__(
        self,
        workers: Workers,
        items: Iterable[A],
        first: Callable[[A], B],
        second: Callable[[Sequence[B]], Sequence[C]],
        *,
        weight: Callable[[B], int],
        enough: int,
        together: int,
    ) -> None:
        self._items = iter(items)
        self._is_over = False
        self._threads = workers.count
        self._do_first, self._do_second = first, second
        self._weight, self._enough, self._together = weight, enough, together
        self._finished = threading.Event()
        self._first: Ordered[B] = Ordered(workers, 2 * workers.count, self._finished)
        # Urgent: its results are awaited by all that came later.
        limit = max(workers.count, 2)
        self._second: Ordered[Sequence[C]] = Ordered(workers, limit, self._finished, 1)
        self._gathered: list[B] = []
        self._last_part = 0
        self._since = 0.0

    def __iter__(self) -> Iterator[Sequence[C]]:
        while True:
            # Before looking, or what is done in between would not be noticed.
            self._finished.clear()
            self._advance()
            if done := self._second.take():
                yield done.result()
            elif not (self._first or self._second or self._gathered):
                return
            else:
                self._finished.wait(self._patience())

    def _advance(self) -> None:
        """Moves on whatever can be."""
        self._fill()
        while self._second.has_room and (done := self._first.take()):
            if done.exception() is not None:
                self._give_up(done)
                return
            self._since = self._since if self._gathered else time.monotonic()
            self._gathered.append(done.result())
            self._fill()
            self._pass_on()
        self._pass_on()

    def _fill(self) -> None:
        while not self._is_over and self._first.has_room:
            try:
                item = next(self._items)
            except StopIteration:
                self._is_over = True
            else:
                self._first.give(lambda item=item: self._do_first(item))  # type: ignore[misc]

    def _give_up(self, failed: Future[B]) -> None:
        """Lets a failure of the first step come after all that was before it, and ends there."""
        if self._gathered:
            self._give(len(self._gathered))
        raised: Future[Sequence[C]] = Future()
        raised.set_exception(failed.exception())
        self._second.put(raised)
        self._is_over = True

    def _is_enough(self) -> bool:
        if len(self._gathered) >= self._together:
            return True
        return sum(map(self._weight, self._gathered)) >= self._enough

    def _pass_on(self) -> None:
        """Gives what is gathered to the second step as soon as it is enough or has waited enough.

        In the end, when a thread would be without work while another has all that is left, it is
        given in parts of one size, one for each thread.
        """
        while self._gathered and self._second.has_room:
            if part := self._part():
                self._give(part)
            elif self._is_enough() or not self._patience():
                self._give(len(self._gathered))
            else:
                return

    def _part(self) -> int:
        """How many of what is gathered are one thread's, in the end; before, none."""
        if not self._is_over:
            return 0
        if not self._first:
            self._last_part = self._last_part or math.ceil(len(self._gathered) / self._threads)
            return self._last_part
        idle = self._threads - self._first.under_way - self._second.under_way
        return math.ceil(len(self._gathered) / idle) if idle > 0 else 0

    def _give(self, count: int) -> None:
        given, self._gathered = self._gathered[:count], self._gathered[count:]
        self._second.give(lambda: self._do_second(given))

    def _patience(self) -> float | None:
        """Seconds for which what is gathered may wait; None where nothing is, or cannot go on."""
        if not self._gathered or not self._second.has_room:
            return None
        return max(self._since + PATIENCE - time.monotonic(), 0.0)
