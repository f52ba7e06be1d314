"""Work spread over threads: in order, bounded, and gone when it is called off."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pytest

from facefind import flow
from facefind.flow import Flow, Gate, Workers, begun

PATIENT = 60.0
"""Seconds after which a test is stuck."""


def test_a_task_is_begun_before_anybody_asks_for_its_result() -> None:
    started, go_on = threading.Event(), threading.Event()

    def task() -> int:
        started.set()
        assert go_on.wait(PATIENT)
        return 7

    result = begun(task)
    assert started.wait(PATIENT)
    assert not result.done()
    go_on.set()
    assert result.result(PATIENT) == 7


def test_what_a_task_raises_is_raised_where_its_result_is_taken() -> None:
    with pytest.raises(ZeroDivisionError):
        begun(lambda: 1 // 0).result(PATIENT)


class Steps:
    """Two steps that remember what is on the way; the first may be held up by number."""

    def __init__(self, held: Iterable[int] = ()) -> None:
        self.held = {number: threading.Event() for number in held}
        self.batches: list[list[int]] = []
        self.taken = self.stored = self.most = 0
        self._at_once: set[int] = set()
        self.most_at_once = 0

    def items(self, count: int) -> Iterator[int]:
        for number in range(count):
            self.taken += 1
            self.most = max(self.most, self.taken - self.stored)
            yield number

    def first(self, number: int) -> int:
        self._at_once.add(number)
        self.most_at_once = max(self.most_at_once, len(self._at_once))
        if number in self.held:
            assert self.held[number].wait(PATIENT)
        self._at_once.discard(number)
        return number

    def second(self, numbers: Sequence[int]) -> list[int]:
        self.batches.append(list(numbers))
        return [number * 10 for number in numbers]


def run(
    steps: Steps,
    count: int,
    *,
    threads: int = 2,
    weight: Callable[[int], int] = lambda _: 1,
    enough: int = 3,
    together: int = 8,
    **replaced: Any,
) -> Iterator[Sequence[int]]:
    """The results as they come; each is stored before the next is asked for."""
    first, second = replaced.get("first", steps.first), replaced.get("second", steps.second)
    with Workers(threads) as workers:
        way = Flow(
            workers, steps.items(count), first, second,
            weight=weight, enough=enough, together=together,
        )  # fmt: skip
        for results in way:
            yield results
            steps.stored += len(results)


def flat(results: Iterable[Sequence[int]]) -> list[int]:
    return [result for some in results for result in some]


def threads_left() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "facefind worker"]


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 7, 100])
def test_results_come_in_the_order_of_the_items(threads: int, count: int) -> None:
    def unevenly(number: int) -> int:
        time.sleep(0.002 * (number % 3 == 0))
        return number

    assert flat(run(Steps(), count, threads=threads, first=unevenly)) == [
        10 * number for number in range(count)
    ]
    assert threads_left() == []


def test_an_item_that_takes_long_holds_up_what_came_after_it() -> None:
    steps = Steps(held=[0])
    results = run(steps, 20)
    threading.Timer(0.1, steps.held[0].set).start()
    assert next(results) == [0, 10, 20]
    assert flat(results) == [10 * number for number in range(3, 20)]


def test_no_more_items_are_taken_than_there_is_room_for() -> None:
    steps = Steps()
    results = run(steps, 500, threads=2, enough=3)
    next(results)
    # All that a consumer who does nothing can bring about.
    time.sleep(0.1)
    taken = steps.taken
    time.sleep(0.1)
    assert steps.taken == taken
    assert flat(results)[-1] == 4990
    # Two steps of two, each of four items or of two batches of three; one batch half full, one
    # with the consumer.
    assert steps.most <= 4 + 2 * 3 + 3 + 3
    assert steps.most_at_once <= 2


def test_both_threads_work_at_once() -> None:
    meet = threading.Barrier(2)

    def meeting(number: int) -> int:
        meet.wait(PATIENT)
        return number

    assert flat(run(Steps(), 6, first=meeting)) == [0, 10, 20, 30, 40, 50]


def test_a_batch_begins_when_it_weighs_enough_or_has_many_items() -> None:
    steps = Steps()
    weights = [2, 0, 2, 9, 0, 0, 0, 0, 1]
    flat(run(steps, 9, threads=1, weight=weights.__getitem__, enough=4, together=4))
    assert steps.batches == [[0, 1, 2], [3], [4, 5, 6, 7], [8]]


def test_what_is_there_does_not_wait_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "PATIENCE", 0.01)
    steps = Steps(held=[2])
    results = run(steps, 50, enough=100)
    assert next(results) == [0, 10]
    steps.held[2].set()
    assert flat(results) == [10 * number for number in range(2, 50)]


@pytest.mark.parametrize("threads", [2, 3])
def test_in_the_end_threads_share_what_is_left(threads: int) -> None:
    meet, calls = threading.Barrier(threads), itertools.count()

    def meeting(numbers: Sequence[int]) -> list[int]:
        if next(calls) < threads:
            meet.wait(PATIENT)
        return [10 * number for number in numbers]

    found = list(run(Steps(), 6, threads=threads, second=meeting, enough=6))
    assert flat(found) == [0, 10, 20, 30, 40, 50]
    assert len(found) >= threads


@pytest.mark.parametrize("number", [0, 4, 9])
def test_a_failure_of_the_first_step_comes_in_its_place(number: int) -> None:
    def failing(item: int) -> int:
        if item == number:
            raise KeyError(item)
        return item

    found: list[Sequence[int]] = []
    with pytest.raises(KeyError):
        found.extend(run(Steps(), 100, first=failing))
    assert flat(found) == [10 * item for item in range(number)]
    assert threads_left() == []


def test_a_failure_of_the_second_step_comes_in_its_place() -> None:
    def failing(items: Sequence[int]) -> list[int]:
        if 4 in items:
            raise KeyError(items)
        return list(items)

    found: list[Sequence[int]] = []
    with pytest.raises(KeyError):
        found.extend(run(Steps(), 100, second=failing))
    assert found == [[0, 1, 2]]


def test_called_off_it_takes_nothing_more_and_leaves_no_thread() -> None:
    steps = Steps()
    results = run(steps, 1000)
    next(results)
    assert len(threads_left()) == 2
    results.close()  # type: ignore[attr-defined]
    assert threads_left() == []
    assert steps.taken < 30


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit])
def test_a_program_that_is_ended_does_not_wait_for_its_threads(
    ending: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "FAREWELL", 0.01)
    steps = Steps(held=[1])

    def end() -> None:
        with Workers(2) as workers:
            workers.submit(lambda: steps.first(1))
            while not steps.most_at_once:
                time.sleep(0.001)
            raise ending

    with pytest.raises(ending):
        end()
    assert flow.left_behind()
    steps.held[1].set()
    for thread in threads_left():
        thread.join(PATIENT)
    assert not flow.left_behind()


def test_urgent_tasks_go_first() -> None:
    done: list[str] = []
    begun, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        assert go_on.wait(PATIENT)

    with Workers(1) as workers:
        first = workers.submit(hold)
        assert begun.wait(PATIENT)
        tasks = [
            workers.submit(lambda name=name: done.append(name), urgency)  # type: ignore[misc]
            for name, urgency in (("a", 0), ("b", 1), ("c", 0), ("d", 1))
        ]
        go_on.set()
        for task in (first, *tasks):
            task.result(PATIENT)
    assert done == ["b", "d", "a", "c"]


# The gate


def test_the_gate_lets_in_no_more_than_it_holds() -> None:
    gate, lock, inside, most = Gate(10), threading.Lock(), [0], [0]

    def pass_through(amount: int) -> None:
        with gate.holding(amount):
            with lock:
                inside[0] += amount
                most[0] = max(most[0], inside[0])
            time.sleep(0.001)
            with lock:
                inside[0] -= amount

    threads = [threading.Thread(target=pass_through, args=(1 + i % 5,)) for i in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENT)
    assert 5 < most[0] <= 10


def test_what_is_larger_than_the_gate_has_it_alone_and_is_not_overtaken() -> None:
    gate, order = Gate(10), list[str]()
    entered, go_on = threading.Event(), threading.Event()

    def small(name: str) -> None:
        with gate.holding(1):
            order.append(name)
            entered.set()
            assert go_on.wait(PATIENT)

    def large() -> None:
        with gate.holding(1000):
            order.append("large")

    def start(target: Callable[..., None], *arguments: str) -> threading.Thread:
        thread = threading.Thread(target=target, args=arguments)
        thread.start()
        return thread

    threads = [start(small, "first")]
    assert entered.wait(PATIENT)
    threads.append(start(large))
    while not len(gate._queue):
        time.sleep(0.001)
    threads.append(start(small, "last"))
    while len(gate._queue) < 2:
        time.sleep(0.001)
    assert order == ["first"]
    go_on.set()
    for thread in threads:
        thread.join(PATIENT)
    assert order == ["first", "large", "last"]


def test_a_failure_leaves_the_gate_open() -> None:
    gate = Gate(1)
    with pytest.raises(KeyError), gate.holding(1):
        raise KeyError
    with gate.holding(5):
        pass
