"""What may keep a decision from being undone or made again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from psycopg2.extras import Json

from facefind.errors import UsageError
from facefind.store.logged_rows import (
    OF_PEOPLE,
    PEOPLE,
    SIGHTINGS,
    Image,
    Turn,
    alike,
    decided,
    key_of,
    parts_of,
)


class Obstacle(NamedTuple):
    """Why rows cannot be put back, and by what to find the decision that is to blame.

    Attributes:
        rows: By relation and key.
        person: Somebody whom it may have given something.
        name, namesake: A name, and the key of somebody to whom it may have given it.
    """

    reason: str
    rows: Sequence[tuple[str, str]] = ()
    person: int | None = None
    name: str | None = None
    namesake: str | None = None


def refuse_later(work: Turn) -> None:
    """Later decisions that stand and have changed the same.

    Raises:
        UsageError: There is one.
    """
    own = {(image.relation, image.key): parts_of(image) for image in work.images}
    found = work.rows(
        "later_images", relations=[relation for relation, _ in own], keys=[key for _, key in own]
    )
    for number, kind, relation, key, before, after in found:
        image = Image(relation, key, before, after)
        if parts_of(image) & own[relation, image.key]:
            raise _refusal(work, "has changed since", number, kind, True)
    _refuse_later_names(work)


def _refuse_later_names(work: Turn) -> None:
    """Names to be given back that somebody else was given later, even if they lost them again."""
    for image in work.of(PEOPLE):
        if image.wanted is None or image.wanted["name_key"] is None:
            continue
        now, name_key = work.now[PEOPLE, image.key], image.wanted["name_key"]
        if now is not None and now["name_key"] == name_key:
            continue
        reason = f"was called {image.wanted['name']}, as somebody else was since"
        for number, kind in work.rows("later_name", keys=work.keys(PEOPLE), name=name_key):
            raise _refusal(work, reason, number, kind, True)


def find_obstacle(work: Turn) -> Obstacle | None:
    """What is in the way before anything is put back."""
    return (
        _changed(work)
        or _name_taken(work)
        or _more_of_theirs(work)
        or _person_gone(work)
        or _portrait_twice(work)
    )


def _changed(work: Turn) -> Obstacle | None:
    """Rows that are no longer as they were left."""
    rows = [
        (image.relation, image.key)
        for image in work.images
        if not alike(work.now[image.relation, image.key], image.expected)
    ]
    return Obstacle("has changed since", rows) if rows else None


def _name_taken(work: Turn) -> Obstacle | None:
    """Somebody else who has a name that is to be given back."""
    own = {json.loads(key)["id"] for key in work.keys(PEOPLE)}
    for image in work.of(PEOPLE):
        name_key = (image.wanted or {}).get("name_key")
        if image.wanted and name_key is not None:
            namesakes = work.rows("person_named", name_key=name_key)
            if namesakes and namesakes[0][0] not in own:
                reason = f"was called {image.wanted['name']}, as somebody else is now"
                namesake = key_of({"id": namesakes[0][0]})
                return Obstacle(reason, namesake=namesake, name=name_key)
    return None


def _more_of_theirs(work: Turn) -> Obstacle | None:
    """What was decided about people who are to go, beyond what goes with them."""
    leaving = [json.loads(i.key)["id"] for i in work.of(PEOPLE) if i.wanted is None]
    for person in leaving:
        own = sum(
            1
            for image in work.images
            if image.relation in OF_PEOPLE
            and (row := decided(work.now[image.relation, image.key])) is not None
            and row["person_id"] == person
        )
        if work.rows("count_decided", person=person)[0][0] > own:
            return Obstacle("has got more faces since", person=person)
    return None


def _person_gone(work: Turn) -> Obstacle | None:
    """Somebody whom something is to be given back to; those who went by themselves come back."""
    returning = {json.loads(i.key)["id"] for i in work.of(PEOPLE) if i.wanted is not None}
    needed = {
        row["person_id"]
        for image in work.images
        if image.relation in OF_PEOPLE and (row := decided(image.wanted)) is not None
    }
    there = {person for (person,) in work.rows("people_there", people=list(needed))}
    gone = sorted(needed - returning - there)
    taken = work.taken([key_of({"id": person}) for person in gone])
    if taken:
        return Obstacle("is gone since", [(PEOPLE, key) for key in taken])
    if gone:
        work.do("revive", people=gone)
    return None


def _portrait_twice(work: Turn) -> Obstacle | None:
    """A portrait that its person has once more by now."""
    images = work.of("portraits")
    back = [image.wanted for image in images if image.wanted is not None]
    own = [json.loads(image.key)["id"] for image in images]
    twice = work.rows("portraits_twice", rows=Json(back), own=own) if back else []
    rows = [("portraits", key_of({"id": number})) for (number,) in twice]
    return Obstacle("is there once more", rows) if rows else None


def find_contradiction(work: Turn) -> Obstacle | None:
    """A face that would be somebody's whom it is not, after all is put back."""
    keys = [json.loads(image.key) for image in work.images]
    sightings = sorted({key["sighting_id"] for key in keys if "sighting_id" in key})
    work.do("drop_contradicted_groups", sightings=sightings)
    found = work.rows("contradictions", sightings=sightings)
    rows = [
        row
        for sighting, person in found
        for row in (
            (SIGHTINGS, key_of({"sighting_id": sighting})),
            ("rejections", key_of({"sighting_id": sighting, "person_id": person})),
        )
    ]
    return Obstacle("was decided otherwise since", rows) if rows else None


def refuse(work: Turn, obstacle: Obstacle) -> None:
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
        namesake=obstacle.namesake,
    )
    raise _refusal(work, obstacle.reason, *(found[0] if found else (None, "", True)))


def _refusal(work: Turn, reason: str, other: int | None, kind: str, stands: bool) -> UsageError:
    verb = "undone" if work.undo else "made again"
    message = f"Decision {work.decision.id} cannot be {verb}: what it is about {reason}."
    if other is None:
        return UsageError(message)
    if stands:
        message += f" Decision {other} ({kind}) came in between."
        return UsageError(message, f"First: facefind people undo {other}")
    message += f" Decision {other} ({kind}), which came before it, is undone."
    return UsageError(message, f"First: facefind people redo {other}")
