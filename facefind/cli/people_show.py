"""facefind people list, show"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facefind.cli.context import App, facefind_command
from facefind.cli.output import plural, print_json, printable, progress, shown
from facefind.cli.params import event_option
from facefind.cli.people_params import chosen_events, person_json, sheet_option

if TYPE_CHECKING:
    from facefind.people.contact_sheet import Labelled
    from facefind.store.records import KnownPortrait, Person, SeenFace
    from facefind.store.repository import Repository
    from facefind.types import Event


@facefind_command(name="list")
@event_option
@click.option("--all", "everybody", is_flag=True, help="With hidden people.")
@sheet_option
def list_command(app: App, event: str | None, everybody: bool, sheet: Path | None) -> int:
    """Show who was found: number, photos, faces, name.

    First who has a name, then who is in most photos. --sheet draws one face for each.
    """
    with app.store() as store:
        events = chosen_events(store, event) if event else store.events()
        known = _known(store, events, one_event=event is not None)
        people = [person for person in known if everybody or not person.hidden]
        hidden = sum(person.hidden for person in known)
        covers = _covers(store, people, events) if sheet else []
    if app.json:
        listed = [person_json(person) for person in people]
        drawn = str(sheet) if sheet and covers else None
        print_json({"event": event, "people": listed, "hidden": hidden, "sheet": drawn})
    else:
        _print_list(app, people, hidden, ingested=bool(events))
    if sheet and covers:
        _draw(app, sheet, f"{plural(len(covers), 'person')}", covers)
    return 0


@facefind_command(name="show")
@click.argument("who", metavar="WHO")
@event_option
@sheet_option
def show_command(app: App, who: str, event: str | None, sheet: Path | None) -> int:
    """Show the photos of the person WHO, and the numbers of the faces.

    These numbers are what reject, confirm, split and cover take; they stay when photos are
    ingested again. --sheet draws the faces with their numbers.
    """
    from facefind.people import find_person

    with app.store() as store:
        person, events = find_person(store, who), None
        if event is not None:
            events = [one.id for one in chosen_events(store, event)]
            person = _counted(store, person, events)
        faces = sorted(store.seen_faces(people=[person.id], events=events), key=_by_time)
        portraits = store.portraits_of([person.id])
    if app.json:
        print_json({"event": event, **_shown_json(person, faces, portraits)})
    else:
        _print_person(person, faces, portraits)
    if sheet:
        title = f"{person.title} ({person.id})" if person.name else person.title
        _draw(app, sheet, f"{title}: {plural(len(faces), 'face')}", _numbered(person, faces))
    return 0


def _known(store: Repository, events: Sequence[Event], *, one_event: bool) -> list[Person]:
    if not one_event:
        return store.people()
    people = store.people(events=[event.id for event in events])
    return [person for person in people if person.faces]


def _counted(store: Repository, person: Person, events: Collection[int]) -> Person:
    """The person, with what is in these events alone."""
    there = store.people(events=events, people=[person.id])
    return there[0] if there else replace(person, photos=0, faces=0)


def _covers(store: Repository, people: Sequence[Person], events: Sequence[Event]) -> list[Labelled]:
    """The face that stands for each person: the one chosen, else the best."""
    from facefind.people.contact_sheet import Labelled

    best: dict[int, SeenFace] = {}
    chosen = {person.cover for person in people}
    faces = store.seen_faces(people=[p.id for p in people], events=[event.id for event in events])
    for face in sorted(faces, key=lambda f: (f.sighting in chosen, f.quality or 0)):
        if face.person is not None:
            best[face.person] = face
    return [Labelled(best[p.id], p.title, _note(p)) for p in people if p.id in best]


def _note(person: Person) -> str:
    number = "" if person.name is None else f"{person.id}: "
    return number + plural(person.photos, "photo")


def _numbered(person: Person, faces: Sequence[SeenFace]) -> list[Labelled]:
    from facefind.people.contact_sheet import Labelled

    return [
        Labelled(face, f"face {face.sighting}", " ".join([face.photo.name, _mark(person, face)]))
        for face in faces
    ]


def _draw(app: App, sheet: Path, heading: str, faces: Sequence[Labelled]) -> None:
    from facefind.people.contact_sheet import MOST, write_sheet

    drawn = write_sheet(sheet, heading, faces, progress("sheet", app.quiet))
    for path, reason in drawn.failed:
        click.echo(f"Not read: {shown(path)}: {printable(reason)}", err=True)
    if len(faces) > MOST:
        click.echo(f"The sheet shows the first {MOST} of {len(faces)} faces.", err=True)
    if not app.quiet and not app.json:
        click.echo(f"{plural(drawn.faces, 'face')} as a picture: {shown(sheet)}")


def _by_time(face: SeenFace) -> tuple[float, str, int]:
    """Photos as they were taken; those without a time by name, after the others."""
    taken = face.taken_at.timestamp() if face.taken_at else float("inf")
    return taken, str(face.photo), face.sighting


def _print_list(app: App, people: Sequence[Person], hidden: int, *, ingested: bool) -> None:
    for person in people:
        mark = "  (hidden)" if person.hidden else ""
        click.echo(
            f"{person.id:>5}  {plural(person.photos, 'photo'):>12}  "
            f"{plural(person.faces, 'face'):>12}  {person.title}{mark}"
        )
    if not app.quiet:
        unlisted = hidden - sum(person.hidden for person in people)
        click.echo(_sentence(people, unlisted, ingested), err=True)


def _sentence(people: Sequence[Person], unlisted: int, ingested: bool) -> str:
    if not ingested:
        return "Nothing has been ingested yet. Start with: facefind ingest FOLDER"
    if not people and not unlisted:
        return "Nobody yet: no face was seen in two photos, or faces are still to be grouped."
    named = sum(person.name is not None for person in people)
    hidden = f"; {unlisted} hidden, whom --all shows" if unlisted else ""
    return f"{plural(len(people), 'person').capitalize()}, {named} with a name{hidden}."


def _print_person(
    person: Person, faces: Sequence[SeenFace], portraits: Sequence[KnownPortrait]
) -> None:
    hidden = ", hidden" if person.hidden else ""
    number = "" if person.name is None else f" ({person.id})"
    click.echo(
        f"{person.title}{number}: {plural(person.photos, 'photo')}, "
        f"{plural(person.faces, 'face')}{hidden}"
    )
    for face in faces:
        mark = _mark(person, face)
        click.echo(f"  face {face.sighting:<6} {shown(face.photo)}{f'  {mark}' if mark else ''}")
    for portrait in portraits:
        click.echo(f"  portrait    {shown(portrait.path)}")


def _mark(person: Person, face: SeenFace) -> str:
    """What a user has said about this very face."""
    said = []
    if face.confirmed:
        said.append("(confirmed)")
    if face.sighting == person.cover:
        said.append("(cover)")
    return " ".join(said)


def _shown_json(
    person: Person, faces: Sequence[SeenFace], portraits: Sequence[KnownPortrait]
) -> dict[str, Any]:
    return {
        **person_json(person),
        "seen": [
            {
                "face": face.sighting,
                "photo": str(face.photo),
                "event": face.event,
                "box": [round(value, 2) for value in face.box],
                "taken_at": face.taken_at.isoformat() if face.taken_at else None,
                "quality": None if face.quality is None else round(face.quality, 4),
                "decided_by": face.decided_by,
                "confirmed": face.confirmed,
            }
            for face in faces
        ],
        "portraits": [
            {"path": str(p.path), "sha256": p.sha256, "pipeline": p.pipeline} for p in portraits
        ],
    }
