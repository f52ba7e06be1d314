"""Takes decisions back, and makes them again: every row that one changed is put back.

That is refused where somebody has decided otherwise about one of these rows since. What the machine
said since does not count; it gives way.

A decision about a person pins the faces that the machine took for them then. Where an earlier
one is undone that had pinned them already, they stay, and the log gives the pin to the later one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeGuard

from psycopg2.extras import Json, execute_batch

from facefind.errors import UsageError
from facefind.store.queries import queries
from facefind.store.records import Decision

_PEOPLE, _SIGHTINGS = "people", "sighting_person"
_OF_PEOPLE = (_SIGHTINGS, "rejections", "portraits")
"""Tables whose rows are about a person, in the column person_id."""

_PROPERTIES = {
    "name": ("name", "name_key"), "hidden": ("hidden",), "cover": ("cover_sighting_id",)
}  # fmt: skip

_Row = Mapping[str, Any]


class _Image(NamedTuple):
    """A row as it is expected to be, and as it is to become; None where there is none."""

    relation: str
    key: str
    expected: _Row | None
    wanted: _Row | None


class _Obstacle(NamedTuple):
    """Why rows cannot be put back, and by what to find the decision that is to blame.

    Attributes:
        rows: By relation and key.
        person: Somebody whom it may have given something.
        name: A name that it may have given.
    """

    reason: str
    rows: Sequence[tuple[str, str]] = ()
    person: int | None = None
    name: str | None = None


class _Turn:
    """A decision that is to be undone or made again, and the rows it is about."""

    def __init__(self, cursor: Any, decision: Decision, undo: bool) -> None:
        self.cursor, self.decision, self.undo = cursor, decision, undo
        self.images = self._images()
        self.now: dict[tuple[str, str], _Row | None] = {
            (relation, _key(key)): row
            for relation in (_PEOPLE, *_OF_PEOPLE)
            for key, row in self.rows(f"rows_{relation}", keys=self.keys(relation))
        }
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

    def each(self, statement: str, values: Sequence[Mapping[str, Any]]) -> None:
        """Executes a statement with each of these values."""
        execute_batch(self.cursor, queries("deciding")[statement], values)

    def of(self, relation: str) -> list[_Image]:
        """The rows of one table."""
        return [image for image in self.images if image.relation == relation]

    def keys(self, relation: str) -> list[str]:
        """The keys of those rows."""
        return [image.key for image in self.of(relation)]

    def _images(self) -> list[_Image]:
        """The rows, but for those about photos that were forgotten."""
        found = self.rows("images")
        told = {key.get("sighting_id") for _, key, _, _ in found} | {
            (row or {}).get("cover_sighting_id") for *_, before, after in found
            for row in (before, after)
        }  # fmt: skip
        there = self.rows("sightings_there", sightings=[number for number in told if number])
        sightings = {number for (number,) in there} | {None}
        images = [
            _Image(relation, _key(key), _with_cover(before, sightings),
                   _with_cover(after, sightings))
            for relation, key, before, after in found
            if key.get("sighting_id") in sightings
        ]  # fmt: skip
        if self.undo:
            images = [i._replace(expected=i.wanted, wanted=i.expected) for i in images]
        return [image for image in images if image.expected != image.wanted]

    def _in_part(self, image: _Image) -> _Image:
        """Of people who are there, what the decision did not change may be what it will."""
        now = self.now[image.relation, image.key]
        if image.relation != _PEOPLE or None in (now, image.expected, image.wanted):
            return image
        assert image.expected is not None
        assert image.wanted is not None
        expected, wanted = dict(now or {}), dict(now or {})
        for part in _parts(image):
            expected.update(_of(image.expected, part))
            wanted.update(_of(image.wanted, part))
        return image._replace(expected=expected, wanted=wanted)


def turn(cursor: Any, decision: Decision, *, undo: bool) -> None:
    """Puts the rows of a decision back to before it, or to what it made of them.

    Raises:
        UsageError: It is undone or made already, or another decision is in the way.
    """
    if (decision.undone_at is not None) == undo:
        state = "undone already" if undo else "not undone"
        raise UsageError(f"Decision {decision.id} is {state}.")
    work = _Turn(cursor, decision, undo)
    if not undo:
        _take_pins(work)
    _refuse_later(work)
    obstacle = (
        _changed(work) or _name_taken(work) or _more_of_theirs(work) or _person_gone(work)
        or _portrait_twice(work)
    )  # fmt: skip
    if obstacle is None:
        if undo:
            _leave_pins(work)
        _put(work)
        obstacle = _contradiction(work)
    if obstacle is not None:
        _refuse(work, obstacle)


# Pins


def _leave_pins(work: _Turn) -> None:
    """Faces that would be the machine's again stay pinned where a later decision did that too."""
    people = {i.wanted["person_id"] for i in work.of(_SIGHTINGS) if _by_machine(i.wanted)}
    keepers = dict(work.rows("keepers", people=list(people))) if people else {}
    pins, images = [], []
    for image in work.images:
        row = image.wanted
        if image.relation == _SIGHTINGS and _by_machine(row) and row["person_id"] in keepers:
            image = image._replace(wanted={**row, "decided_by": "user"})
            pins.append({"instead_of": work.decision.id, "decision": keepers[row["person_id"]], "key": image.key,
                         "before": Json(row), "after": Json(image.wanted)})  # fmt: skip
        images.append(image)
    work.images = images
    work.each("drop_pin", pins)
    work.each("add_pin", pins)


