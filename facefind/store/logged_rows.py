"""The rows that a decision has changed, as the log has them and as they are now."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, TypeGuard

from facefind.store.queries import queries
from facefind.store.records import Decision

PEOPLE, SIGHTINGS = "people", "sighting_person"
OF_PEOPLE = (SIGHTINGS, "rejections", "portraits")
"""Tables whose rows are about a person, in the column person_id."""

_PROPERTIES = {
    "name": ("name", "name_key"), "hidden": ("hidden",), "cover": ("cover_sighting_id",)
}  # fmt: skip
_ROWS_NOW = {
    PEOPLE: "rows_people", SIGHTINGS: "rows_sighting_person",
    "rejections": "rows_rejections", "portraits": "rows_portraits",
}  # fmt: skip

Row = Mapping[str, Any]


class Image(NamedTuple):
    """A row as it is expected to be, and as it is to become; None where there is none."""

    relation: str
    key: str
    expected: Row | None
    wanted: Row | None


class Turn:
    """A decision that is to be undone or made again, and the rows it is about."""

    def __init__(self, cursor: Any, decision: Decision, undo: bool) -> None:
        self.cursor, self.decision, self.undo = cursor, decision, undo
        self.images = self._images()
        self.now: dict[tuple[str, str], Row | None] = {
            (relation, key): row
            for relation, statement in _ROWS_NOW.items()
            for key, row in self.rows(statement, keys=self.keys(relation))
        }
        self._revive()
        self.images = [self._in_part(image) for image in self.images]

    def rows(self, statement: str, **values: Any) -> list[Any]:
        """What a statement answers."""
        self.do(statement, **values)
        found: list[Any] = self.cursor.fetchall()
        return found

    def do(self, statement: str, **values: Any) -> None:
        """Executes a statement."""
        values = {"decision": self.decision.id, **values}
        self.cursor.execute(queries("deciding")[statement], values)

    def of(self, relation: str) -> list[Image]:
        """The rows of one table."""
        return [image for image in self.images if image.relation == relation]

    def keys(self, relation: str) -> list[str]:
        """The keys of those rows."""
        return [image.key for image in self.of(relation)]

    def _images(self) -> list[Image]:
        """The rows, but for those about photos that were forgotten."""
        found = self.rows("images")
        both = [row for *_, before, after in found for row in (before, after) if row is not None]
        columns = ("sighting_id", "cover_sighting_id")
        told = {row[column] for row in both for column in columns if row.get(column)}
        there = self.rows("sightings_there", sightings=list(told))
        sightings = {number for (number,) in there} | {None}
        images = [
            Image(relation, key, with_cover(before, sightings), with_cover(after, sightings))
            for relation, key, before, after in found
            if before != after and (before or after).get("sighting_id") in sightings
        ]
        if self.undo:
            images = [i._replace(expected=i.wanted, wanted=i.expected) for i in images]
        return [image for image in images if image.expected != image.wanted]

    def taken(self, people: Collection[str]) -> list[str]:
        """Of people who are not there, by key, those whom another decision made or took away."""
        found = self.rows("people_taken", keys=list(people)) if people else []
        return [key_of({"id": person}) for (person,) in found]

    def _revive(self) -> None:
        """Brings back the machine's people, of whom nothing is known, and who have gone."""
        gone = [
            image.key
            for image in self.of(PEOPLE)
            if image.expected is not None and self.now[PEOPLE, image.key] is None
        ]
        back = sorted(set(gone) - set(self.taken(gone)))
        if back:
            self.do("revive", people=[json.loads(key)["id"] for key in back])
            self.now |= {(PEOPLE, key): row for key, row in self.rows("rows_people", keys=back)}

    def _in_part(self, image: Image) -> Image:
        """Of people who are there, what the decision did not change may be what it will."""
        now = self.now[image.relation, image.key]
        if image.relation != PEOPLE or None in (now, image.expected, image.wanted):
            return image
        assert image.expected is not None
        assert image.wanted is not None
        expected, wanted = dict(now or {}), dict(now or {})
        for part in parts_of(image):
            expected.update(_of(image.expected, part))
            wanted.update(_of(image.wanted, part))
        return image._replace(expected=expected, wanted=wanted)


def by_machine(row: Row | None) -> TypeGuard[Row]:
    return row is not None and row.get("decided_by") == "machine"


def decided(row: Row | None) -> Row | None:
    """A row as far as a user decided it: what the machine says may change at any time."""
    return None if by_machine(row) else row


def parts_of(image: Image) -> frozenset[str]:
    """What a decision has changed of a row: of people each property counts for itself."""
    before, after = image.expected, image.wanted
    if before == after:
        return frozenset()
    if image.relation != PEOPLE:
        return frozenset({"row"})
    if before is None or after is None:
        return frozenset(_PROPERTIES)
    return frozenset(p for p in _PROPERTIES if _of(before, p) != _of(after, p))


def _of(person: Row, part: str) -> dict[str, Any]:
    """The columns that make up a property."""
    return {column: person[column] for column in _PROPERTIES[part]}


def alike(one: Row | None, two: Row | None) -> bool:
    """Whether two rows tell the same, as far as users decided it."""
    one, two = decided(one), decided(two)
    if one is None or two is None or "name_key" not in one:
        return one == two
    # Somebody who was gone and came back is younger.
    return {**one, "created_at": None} == {**two, "created_at": None}


def with_cover(row: Row | None, sightings: set[int | None]) -> Row | None:
    """A person without the cover that was forgotten."""
    if row is None or row.get("cover_sighting_id") in sightings:
        return row
    return {**row, "cover_sighting_id": None}


def key_of(key: Row | None) -> str:
    """As PostgreSQL writes jsonb, for the columns that there are."""
    return json.dumps(key, sort_keys=True)


def is_pin(machine: Row | None, user: Row | None) -> bool:
    """Whether the one row is the machine's, and the other the same, pinned by a user."""
    return (
        by_machine(machine)
        and user is not None
        and (user["decided_by"], user["confirmed"]) == ("user", False)
        and user["person_id"] == machine["person_id"]
    )
