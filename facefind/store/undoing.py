"""Takes decisions back, and makes them again: every row that one changed is put back.

That is refused where somebody has decided otherwise about one of these rows since. What the machine
said since does not count; it gives way.

A decision about a person pins the faces that the machine took for them then. Where an earlier
one is undone that had pinned them already, they stay, and the log gives the pin to the later one.
"""

from __future__ import annotations

import json
from typing import Any

from psycopg2.extras import Json

from facefind.errors import UsageError
from facefind.store.logged_rows import PEOPLE, SIGHTINGS, Turn, by_machine, is_pin
from facefind.store.obstacles import find_contradiction, find_obstacle, refuse, refuse_later
from facefind.store.records import Decision

_TAKE = {
    SIGHTINGS: "take_sighting_person", "rejections": "take_rejections",
    "portraits": "take_portraits",
}  # fmt: skip
_PUT = {
    PEOPLE: "put_people", SIGHTINGS: "put_sighting_person", "rejections": "put_rejections",
    "portraits": "put_portraits",
}  # fmt: skip


def turn(cursor: Any, decision: Decision, *, undo: bool) -> None:
    """Puts the rows of a decision back to before it, or to what it made of them.

    Raises:
        UsageError: It is undone or made already, or another decision is in the way.
    """
    if (decision.undone_at is not None) == undo:
        state = "undone already" if undo else "not undone"
        raise UsageError(f"Decision {decision.id} is {state}.")
    work = Turn(cursor, decision, undo)
    if not undo:
        _take_pins(work)
    refuse_later(work)
    obstacle = find_obstacle(work)
    if obstacle is None:
        if undo:
            _leave_pins(work)
        _put(work)
        obstacle = find_contradiction(work)
    if obstacle is not None:
        refuse(work, obstacle)


def _put(work: Turn) -> None:
    """Makes the rows as wanted; people are there before others refer to them, and go last."""
    _drop_memberships_of_gone(work)
    for relation, statement in _TAKE.items():
        # Of a sighting there is one row, which gives way; others could be in each other's way.
        images = [i for i in work.of(relation) if i.wanted is None or relation != SIGHTINGS]
        work.do(statement, keys=[image.key for image in images])
    work.do("unname", people=[json.loads(key)["id"] for key in work.keys(PEOPLE)])
    for relation, statement in _PUT.items():
        back = [image.wanted for image in work.of(relation) if image.wanted is not None]
        work.do(statement, rows=Json(back))
    work.do("take_people", keys=[i.key for i in work.of(PEOPLE) if i.wanted is None])


def _drop_memberships_of_gone(work: Turn) -> None:
    """Faces that were those of the machine's people who have gone by now are nobody's."""
    people = {i.wanted["person_id"] for i in work.of(SIGHTINGS) if by_machine(i.wanted)}
    there = {person for (person,) in work.rows("people_there", people=list(people))}
    there |= {image.wanted["id"] for image in work.of(PEOPLE) if image.wanted is not None}
    work.images = [
        image._replace(wanted=None)
        if by_machine(image.wanted) and image.wanted["person_id"] not in there
        else image
        for image in work.images
    ]


# Pins


def _leave_pins(work: Turn) -> None:
    """Faces that would be the machine's again stay pinned where a later decision did that too."""
    people = {i.wanted["person_id"] for i in work.of(SIGHTINGS) if by_machine(i.wanted)}
    keepers = dict(work.rows("keepers", people=list(people))) if people else {}
    pins, images = [], []
    for image in work.images:
        row = image.wanted
        if image.relation == SIGHTINGS and by_machine(row) and row["person_id"] in keepers:
            image = image._replace(wanted={**row, "decided_by": "user"})
            pins.append({
                "decision": keepers[row["person_id"]], "key": json.loads(image.key),
                "before": row, "after": image.wanted,
            })  # fmt: skip
        images.append(image)
    work.images = images
    work.do("drop_pins", rows=Json(pins))
    work.do("give_pins", rows=Json(pins))


def _take_pins(work: Turn) -> None:
    """Faces that this decision found the machine's, and that another one has pinned meanwhile.

    Of two that pin a face, the log has the pin with the earlier.
    """
    keys = [i.key for i in work.of(SIGHTINGS) if is_pin(i.expected, work.now[SIGHTINGS, i.key])]
    found = work.rows("pins", keys=keys) if keys else []
    now = {key: work.now[SIGHTINGS, key] for key in keys}
    owners = {key: owner for key, owner, after in found if after == now[key]}
    work.do("take_back_pins")
    pins, images = [], []
    for image in work.images:
        owner = owners.get(image.key) if image.relation == SIGHTINGS else None
        if owner is None:
            images.append(image)
        elif owner > work.decision.id:
            pins.append({"decision": owner, "key": json.loads(image.key)})
            images.append(image._replace(expected=now[image.key]))
        elif is_pin(image.expected, image.wanted):
            pins.append({"decision": work.decision.id, "key": json.loads(image.key)})
        else:
            images.append(image)
    work.images = images
    work.do("drop_pins", rows=Json(pins))
