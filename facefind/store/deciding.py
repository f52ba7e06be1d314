"""The store's words for decisions: each is a row of the log, and can be taken back.

What a decision changes is written down by triggers of the database, row by row, as it was before
and as it became. `facefind.store.undoing` puts the rows back.
"""

from __future__ import annotations

import getpass
import socket
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from psycopg2.extras import Json

from facefind.errors import UsageError
from facefind.store.access import Access
from facefind.store.queries import queries
from facefind.store.records import Decision, Membership, Person
from facefind.store.undoing import turn
from facefind.store.values import text
from facefind.types import FloatArray


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

    def keep(self, *people: int) -> None:
        """Everybody whom the machine took for these people stays with them."""
        values = {"decision": self.id, "people": list(people)}
        self._do("record_keeps", values)
        self._do("keep", values)

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
            return _turned(cursor, _chosen(cursor, number, "last_made"), undo=True)

    def redo(self, number: int | None = None) -> Decision:
        """Makes a decision again that was undone; the one undone last, if none is named.

        Raises:
            UsageError: There is none, it stands, or things are no longer as they were before it.
        """
        with self._write("redoing a decision") as cursor:
            return _turned(cursor, _chosen(cursor, number, "last_undone"), undo=False)


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


def _turned(cursor: Any, decision: Decision, *, undo: bool) -> Decision:
    """The decision, undone or made again."""
    turn(cursor, decision, undo=undo)
    values = {"decision": decision.id, "by": _account()}
    cursor.execute(queries("deciding")["mark_undone" if undo else "mark_made"], values)
    return _chosen(cursor, decision.id, "")