def _take_pins(work: _Turn) -> None:
    """Faces that this decision found the machine's, and that another one has pinned meanwhile.

    Of two that pin a face, the log has the pin with the earlier.
    """
    keys = [i.key for i in work.of(_SIGHTINGS) if _pins(i.expected, work.now[_SIGHTINGS, i.key])]
    found = work.rows("pins", keys=keys) if keys else []
    owners = {(_key(key), _key(after)): owner for key, owner, after in found}
    work.do("take_back_pins")
    pins, images = [], []
    for image in work.images:
        now = work.now[image.relation, image.key]
        owner = owners.get((image.key, _key(now))) if image.key in keys else None
        if owner is None:
            images.append(image)
        elif owner > work.decision.id:
            pins.append({"decision": owner, "key": image.key})
            images.append(image._replace(expected=now))
        elif _pins(image.expected, image.wanted):
            pins.append({"decision": work.decision.id, "key": image.key})
        else:
            images.append(image)
    work.images = images
    work.each("drop_pin", pins)


def _pins(machine: _Row | None, user: _Row | None) -> bool:
    """Whether the one row is the other, pinned."""
    return (
        _by_machine(machine)
        and user is not None
        and (user["decided_by"], user["confirmed"]) == ("user", False)
        and user["person_id"] == machine["person_id"]
    )


# What may be in the way


def _refuse_later(work: _Turn) -> None:
    """Later decisions that stand and have changed the same.

    Raises:
        UsageError: There is one.
    """
    own = {(image.relation, image.key): _parts(image) for image in work.images}
    found = work.rows(
        "later_images", relations=[relation for relation, _ in own], keys=[key for _, key in own]
    )
    for number, kind, relation, key, before, after in found:
        image = _Image(relation, _key(key), before, after)
        if _parts(image) & own[relation, image.key]:
            raise _refusal(work, "has changed since", number, kind, True)


def _changed(work: _Turn) -> _Obstacle | None:
    """Rows that are no longer as they were left."""
    changed = [
        image
        for image in work.images
        if not _alike(work.now[image.relation, image.key], image.expected)
    ]
    # The machine's people go by themselves, where nobody has decided anything about them.
    gone = [i for i in changed if work.now[i.relation, i.key] is None and _plain(i.expected)]
    taken = _taken(work, [image.key for image in gone])
    rows = [(i.relation, i.key) for i in changed if i not in gone or i.key in taken]
    return _Obstacle("has changed since", rows) if rows else None


def _name_taken(work: _Turn) -> _Obstacle | None:
    """Somebody else who has a name that is to be given back."""
    own = {json.loads(key)["id"] for key in work.keys(_PEOPLE)}
    for image in work.of(_PEOPLE):
        name_key = (image.wanted or {}).get("name_key")
        if image.wanted and name_key is not None:
            namesakes = work.rows("person_named", name_key=name_key)
            if namesakes and namesakes[0][0] not in own:
                reason = f"was called {image.wanted['name']}, as somebody else is now"
                rows = [(_PEOPLE, _key({"id": namesakes[0][0]}))]
                return _Obstacle(reason, rows, name=name_key)
    return None


def _more_of_theirs(work: _Turn) -> _Obstacle | None:
    """What was decided about people who are to go, beyond what goes with them."""
    leaving = [json.loads(i.key)["id"] for i in work.of(_PEOPLE) if i.wanted is None]
    for person in leaving:
        own = sum(
            1
            for image in work.images
            if image.relation in _OF_PEOPLE
            and (row := _decided(work.now[image.relation, image.key])) is not None
            and row["person_id"] == person
        )
        if work.rows("count_decided", person=person)[0][0] > own:
            return _Obstacle("has got more faces since", person=person)
    return None


def _person_gone(work: _Turn) -> _Obstacle | None:
    """Somebody whom something is to be given back to; those who went by themselves come back."""
    returning = {json.loads(i.key)["id"] for i in work.of(_PEOPLE) if i.wanted is not None}
    needed = {
        row["person_id"]
        for image in work.images
        if image.relation in _OF_PEOPLE and (row := _decided(image.wanted)) is not None
    }
    there = {person for (person,) in work.rows("people_there", people=list(needed))}
    gone = sorted(needed - returning - there)
    taken = _taken(work, [_key({"id": person}) for person in gone])
    if taken:
        return _Obstacle("is gone since", [(_PEOPLE, key) for key in taken])
    if gone:
        work.do("revive", people=gone)
    return None


