"""What people are called, and whom a user means: by name, or by number.

"12", "#12" and "Person 012" are the person of that number; anything else is a name. Names that
differ in case, width or spaces alone are one name.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Collection
from typing import Protocol

from facefind.errors import UsageError
from facefind.store.records import Person

LONGEST = 200
"""Characters of a name."""

LARGEST_NUMBER = 2**63 - 1
"""Of a person, a face or a decision: what the database counts with."""

_LONGEST_KEY = 2000
"""Bytes of a name as it is compared, of which an index holds no more than some 2,700."""

_NUMBER = re.compile(r"(?:#|person )?\s*(\d+)")
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Signs that turn the direction of what follows them: a name that has one is shown falsely."""

_NEAR = 0.6
"""How alike two names are from which on one may be meant by the other."""


class PeopleList(Protocol):
    """What finding a person asks of the store."""

    def people(
        self, events: Collection[int] | None = None, people: Collection[int] | None = None
    ) -> list[Person]:
        """People, or those of some numbers."""


class TakenNames(Protocol):
    """What choosing a name asks of a decision in the making."""

    def person_named(self, name_key: str) -> Person | None:
        """The person of that name, as names are compared."""


def name_key(name: str) -> str:
    """A name as names are compared: of two that are equal in this, one is refused."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    # Joiners and marks of direction change how a name looks and not which one it is.
    plain = "".join(sign for sign in folded if unicodedata.category(sign) != "Cf")
    return " ".join(plain.split())


def checked_name(name: str) -> str:
    """A name as it is kept: in NFC, without spaces around it.

    Raises:
        UsageError: It is empty, too long, a number, or has signs that cannot be shown.
    """
    given = unicodedata.normalize("NFC", name.strip())
    if any(unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") for sign in given):
        raise UsageError(
            "A name cannot have control characters or line breaks.", "Choose another name."
        )
    if _TURNING & set(given):
        raise UsageError(
            "A name cannot have signs that turn the direction of text.",
            "Names written from right to left need none: leave them out.",
        )
    key = name_key(given)
    if not key:
        raise UsageError("A name cannot be empty.", "Give at least one letter.")
    if len(given) > LONGEST or len(key.encode()) > _LONGEST_KEY:
        raise UsageError(
            f"This name has {len(given)} characters, too many to keep.",
            f"Give at most {LONGEST}.",
        )
    if _number(given) is not None:
        raise UsageError(
            f'"{given}" cannot be a name: it could not be told from a person\'s number.',
            "Add a letter or a word.",
        )
    return given


def find_person(store: PeopleList, reference: str) -> Person:
    """Whom a user means.

    Args:
        reference: "12", "#12", "Person 012", or a name.

    Raises:
        UsageError: There is nobody of that name or number; it offers names that are near.
    """
    number = _number(reference)
    if number is not None:
        found = store.people(people=[number]) if 0 < number <= LARGEST_NUMBER else []
        if not found:
            raise UsageError(
                f"There is no person {reference}.", "facefind people list --all shows everybody."
            )
        return found[0]
    everybody = store.people()
    key = name_key(reference)
    for person in everybody:
        if person.name is not None and name_key(person.name) == key:
            return person
    raise UsageError(f'There is nobody called "{reference}".', _offer(key, everybody))


def free_name(names: TakenNames, name: str, person: int | None = None) -> str:
    """The name itself, or where it is taken with the first free number: "Anna (2)".

    Args:
        person: Whose name does not count as taken.

    Raises:
        UsageError: With the number it would be too long.
    """
    chosen, number = name, 1
    while _taken(names, chosen, person) is not None:
        number += 1
        chosen = f"{name} ({number})"
    return checked_name(chosen)


def refuse_taken(names: TakenNames, name: str, person: int | None = None) -> None:
    """Refuses a name that somebody else has.

    Args:
        person: Whose name does not count as taken.

    Raises:
        UsageError: It is taken; the hint says what can be done.
    """
    other = _taken(names, name, person)
    if other is None:
        return
    merge = f"facefind people merge {other.id} {person}" if person else "facefind people merge"
    raise UsageError(
        f'Person {other.id} is called "{other.name}" already.',
        f'If they are one person: {merge}. If they are two: --another makes this one "{name} (2)".',
    )


def _number(reference: str) -> int | None:
    """The number in "12", "#12" or "Person 012"; None for a name."""
    match = _NUMBER.fullmatch(name_key(reference))
    if match is None:
        return None
    # Python refuses to read very long ones, which are nobody's.
    return int(match[1]) if len(match[1]) < 1000 else LARGEST_NUMBER + 1


def _taken(names: TakenNames, name: str, person: int | None) -> Person | None:
    other = names.person_named(name_key(name))
    return None if other is None or other.id == person else other


def _offer(key: str, everybody: Collection[Person]) -> str:
    """Names near one that nobody has."""
    names = {name_key(person.name): person for person in everybody if person.name}
    near = difflib.get_close_matches(key, list(names), 3, _NEAR)
    near += [other for other in names if key and key in other and other not in near]
    if not near:
        return "facefind people list --all shows everybody."
    offered = ", ".join(f'"{names[one].name}" ({names[one].id})' for one in near[:3])
    return f"Did you mean {offered}?"
