"""People of whom a user has said that they are two."""

from __future__ import annotations

from collections.abc import Iterable

from facefind.store.records import Decision


def split_pairs(log: Iterable[Decision]) -> set[frozenset[int]]:
    """Pairs of people that are parts of one who was split, where that still stands.

    Rejected faces keep people apart, too; these are in a table of their own.
    """
    return {
        frozenset(decision.subject.get("people", ()))
        for decision in log
        if decision.kind == "split" and decision.undone_at is None
    }
