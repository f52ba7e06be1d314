"""The store's words for decisions: each is a row of the log, and can be taken back.

What a decision changes is written down by triggers of the database, row by row, as it was before
and as it became; to undo one is to put the rows back.
"""

from __future__ import annotations

import getpass
import json
import socket
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from psycopg2.extras import Json, execute_batch

from facefind.errors import UsageError
from facefind.store.access import Access
from facefind.store.queries import queries
from facefind.store.records import Decision, Membership, Person
from facefind.store.values import text
from facefind.types import FloatArray

RELATIONS = ("people", "sighting_person", "rejections", "portraits")
"""The tables whose changes are logged; rows of the first must be there before the others'."""


class Draft:
    """A decision in the making: reads what is so now, and changes it.

    Nobody else decides meanwhile. It is one transaction: an exception leaves everything as it was.

    Attributes:
        id: Its number; None in the end where it changed nothing.
    """

    def __init__(self, cursor: Any, number: int) -> None:
        self._cursor = cursor
        self.id: int | None = number

    # What is so

    def person(self, person: int) -> Person | None:
        """The person of that id, without counts."""
        return self._person("person", {"person": person})

    def person_named(self, name_key: str) -> Person | None:
        """The person of that name, as names are compared; without counts."""
        return self._person("person_named", {"name_key": text(name_key)})

    def members(self, person: int) -> list[Membership]:
        """The sightings of a person, photos that are gone included."""
        return [Membership(*row) for row in self._rows("members", {"person": person})]

    def memberships(self, sightings: Collection[int]) -> list[Membership]:
        """Whom sightings are taken for; those that do not exist are left out."""
        rows = self._rows("memberships", {"sightings": list(sightings)})
        return [Membership(*row) for row in rows]

    def rejected(self, person: int) -> list[int]:
        """Sightings that are not this person."""
        return [row[0] for row in self._rows("rejected", {"person": person})]

    # Changes

    def describe(self, **subject: Any) -> None:
        """Adds to what the log says of this decision."""
        self._do("describe", {"decision": self.id, "subject": Json(subject)})

    def create(self, name: str | None, name_key: str | None) -> int:
        """A new person."""
        named = {"name": name and text(name), "name_key": name_key and text(name_key)}
        return int(self._rows("create", named)[0][0])

    def rename(self, person: int, name: str | None, name_key: str | None) -> None:
        """Gives a name, or takes it away."""
        values = {"name": name and text(name), "name_key": name_key and text(name_key)}
        self._do("rename", {**values, "person": person})

    def hide(self, person: int, hidden: bool) -> None:
        """Hides a person, or shows them again."""
        self._do("hide", {"person": person, "hidden": hidden})

    def cover(self, person: int, sighting: int | None) -> None:
        """Chooses the face that stands for a person."""
        self._do("cover", {"person": person, "sighting": sighting})

    def keep(self, person: int) -> None:
        """Everybody whom the machine took for this person stays with them."""
        self._do("keep", {"person": person})

    def assign(self, person: int, sightings: Collection[int], *, confirmed: bool) -> None:
        """Sightings are this person, whoever they were taken for.

        Args:
            confirmed: A user said so of these very faces.
        """
        values = {"person": person, "sightings": list(sightings), "confirmed": confirmed}
        self._do("drop_rejections", values)
        self._do("assign", values)

    def release(self, sightings: Collection[int], person: int | None = None) -> None:
        """Sightings are nobody any more; with ``person``, those that were taken for that one."""
        self._do("release", {"sightings": list(sightings), "person": person})

    def reject(self, person: int, sightings: Collection[int]) -> None:
        """Sightings are not this person, and never will be by grouping."""
        self.release(sightings, person)
        self._do("reject", {"person": person, "sightings": list(sightings)})

    def move(self, source: int, target: int) -> None:
        """All that is one person's becomes the other's, and stays."""
        values = {"source": source, "target": target}
        for name in ("move_faces", "move_rejections", "drop_contradicted", "move_portraits"):
            self._do(name, values)

    def remove(self, person: int) -> None:
        """Deletes a person; their faces are nobody's then."""
        self._do("remove", {"person": person})

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
        values = {
            "person": person, "path": path, "sha256": bytes.fromhex(sha256), "pipeline": pipeline,
            "fingerprint": fingerprint, "quality": quality, "embedding": embedding,
        }  # fmt: skip
        self._do("add_portrait", values)

    def _person(self, name: str, values: Mapping[str, Any]) -> Person | None:
        rows = self._rows(name, values)
        return Person(*rows[0]) if rows else None

    def _rows(self, name: str, values: Mapping[str, Any]) -> list[Any]:
        self._do(name, values)
        rows: list[Any] = self._cursor.fetchall()
        return rows

    def _do(self, name: str, values: Mapping[str, Any]) -> None:
        self._cursor.execute(queries("deciding")[name], values)


