"""Decisions about people: each is one row of the log, and can be undone.

A decision about a person keeps the faces that they have: what a user has looked at and said
something about, grouping takes no more apart.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from facefind.answers import as_sentence
from facefind.errors import UsageError
from facefind.people.drafting import (
    Done,
    Draft,
    PeopleStore,
    describe,
    faces_phrase,
    known_faces,
    listed,
    still,
    uncover,
)
from facefind.people.naming import (
    checked_name,
    find_person,
    free_name,
    name_key,
    refuse_taken,
)
from facefind.store.records import Membership, Person


def name_person(store: PeopleStore, reference: str, name: str, *, another: bool = False) -> Done:
    """Gives a person a name.

    Args:
        another: Where somebody else has the name, this is another person of it: "Anna (2)".

    Raises:
        UsageError: The name is taken or none at all, or there is no such person.
    """
    wanted = checked_name(name)
    person = find_person(store, reference)
    with store.deciding("name") as draft:
        still(draft, person)
        if another:
            wanted = free_name(draft, wanted, person.id)
        else:
            refuse_taken(draft, wanted, person.id)
        draft.keep(person.id)
        draft.rename(person.id, wanted, name_key(wanted))
        describe(draft, f"{person.title} is {wanted}", [person.id], name=wanted)
    return Done(draft.id, person.id, wanted, 0, f'{_numbered(person)} is "{wanted}" now.')


def merge(store: PeopleStore, references: Sequence[str], *, name: str | None = None) -> Done:
    """Makes several people one: the first of them, or the one who has a name, stays.

    Args:
        references: At least two people.
        name: What they are called then.

    Raises:
        UsageError: Fewer than two people, or several with names and none chosen.
    """
    people = _each_once(store, references)
    if len(people) < 2:
        raise UsageError(
            f"{people[0].title} cannot be merged with themselves.", "Name two or more people."
        )
    wanted = None if name is None else checked_name(name)
    kept = _who_stays(people, wanted)
    others = [person for person in people if person.id != kept.id]
    with store.deciding("merge") as draft:
        now = [still(draft, person) for person in (kept, *others)]
        sizes = [len(draft.members(person.id)) for person in others]
        draft.keep(*(person.id for person in people))
        for person in others:
            draft.move(person.id, kept.id)
            draft.remove(person.id)
        _take_looks(draft, now)
        if wanted is not None:
            refuse_taken(draft, wanted, kept.id)
            draft.rename(kept.id, wanted, name_key(wanted))
        title = wanted or kept.title
        parts = [f"{p.title} ({faces_phrase(n)})" for p, n in zip(others, sizes, strict=True)]
        describe(draft, f"{title} <- {', '.join(parts)}", [p.id for p in people])
    return Done(
        draft.id, kept.id, title, sum(sizes), as_sentence(f"{', '.join(parts)} became {title}")
    )


def split(
    store: PeopleStore,
    reference: str,
    sightings: Collection[int],
    *,
    name: str | None = None,
    sure: bool = True,
) -> Done:
    """Makes a new person of some of a person's faces.

    Args:
        name: The new person's.
        sure: A user said so of these very faces.

    Raises:
        UsageError: These are none or all of the person's faces, or not theirs.
    """
    wanted = None if name is None else checked_name(name)
    person = find_person(store, reference)
    with store.deciding("split") as draft:
        still(draft, person)
        faces = sorted(_theirs(draft, person, sightings))
        left = len(draft.members(person.id)) - len(faces)
        if left == 0:
            raise UsageError(
                f"These are all of {person.title}'s faces: nobody would be left.",
                "Leave out those that stay. facefind people name gives another name.",
            )
        if wanted is not None:
            refuse_taken(draft, wanted)
        draft.keep(person.id)
        made = draft.create(wanted, wanted and name_key(wanted))
        draft.assign(made, faces, confirmed=sure)
        uncover(draft, [person.id], faces)
        title = wanted or Person(made, None, False, None).title
        describe(
            draft,
            f"{person.title} -> {title} ({faces_phrase(len(faces))})",
            [person.id, made],
            faces,
        )
    said = f"{listed(faces).capitalize()} of {person.title} became {title}; {left} stayed."
    return Done(draft.id, made, title, len(faces), said)


def reject(store: PeopleStore, sightings: Collection[int], reference: str) -> Done:
    """Faces are not this person, and never will be by grouping; whose else they are stays.

    Raises:
        UsageError: A face does not exist, or nobody would be left of a person without a name.
    """
    person = find_person(store, reference)
    with store.deciding("reject") as draft:
        still(draft, person)
        known = known_faces(draft, sightings)
        faces = sorted(known)
        theirs = [m for m in known.values() if m.person == person.id]
        if person.name is None and theirs and len(theirs) == len(draft.members(person.id)):
            raise UsageError(
                f"These are all of {person.title}'s faces: nobody would be left.",
                f"facefind people delete {person.id} makes them nobody's.",
            )
        draft.keep(person.id)
        draft.reject(person.id, faces)
        uncover(draft, [person.id], faces)
        describe(draft, f"{listed(faces)}: not {person.title}", [person.id], faces)
    verb = "is" if len(faces) == 1 else "are"
    said = as_sentence(f"{listed(faces).capitalize()} {verb} not {person.title}")
    return Done(draft.id, person.id, person.title, len(theirs), said)


def confirm(
    store: PeopleStore, reference: str, sightings: Collection[int], *, create: bool = False
) -> Done:
    """Faces are this person, whoever they were taken for.

    Args:
        create: Makes the person of that name where there is none.

    Raises:
        UsageError: There is no such person or face.
    """
    person = None if create and _is_free(store, reference) else find_person(store, reference)
    wanted = checked_name(reference) if person is None else ""
    with store.deciding("confirm") as draft:
        if person is None:
            refuse_taken(draft, wanted)
            chosen, title = draft.create(wanted, name_key(wanted)), wanted
        else:
            chosen, title = still(draft, person).id, person.title
        known = known_faces(draft, sightings)
        faces = sorted(known)
        others = {m.person for m in known.values() if m.person not in (None, chosen)}
        draft.keep(chosen)
        draft.assign(chosen, faces, confirmed=True)
        uncover(draft, [other for other in others if other is not None], faces)
        describe(draft, f"{listed(faces)}: {title}", [chosen], faces)
    moved = sum(member.person != chosen for member in known.values())
    verb = "is" if len(faces) == 1 else "are"
    said = as_sentence(f"{listed(faces).capitalize()} {verb} {title}")
    return Done(draft.id, chosen, title, moved, said)


def hide(store: PeopleStore, references: Sequence[str]) -> Done:
    """Leaves people out of lists and albums."""
    return _hide(store, "hide", _each_once(store, references), hidden=True)


def unhide(store: PeopleStore, references: Sequence[str]) -> Done:
    """Shows hidden people again."""
    return _hide(store, "unhide", _each_once(store, references), hidden=False)


def hide_unnamed(store: PeopleStore) -> Done:
    """Hides everybody without a name, in one decision."""
    people = [p for p in store.people() if p.name is None and not p.hidden]
    return _hide(store, "hide-unnamed", people, hidden=True, strict=False)


def cover(store: PeopleStore, reference: str, sighting: int) -> Done:
    """Chooses the face that stands for a person.

    Raises:
        UsageError: It is not one of theirs.
    """
    person = find_person(store, reference)
    with store.deciding("cover") as draft:
        still(draft, person)
        _theirs(draft, person, [sighting])
        draft.keep(person.id)
        draft.cover(person.id, sighting)
        describe(draft, f"{person.title}: face {sighting}", [person.id], [sighting])
    said = as_sentence(f"Face {sighting} stands for {person.title}")
    return Done(draft.id, person.id, person.title, 0, said)


def delete(store: PeopleStore, reference: str) -> Done:
    """Forgets a person, with their portraits; the faces stay, as nobody's.

    Grouping may make a new person of them.
    """
    person = find_person(store, reference)
    with store.deciding("delete") as draft:
        still(draft, person)
        faces = [member.sighting for member in draft.members(person.id)]
        draft.keep(person.id)
        draft.release(faces, person.id)
        draft.remove(person.id)
        describe(draft, f"{person.title} ({faces_phrase(len(faces))})", [person.id])
    said = f"{person.title} is deleted; {faces_phrase(len(faces))} became nobody's."
    if person.name is None and faces:
        said += (
            " Grouping may find these faces again; facefind people hide leaves them out for good."
        )
    return Done(draft.id, None, None, len(faces), said)


# --- whom and what it is about -------------------------------------------------------------------


def _each_once(store: PeopleStore, references: Sequence[str]) -> list[Person]:
    people = [find_person(store, reference) for reference in references]
    return list({person.id: person for person in people}.values())


def _is_free(store: PeopleStore, name: str) -> bool:
    """Whether this can be a name and nobody has it."""
    key = name_key(checked_name(name))
    return all(p.name is None or name_key(p.name) != key for p in store.people())


def _theirs(draft: Draft, person: Person, sightings: Collection[int]) -> dict[int, Membership]:
    """As `_known`; UsageError where one is not this person's."""
    known = known_faces(draft, sightings)
    strange = sorted(face for face, member in known.items() if member.person != person.id)
    if strange:
        verb = "is" if len(strange) == 1 else "are"
        raise UsageError(
            f"{listed(strange).capitalize()} {verb} not taken for {person.title}.",
            f"facefind people show {person.id} lists the numbers of their faces.",
        )
    return known