def _portrait_twice(work: _Turn) -> _Obstacle | None:
    """A portrait that its person has once more by now."""
    images = work.of("portraits")
    back = [image.wanted for image in images if image.wanted is not None]
    own = [json.loads(image.key)["id"] for image in images]
    twice = work.rows("portraits_twice", rows=Json(back), own=own) if back else []
    rows = [("portraits", _key({"id": number})) for (number,) in twice]
    return _Obstacle("is there once more", rows) if rows else None


def _contradiction(work: _Turn) -> _Obstacle | None:
    """A face that would be somebody's whom it is not, after all is put back."""
    keys = [json.loads(image.key) for image in work.images]
    sightings = sorted({key["sighting_id"] for key in keys if "sighting_id" in key})
    work.do("drop_contradicted_groups", sightings=sightings)
    found = work.rows("contradictions", sightings=sightings)
    rows = [
        row
        for sighting, person in found
        for row in (
            (_SIGHTINGS, _key({"sighting_id": sighting})),
            ("rejections", _key({"sighting_id": sighting, "person_id": person})),
        )
    ]
    return _Obstacle("was decided otherwise since", rows) if rows else None


def _refuse(work: _Turn, obstacle: _Obstacle) -> None:
    """Says why, and which decision came between.

    Raises:
        UsageError: Always.
    """
    found = work.rows(
        "in_the_way",
        relations=[relation for relation, _ in obstacle.rows],
        keys=[key for _, key in obstacle.rows],
        person=obstacle.person,
        name=obstacle.name,
    )
    raise _refusal(work, obstacle.reason, *(found[0] if found else (None, "", True)))


def _refusal(work: _Turn, reason: str, other: int | None, kind: str, stands: bool) -> UsageError:
    verb = "undone" if work.undo else "made again"
    message = f"Decision {work.decision.id} cannot be {verb}: what it is about {reason}."
    if other is None:
        return UsageError(message)
    if stands:
        message += f" Decision {other} ({kind}) came in between."
        return UsageError(message, f"First: facefind people undo {other}")
    message += f" Decision {other} ({kind}), which came before it, is undone."
    return UsageError(message, f"First: facefind people redo {other}")


# Rows


def _put(work: _Turn) -> None:
    """Makes the rows as wanted; people are there before others refer to them, and go last."""
    for relation in _OF_PEOPLE:
        work.do(f"take_{relation}", keys=work.keys(relation))
    work.do("unname", people=[json.loads(key)["id"] for key in work.keys(_PEOPLE)])
    for relation in (_PEOPLE, *_OF_PEOPLE):
        back = [image.wanted for image in work.of(relation) if image.wanted is not None]
        work.do(f"put_{relation}", rows=Json(back))
    work.do("take_people", keys=[i.key for i in work.of(_PEOPLE) if i.wanted is None])


def _taken(work: _Turn, people: Sequence[str]) -> list[str]:
    """Of people, by key, those whom a decision has made or taken away."""
    found = work.rows("people_taken", keys=list(people)) if people else []
    return [_key({"id": person}) for (person,) in found]


def _by_machine(row: _Row | None) -> TypeGuard[_Row]:
    return row is not None and row.get("decided_by") == "machine"


def _decided(row: _Row | None) -> _Row | None:
    """A row as far as a user decided it: what the machine says may change at any time."""
    return None if _by_machine(row) else row


def _parts(image: _Image) -> frozenset[str]:
    """What a decision has changed of a row: of people each property counts for itself."""
    before, after = image.expected, image.wanted
    if before == after:
        return frozenset()
    if image.relation != _PEOPLE:
        return frozenset({"row"})
    if before is None or after is None:
        return frozenset(_PROPERTIES)
    return frozenset(p for p in _PROPERTIES if _of(before, p) != _of(after, p))


def _of(person: _Row, part: str) -> dict[str, Any]:
    """The columns that make up a property."""
    return {column: person[column] for column in _PROPERTIES[part]}


def _alike(one: _Row | None, two: _Row | None) -> bool:
    """Whether two rows tell the same, as far as users decided it."""
    one, two = _decided(one), _decided(two)
    if one is None or two is None or "name_key" not in one:
        return one == two
    # Somebody who was gone and came back is younger.
    return {**one, "created_at": None} == {**two, "created_at": None}


def _plain(row: _Row | None) -> bool:
    """Whether it is a person of whom nothing is known."""
    return (
        row is not None
        and "name_key" in row
        and (row["name_key"], row["hidden"], row["cover_sighting_id"]) == (None, False, None)
    )


def _with_cover(row: _Row | None, sightings: set[int | None]) -> _Row | None:
    """A person without the cover that was forgotten."""
    if row is None or row.get("cover_sighting_id") in sightings:
        return row
    return {**row, "cover_sighting_id": None}


def _key(key: _Row | None) -> str:
    return json.dumps(key, sort_keys=True)
