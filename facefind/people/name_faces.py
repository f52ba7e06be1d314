"""Naming many faces at once, as other programs have them: one decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from facefind.people.drafting import (
    Conflict,
    Draft,
    NamedFaces,
    PeopleStore,
    Rehearsal,
    describe,
    faces_phrase,
    known_faces,
    uncover,
)
from facefind.people.naming import checked_name, name_key
from facefind.store.records import Membership, Person


def name_faces(
    store: PeopleStore,
    names: Mapping[int, str],
    kind: str = "import",
    *,
    dry_run: bool = False,
    **subject: Any,
) -> NamedFaces:
    """Names many faces in one decision; people of these names are made where there are none.

    What a user has said otherwise stays, and is answered as a conflict.

    Args:
        names: Face number -> name.
        kind: As the log calls it.
        dry_run: Decide nothing, only tell.
        subject: What else the log says.

    Raises:
        UsageError: A name cannot be one, or a face does not exist.
    """
    wanted = {sighting: checked_name(name) for sighting, name in names.items()}
    try:
        with store.deciding(kind, **subject) as draft:
            named = _name_all(draft, wanted)
            if "what" not in subject:
                of = "1 name" if named.names == 1 else f"{named.names} names"
                describe(draft, f"{faces_phrase(named.confirmed)} of {of}", named.made)
            if dry_run:
                raise Rehearsal
    except Rehearsal:
        return named
    return replace(named, decision=draft.id)


def _name_all(draft: Draft, wanted: Mapping[int, str]) -> NamedFaces:
    made: list[int] = []
    conflicts: list[Conflict] = []
    names = confirmed = 0
    known = known_faces(draft, wanted) if wanted else {}
    for name, faces in _by_name(wanted).items():
        there = draft.person_named(name_key(name))
        refused = _refused(draft, there, name, [known[face] for face in faces])
        conflicts += refused
        kept = sorted(set(faces) - {conflict.sighting for conflict in refused})
        if not kept:
            continue
        person = there.id if there else draft.create(name, name_key(name))
        made += [] if there else [person]
        names += 1
        draft.keep(person)
        confirmed += sum(not _is_confirmed(known[face], person) for face in kept)
        others = {known[face].person for face in kept} - {person}
        draft.assign(person, kept, confirmed=True)
        uncover(draft, [other for other in others if other is not None], kept)
    return NamedFaces(None, tuple(made), names, confirmed, tuple(conflicts))


def _by_name(wanted: Mapping[int, str]) -> dict[str, list[int]]:
    """The faces of each name, as first written, of those that are one name."""
    spelled: dict[str, str] = {}
    faces: dict[str, list[int]] = {}
    for sighting, name in sorted(wanted.items()):
        faces.setdefault(spelled.setdefault(name_key(name), name), []).append(sighting)
    return faces


def _refused(
    draft: Draft, person: Person | None, name: str, faces: Sequence[Membership]
) -> list[Conflict]:
    """The faces of which a user has said that they are somebody else, or not this person."""
    rejected = set(draft.rejected(person.id)) if person else set()
    conflicts = []
    for face in faces:
        other = None
        if face.person is not None and face.decided_by == "user":
            other = draft.person(face.person)
        if face.sighting in rejected:
            conflicts.append(
                Conflict(face.sighting, name, f"was said not to be {name}", face.person)
            )
        elif other and other.name is not None and (person is None or other.id != person.id):
            conflicts.append(Conflict(face.sighting, name, f"is {other.name} already", face.person))
    return conflicts


def _is_confirmed(face: Membership, person: int) -> bool:
    return face.confirmed and face.person == person
