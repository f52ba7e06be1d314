"""Random decisions, undone and made again: no row is lost, whatever the order."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from facefind.errors import UsageError
from facefind.store.records import Decision
from facefind.store.repository import Repository
from facefind.types import Event
from tests.deciding import Chance, crowd, decided, dump, group, told
from tests.stored import rows

SEEDS = range(6)
DECISIONS = 20
LOG = """
    SELECT d, c FROM decisions d LEFT JOIN decision_changes c ON c.decision_id = d.id
    ORDER BY d.id, c.id
"""


@pytest.fixture
def chance(store: Repository, event: Event, sql: Any, seed: int) -> Chance:
    """Decisions about thirty faces, of which the machine takes most for one of four people."""
    found = crowd(store, event)
    group(store, event, *(found[person:24:4] for person in range(4)))
    return Chance(store, event, sql, seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_undone_in_reverse_everything_is_as_it_was(
    store: Repository, chance: Chance, sql: Any
) -> None:
    made: list[int] = []
    states = [dump(sql)]
    while len(made) < DECISIONS:
        number = chance.decide()
        assert number is not None or dump(sql) == states[-1]
        if number is not None:
            made.append(number)
            states.append(dump(sql))
    for number, before in zip(reversed(made), reversed(states[:-1]), strict=True):
        assert store.undo().id == number
        assert dump(sql) == before
    with pytest.raises(UsageError, match="no decision to undo"):
        store.undo()
    for number, after in zip(made, states[1:], strict=True):
        assert store.redo().id == number
        assert dump(sql) == after
    with pytest.raises(UsageError, match="no decision to make again"):
        store.redo()


@pytest.mark.parametrize("seed", SEEDS)
def test_with_groupings_in_between_what_users_decided_is_as_it_was(
    store: Repository, chance: Chance, sql: Any
) -> None:
    made: list[int] = []
    states = [decided(sql)]
    while len(made) < DECISIONS:
        chance.group()
        assert decided(sql) == states[-1]
        number = chance.decide()
        if number is not None:
            made.append(number)
            states.append(decided(sql))
    chance.group()
    for number, before in zip(reversed(made), reversed(states[:-1]), strict=True):
        assert store.undo().id == number
        assert decided(sql) == before
        chance.group()
    assert states[0] == decided(sql) == {}
    for number, after in zip(made, states[1:], strict=True):
        assert store.redo().id == number
        assert decided(sql) == after
        chance.group()


@pytest.mark.parametrize("grouping", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_in_any_order_a_decision_alone_is_undone_or_nothing(
    store: Repository, chance: Chance, sql: Any, grouping: bool
) -> None:
    def regroup() -> None:
        if grouping and chance.random.random() < 0.5:
            chance.group()

    made: list[int] = []
    while len(made) < DECISIONS:
        regroup()
        number = chance.decide()
        assert decided(sql) == told(sql)
        made += [] if number is None else [number]
    everything = decided(sql)
    for _ in range(2 * DECISIONS):
        regroup()
        number = chance.random.choice(made)
        attempt(chance.random.choice([store.undo, store.redo]), number, sql)
    for turn in (store.undo, store.redo):
        for _ in range(DECISIONS):
            for number in chance.random.sample(made, len(made)):
                regroup()
                follow(store, turn, number, sql)
            if len({decision.undone_at is None for decision in store.decisions()}) == 1:
                break
        assert decided(sql) == ({} if turn == store.undo else everything)


def attempt(turn: Callable[[int], Decision], number: int, sql: Any) -> UsageError | None:
    """Undoes or redoes; a refusal changes nothing, and success leaves what the log tells."""
    before = dump(sql), rows(sql, LOG)
    try:
        turn(number)
    except UsageError as refusal:
        assert (dump(sql), rows(sql, LOG)) == before
        return refusal
    assert decided(sql) == told(sql)
    return None


def follow(store: Repository, turn: Callable[[int], Decision], number: int, sql: Any) -> None:
    """Undoes or redoes a decision, and before it undoes or redoes whatever the refusals name."""
    (decision,) = (d for d in store.decisions() if d.id == number)
    if (decision.undone_at is not None) == (turn == store.undo):
        return
    for _ in range(DECISIONS):
        refusal = attempt(turn, number, sql)
        if refusal is None:
            break
        other = re.fullmatch(r"First: facefind people (undo|redo) (\d+)", refusal.hint)
        assert other is not None, refusal
        follow(store, getattr(store, other[1]), int(other[2]), sql)
    else:
        raise AssertionError(f"{number} is never done")
