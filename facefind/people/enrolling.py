"""What a portrait that fits changes in the library: one pupil of `people.learning` at a time."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from facefind.people import drafting
from facefind.people.drafting import faces_phrase
from facefind.people.lessons import Lesson
from facefind.people.naming import name_key
from facefind.store.records import Kind, Person
from facefind.types import FloatArray


class Draft(drafting.Draft, Protocol):
    """A decision in the making; `facefind.store.deciding.Draft`."""

    def add_portrait(
        self,
        person: int,
        path: bytes,
        sha256: str,
        pipeline: str,
        fingerprint: str,
        quality: float | None,
        embedding: FloatArray,
    ) -> None:
        """Keeps a portrait of a person; one that is there already stays."""


class DecidingStore(drafting.PeopleStore, Protocol):
    """`facefind.store.repository.Repository` provides it."""

    def deciding(self, kind: str, **subject: Any) -> AbstractContextManager[Draft]:
        """A decision; an exception leaves everything as it was."""


class Note(NamedTuple):
    """Something about a person that was left as it is, to be told: a sentence."""

    person: int
    said: str


@dataclass(frozen=True, slots=True, eq=False)
class Enrolment:
    """A pupil, and whom the portraits fit.

    Attributes:
        portraits: With the kind of vectors of each.
        people: Whom they fit.
        lone: Faces of nobody that they match.
        known: People whose portraits these pictures are already.
        apart: Pairs of people whom a user has told apart.
        doubt: Why the person of this name cannot be the pupil; empty where they can.
        notes: What else was noticed.
    """

    name: str
    portraits: tuple[tuple[Kind, Lesson], ...]
    people: tuple[int, ...] = ()
    lone: tuple[int, ...] = ()
    known: tuple[int, ...] = ()
    apart: Collection[frozenset[int]] = ()
    doubt: str = ""
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Learnt:
    """What became of a pupil.

    Attributes:
        person: Who they are; None where that is in doubt.
        faces: How many they have.
        named: A person without a name got this one.
        merged: People who became part of this one.
        lone: Faces that were nobody's before.
        portraits: How many pictures are new.
        created: There was no such person before.
        conflict: Why nothing was decided; empty where something was.
    """

    name: str
    person: int | None
    faces: int = 0
    named: bool = False
    merged: tuple[int, ...] = ()
    lone: int = 0
    portraits: int = 0
    created: bool = False
    hidden: bool = False
    conflict: str = ""
    notes: tuple[Note, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether anything was decided."""
        return bool(self.named or self.merged or self.lone or self.portraits or self.created)


def enrol(
    draft: Draft, pupil: Enrolment, known_pictures: Collection[tuple[int, str, str]]
) -> Learnt:
    """Names whom the portraits fit, makes them one, and keeps the portraits.

    Args:
        known_pictures: Person, sha256 and pipeline of each portrait in the library.
    """
    own = draft.person_named(name_key(pupil.name))
    everybody = {*pupil.people, *pupil.known, *([own.id] if own else [])}
    people = [person for one in sorted(everybody) if (person := draft.person(one)) is not None]
    conflict = _conflict(pupil, own, people)
    if conflict:
        return Learnt(pupil.name, None, conflict=conflict, notes=pupil.notes)
    sizes = {person.id: len(draft.members(person.id)) for person in people}
    target = own or max(people, key=lambda person: (sizes[person.id], -person.id), default=None)
    kept = target.id if target else draft.create(pupil.name, name_key(pupil.name))
    others = [person for person in people if person.id != kept]
    apart = [person for person in others if _are_apart(draft, pupil, kept, person.id)]
    merging = [person for person in others if person not in apart]
    lone = sorted(set(pupil.lone) - set(draft.rejected(kept)))
    known = {(sha256, pipeline) for person, sha256, pipeline in known_pictures if person == kept}
    fresh = [one for one in pupil.portraits if (one[1].sha256, one[0].pipeline) not in known]
    learnt = Learnt(
        pupil.name,
        kept,
        named=target is not None and own is None,
        merged=tuple(person.id for person in merging),
        lone=len(lone),
        portraits=len({lesson.sha256 for _, lesson in fresh}),
        created=target is None,
        hidden=target is not None and _hidden([target, *merging]),
        notes=(*pupil.notes, *(_apart_note(person, pupil.name) for person in apart)),
    )
    if learnt.changed:
        _carry_out(draft, learnt, target, merging, lone)
        for kind, lesson in fresh:
            _add_portrait(draft, kept, kind, lesson)
    return _with_faces(learnt, len(draft.members(kept)))


def _carry_out(
    draft: Draft,
    learnt: Learnt,
    target: Person | None,
    merging: Collection[Person],
    lone: Collection[int],
) -> None:
    kept = learnt.person
    assert kept is not None
    draft.keep(kept)
    for person in merging:
        draft.move(person.id, kept)
        draft.remove(person.id)
    if learnt.named:
        draft.rename(kept, learnt.name, name_key(learnt.name))
    if merging and target is not None:
        draft.hide(kept, learnt.hidden)
        covers = [person.cover for person in merging if person.cover is not None]
        if covers and target.cover is None:
            draft.cover(kept, covers[0])
    if lone:
        draft.assign(kept, lone, confirmed=False)


def _conflict(pupil: Enrolment, own: Person | None, people: list[Person]) -> str:
    """Why it cannot be told who the pupil is."""
    for person in people:
        if person.name is None or (own is not None and person.id == own.id):
            continue
        if person.id in pupil.known:
            return (
                f"this portrait was learnt before, as that of {person.name} ({person.id}). Call "
                "the file like the person"
            )
        return (
            f"the portrait fits {person.name} ({person.id}). If they are one person: rename the "
            f'file to "{person.name}", or facefind people name {person.id} "{pupil.name}"; then '
            "learn again"
        )
    return pupil.doubt


def _are_apart(draft: Draft, pupil: Enrolment, one: int, other: int) -> bool:
    """Whether a user has made two of one, or said that a face of the one is not the other."""
    if frozenset((one, other)) in pupil.apart:
        return True
    faces = [{member.sighting for member in draft.members(person)} for person in (one, other)]
    return bool(faces[0] & set(draft.rejected(other)) or faces[1] & set(draft.rejected(one)))


def _apart_note(person: Person, name: str) -> Note:
    said = f"{person.title} looks like {name} too, but you have told them apart"
    return Note(person.id, said)


def _hidden(people: Collection[Person]) -> bool:
    """People who become one are hidden if all were."""
    return all(person.hidden for person in people)


def _add_portrait(draft: Draft, person: int, kind: Kind, lesson: Lesson) -> None:
    portrait = lesson.portrait
    draft.add_portrait(
        person,
        bytes(portrait.path.absolute()),
        lesson.sha256,
        kind.pipeline,
        kind.fingerprint,
        portrait.quality,
        portrait.embedding,
    )


def _with_faces(learnt: Learnt, faces: int) -> Learnt:
    return replace(learnt, faces=faces)


def few_fit(name: str, matched: int, looked: int) -> str:
    """The doubt where hardly a face of the person of that name is matched."""
    return (
        f"the portrait fits {matched or 'none'} of {faces_phrase(looked)} of the {name} that "
        "there is. If this is another person, call the file differently; else use another portrait"
    )