class Deciding(Access):
    """Part of `facefind.store.repository.Repository`."""

    @contextmanager
    def deciding(self, kind: str, **subject: Any) -> Iterator[Draft]:
        """A decision; one that changes nothing leaves no row in the log.

        Args:
            kind: The name of a `facefind people` command.
            subject: What it is about, to be read by people; values that JSON can hold.
        """
        named = queries("deciding")
        with self._write(f"deciding ({kind})") as cursor:
            values = {"kind": kind, "subject": Json(subject), "made_by": _account()}
            cursor.execute(named["begin"], values)
            draft = Draft(cursor, cursor.fetchone()[0])
            decision = {"decision": str(draft.id)}
            cursor.execute(named["log_as"], decision)
            yield draft
            cursor.execute(named["count_changes"], decision)
            if cursor.fetchone()[0] == 0:
                cursor.execute(named["forget_decision"], decision)
                draft.id = None

    def decisions(self, limit: int | None = None) -> list[Decision]:
        """The log, newest first."""
        values = {"decision": None, "limit": limit}
        return [Decision(*row) for row in self._select("deciding", "decisions", values)]

    def undo(self, number: int | None = None) -> Decision:
        """Takes a decision back; the last one that stands, if none is named.

        Raises:
            UsageError: There is none, it is undone already, or another one rests on it.
        """
        with self._write("undoing a decision") as cursor:
            return _turn(cursor, _chosen(cursor, number, "last_made"), undo=True)

    def redo(self, number: int | None = None) -> Decision:
        """Makes a decision again that was undone; the one undone last, if none is named.

        Raises:
            UsageError: There is none, it stands, or things are no longer as they were before it.
        """
        with self._write("redoing a decision") as cursor:
            return _turn(cursor, _chosen(cursor, number, "last_undone"), undo=False)


class _Image(NamedTuple):
    """A row as it is expected to be, and as it is to become; None where there is none."""

    relation: str
    key: Mapping[str, int]
    expected: Mapping[str, Any] | None
    wanted: Mapping[str, Any] | None


def _account() -> str:
    """Who is at it: account and machine."""
    try:
        account = getpass.getuser()
    except (KeyError, OSError):
        # An account without a name, in a container.
        account = "unknown"
    return text(f"{account}@{socket.gethostname()}")


def _chosen(cursor: Any, number: int | None, default: str) -> Decision:
    named = queries("deciding")
    if number is None:
        cursor.execute(named[default])
        row = cursor.fetchone()
        if row is None:
            undone = default == "last_undone"
            raise UsageError(f"There is no decision to {'make again' if undone else 'undo'}.")
        number = row[0]
    cursor.execute(named["decisions"], {"decision": number, "limit": 1})
    row = cursor.fetchone()
    if row is None:
        raise UsageError(
            f"There is no decision {number}.", "facefind people log shows their numbers."
        )
    return Decision(*row)


def _turn(cursor: Any, decision: Decision, *, undo: bool) -> Decision:
    """Puts the rows of a decision back to before it, or to what it made of them."""
    if (decision.undone_at is not None) == undo:
        state = "undone already" if undo else "not undone"
        raise UsageError(f"Decision {decision.id} is {state}.")
    images = _images(cursor, decision, undo)
    reason = _obstacle(cursor, images)
    if reason is not None:
        _refuse(cursor, decision, images, reason, undo)
    _put(cursor, images)
    values = {"decision": decision.id, "by": _account()}
    cursor.execute(queries("deciding")["mark_undone" if undo else "mark_made"], values)
    return _chosen(cursor, decision.id, "")


def _images(cursor: Any, decision: Decision, undo: bool) -> list[_Image]:
    cursor.execute(queries("deciding")["images"], {"decision": decision.id})
    return [
        _Image(relation, key, *((after, before) if undo else (before, after)))
        for relation, key, before, after in cursor.fetchall()
    ]


