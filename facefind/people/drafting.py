"""What decisions about people ask of the store, and what they answer with."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from facefind.errors import UsageError
from facefind.people.naming import LARGEST_NUMBER, PeopleList
from facefind.store.records import Membership, Person

_NUMBERS = "facefind people show WHO lists the numbers of faces."


class Draft(Protocol):
    """A decision in the making, in which nobody else decides; `facefind.store.deciding.Draft`."""

    id: int | None

    def person(self, person: int) -> Person | None:
        """The person of that number."""

    def person_named(self, name_key: str) -> Person | None:
        """The person of that name, as names are compared."""

    def members(self, person: int) -> list[Membership]:
        """A person's faces."""

    def memberships(self, sightings: Collection[int]) -> list[Membership]:
        """Whom faces are taken for; those that do not exist are left out."""

    def rejected(self, person: int) -> list[int]:
        """Faces that are not this person."""

    def describe(self, **subject: Any) -> None:
        """Adds to what the log says."""

    def create(self, name: str | None, name_key: str | None) -> int:
        """A new person."""

    def rename(self, person: int, name: str | None, name_key: str | None) -> None:
        """Gives a name."""

    def hide(self, person: int, hidden: bool) -> None:
        """Hides a person, or shows them again."""

    def cover(self, person: int, sighting: int | None) -> None:
        """Chooses the face that stands for a person."""

    def keep(self, *people: int) -> None:
        """Everybody whom the machine took for these people stays with them."""

    def assign(self, person: int, sightings: Collection[int], *, confirmed: bool) -> None:
        """Faces are this person."""

    def release(self, sightings: Collection[int], person: int | None = None) -> None:
        """Faces are nobody any more."""

    def reject(self, person: int, sightings: Collection[int]) -> None:
        """Faces are not this person."""

    def move(self, source: int, target: int) -> None:
        """All that is one person's becomes the other's."""

    def remove(self, person: int) -> None:
        """Deletes a person."""


class PeopleStore(PeopleList, Protocol):
    """`facefind.store.repository.Repository` provides it."""

    def deciding(self, kind: str, **subject: Any) -> AbstractContextManager[Draft]:
        """A decision; an exception leaves everything as it was."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a decision came to.

    Attributes:
        decision: Its number, to undo it by; None where everything was so already.
        person: Whom it is about: of several the first, after a merge who stays, after a split the
            new one.
        title: What that person is called now.
        faces: How many faces it moved.
        said: A sentence.
    """

    decision: int | None
    person: int | None
    title: str | None
    faces: int
    said: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """A face that a name was not given to, because a user has said otherwise.

    Attributes:
        reason: What the user has said, as the end of a sentence about the face.
        person: Whom the face is taken for.
    """

    sighting: int
    name: str
    reason: str
    person: int | None


@dataclass(frozen=True, slots=True)
class NamedFaces:
    """What naming many faces at once came to.

    Attributes:
        decision: Its number; None where everything was so already.
        made: People who are new; of a rehearsal, the numbers they would have had.
        names: How many names faces have got, or had already.
        confirmed: Faces that are the named person's now and were not before, or were only the
            machine's guess.
        conflicts: Faces that stayed as they were.
    """

    decision: int | None
    made: tuple[int, ...]
    names: int
    confirmed: int
    conflicts: tuple[Conflict, ...]


class Rehearsal(Exception):
    """Ends a decision that is only tried: leaves everything as it was."""


def still(draft: Draft, person: Person) -> Person:
    """The person as they are now, in the decision.

    Raises:
        UsageError: Somebody decided about them a moment ago.
    """
    now = draft.person(person.id)
    if now is None:
        raise UsageError(
            f"{person.title} was merged or deleted a moment ago.", "facefind people log shows how."
        )
    if now.name != person.name:
        raise UsageError(
            f"{person.title} was named {now.title} a moment ago.", "facefind people log shows how."
        )
    return now


def known_faces(draft: Draft, sightings: Collection[int]) -> dict[int, Membership]:
    """Whom faces are taken for; UsageError where there are none, or one does not exist."""
    if not sightings:
        raise UsageError("No face is given.", _NUMBERS)
    possible = [number for number in sightings if 0 < number <= LARGEST_NUMBER]
    known = {member.sighting: member for member in draft.memberships(possible)}
    missing = sorted(set(sightings) - known.keys())
    if missing:
        raise UsageError(f"There is no {listed(missing)}.", _NUMBERS)
    return known


def uncover(draft: Draft, people: Iterable[int], gone: Collection[int]) -> None:
    """Faces that left people stand for them no more."""
    for number in people:
        person = draft.person(number)
        if person is not None and person.cover in gone:
            draft.cover(number, None)


def describe(
    draft: Draft, what: str, people: Sequence[int], faces: Sequence[int] = (), **more: Any
) -> None:
    """What the log says: a phrase, and the numbers behind it."""
    numbers = {"faces": list(faces)} if faces else {}
    draft.describe(what=what, people=list(people), **numbers, **more)


def faces_phrase(count: int) -> str:
    return "1 face" if count == 1 else f"{count or 'no'} faces"


def listed(faces: Sequence[int]) -> str:
    """ "face 7", "faces 7, 8 and 5 more"."""
    numbers = ", ".join(str(number) for number in faces[:5])
    rest = f" and {len(faces) - 5} more" if len(faces) > 5 else ""
    return f"face{'s' * (len(faces) > 1)} {numbers}{rest}"