def _who_stays(people: Sequence[Person], name: str | None) -> Person:
    """Of people who become one: who has the name chosen, else the first with a name, or at all."""
    named = [person for person in people if person.name is not None]
    if len(named) > 1 and name is None:
        titles = " and ".join(f'"{person.name}"' for person in named)
        raise UsageError(
            f"{titles} are both names: which one stays?", f'Choose: --name "{named[0].name}".'
        )
    for person in named:
        if name is not None and name_key(person.name or "") == name_key(name):
            return person
    return named[0] if named else people[0]


# --- what several decisions do -------------------------------------------------------------------


def _hide(
    store: PeopleStore, kind: str, people: Sequence[Person], *, hidden: bool, strict: bool = True
) -> Done:
    with store.deciding(kind) as draft:
        now = [still(draft, p) if strict else draft.person(p.id) for p in people]
        changing = [
            p for p in now if p is not None and p.hidden != hidden and (strict or p.name is None)
        ]
        draft.keep(*(person.id for person in changing))
        for person in changing:
            draft.hide(person.id, hidden)
        titles = _names(changing)
        describe(draft, titles, [person.id for person in changing])
    state = "hidden now" if hidden else "shown again"
    verb = "is" if len(changing) == 1 else "are"
    said = f"{titles} {verb} {state}." if changing else "Nobody was to be changed."
    first = changing[0] if changing else None
    return Done(draft.id, first.id if first else None, first.title if first else None, 0, said)


def _take_looks(draft: Draft, people: Sequence[Person]) -> None:
    """The first of people who became one is hidden if all were, and takes a cover over."""
    kept = people[0]
    draft.hide(kept.id, all(person.hidden for person in people))
    covers = [person.cover for person in people if person.cover is not None]
    if covers and kept.cover is None:
        draft.cover(kept.id, covers[0])


# --- what is said --------------------------------------------------------------------------------


def _numbered(person: Person) -> str:
    return person.title if person.name is None else f'"{person.name}" ({person.id})'


def _names(people: Sequence[Person]) -> str:
    """ "Anna, Person 012 and 5 more"."""
    titles = [person.title for person in people[:5]]
    rest = len(people) - len(titles)
    return ", ".join(titles) + (f" and {rest} more" if rest else "")