def _obstacle(cursor: Any, images: Sequence[_Image]) -> str | None:
    """Why rows cannot be put back: somebody has changed them since, or builds upon them."""
    named = queries("deciding")
    images = _without_forgotten(cursor, images)
    for relation in RELATIONS:
        of_relation = [image for image in images if image.relation == relation]
        cursor.execute(named[f"rows_{relation}"], {"keys": [_json(i.key) for i in of_relation]})
        current = {_json(key): row for key, row in cursor.fetchall()}
        for image in of_relation:
            now = current[_json(image.key)]
            if _decided(now) != _decided(image.expected):
                return "has changed since"
    for image in images:
        if image.relation == "people":
            reason = _person_obstacle(cursor, image, images)
            if reason is not None:
                return reason
    return _missing_person(cursor, images)


def _person_obstacle(cursor: Any, image: _Image, images: Sequence[_Image]) -> str | None:
    named = queries("deciding")
    if image.wanted is None:
        person = image.key["id"]
        cursor.execute(named["count_decided"], {"person": person})
        own = sum(
            1
            for other in images
            if other.relation != "people"
            and other.expected is not None
            and other.expected["person_id"] == person
            and other.expected.get("decided_by", "user") == "user"
        )
        if cursor.fetchone()[0] > own:
            return "has got more faces since"
    elif image.wanted["name_key"] is not None:
        cursor.execute(named["person_named"], {"name_key": image.wanted["name_key"]})
        namesake = cursor.fetchone()
        if namesake and namesake[0] != image.key["id"]:
            leaving = {i.key["id"] for i in images if i.relation == "people" and i.wanted is None}
            if namesake[0] not in leaving:
                return f"was called {image.wanted['name']}, as somebody else is now"
    return None


def _missing_person(cursor: Any, images: Sequence[_Image]) -> str | None:
    """A person whom a user's rows are to be given back to, and who is gone."""
    returning = {i.key["id"] for i in images if i.relation == "people" and i.wanted is not None}
    needed = {
        image.wanted["person_id"]
        for image in images
        if image.relation != "people" and _decided(image.wanted) is not None and image.wanted
    }
    for person in sorted(needed - returning):
        cursor.execute(queries("deciding")["person"], {"person": person})
        if cursor.fetchone() is None:
            return "is gone since"
    return None


def _without_forgotten(cursor: Any, images: Sequence[_Image]) -> list[_Image]:
    """Without rows about photos that were forgotten, and everything about them with them."""
    sightings = [i.key["sighting_id"] for i in images if "sighting_id" in i.key]
    cursor.execute(queries("deciding")["memberships"], {"sightings": sightings})
    there = {row[0] for row in cursor.fetchall()}
    return [i for i in images if "sighting_id" not in i.key or i.key["sighting_id"] in there]


def _decided(row: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """A row as far as a user decided it: what the machine says may change at any time."""
    return None if row is not None and row.get("decided_by") == "machine" else row


def _refuse(
    cursor: Any, decision: Decision, images: Sequence[_Image], reason: str, undo: bool
) -> None:
    """Says why, and which decision came between.

    Raises:
        UsageError: Always.
    """
    people = {image.key["id"] for image in images if image.relation == "people"}
    names = {i.wanted["name_key"] for i in images if i.relation == "people" and i.wanted}
    values = {
        "decision": decision.id,
        "relations": [image.relation for image in images],
        "keys": [_json(image.key) for image in images],
        "people": sorted(people),
        "names": sorted(name for name in names if name),
    }
    cursor.execute(queries("deciding")["in_the_way"], values)
    row = cursor.fetchone()
    verb = "undone" if undo else "made again"
    message = f"Decision {decision.id} cannot be {verb}: what it is about {reason}."
    if row is None:
        raise UsageError(message)
    other = Decision(*row)
    raise UsageError(
        f"{message} Decision {other.id} ({other.kind}) came in between.",
        f"First: facefind people undo {other.id}",
    )


def _put(cursor: Any, images: Sequence[_Image]) -> None:
    """Rows as wanted: people first, and those who are to go last, because others refer to them."""
    named = queries("deciding")
    for relation in RELATIONS:
        of_relation = [image for image in images if image.relation == relation]
        back = [{"row": Json(image.wanted)} for image in of_relation if image.wanted is not None]
        execute_batch(cursor, named[f"put_{relation}"], back)
    for relation in reversed(RELATIONS):
        leaving = [i for i in images if i.relation == relation and i.wanted is None]
        execute_batch(cursor, named[f"take_{relation}"], [{"key": _json(i.key)} for i in leaving])


def _json(key: Mapping[str, int]) -> str:
    return json.dumps(key, sort_keys=True)
