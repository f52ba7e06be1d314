"""How `facefind who` tells what was found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facefind.answers import Answer, Together, as_sentence, photos_together
from facefind.cli.context import App
from facefind.cli.output import percent, plural, print_json, printable, remarks, shown

if TYPE_CHECKING:
    from facefind.people.lessons import Disagreement
    from facefind.portraits import FailedPortrait, Portrait
    from facefind.search import Reach
    from facefind.store.records import Person
    from facefind.types import Match

OTHER_FACE = "--face N asks about another; facefind faces PHOTO shows the numbers."

BY_PERSON = "person "
"""Stands where the probability does: as wide, and as telling."""


@dataclass
class Found:
    """What is to be told.

    Attributes:
        answers: One for each person asked about; of several, the photos that show them all count.
        event: Its name, where one was asked; None for all.
        limit: Photos to tell of at most; None and 0 for all.
        portraits, failed: Those that could be used, and those that could not.
        disagreements: Portraits asked about as one person's that do not seem to be.
        pipeline, reach: What compared the faces, and what decided; None where only people who are
            known were asked about.
    """

    answers: list[Answer]
    event: str | None
    limit: int | None = None
    portraits: list[Portrait] = field(default_factory=list)
    failed: list[FailedPortrait] = field(default_factory=list)
    disagreements: list[Disagreement] = field(default_factory=list)
    pipeline: str | None = None
    reach: Reach | None = None

    @cached_property
    def together(self) -> list[Together]:
        """The photos with a face of everybody; of one person, with their best face."""
        if len(self.answers) > 1:
            return photos_together(self.answers)[: self.limit or None]
        return [Together((match,)) for match in self.answers[0].photos[: self.limit or None]]

    @property
    def photos(self) -> list[Path]:
        """The files."""
        return [photo.faces[0].photo for photo in self.together]

    @property
    def names(self) -> str:
        """Who was asked about, as far as that is known."""
        known = [answer.people[0].title for answer in self.answers if answer.people]
        return printable(" and ".join(known))


def print_remarks(found: Found, gone: Sequence[Path], *, numbered: bool) -> None:
    """Says what a user should know beside the answer.

    Args:
        numbered: The user has chosen the face, and needs not be told which one it is.
    """
    for left_out in found.failed:
        click.echo(printable(left_out.reason), err=True)
    for portrait in [] if numbered else found.portraits:
        for remark in remarks(portrait, OTHER_FACE):
            click.echo(remark, err=True)
    for sentence in _two_people(found):
        click.echo(sentence, err=True)
    for photo in gone:
        click.echo(f"No longer there, so not handed over: {shown(photo)}", err=True)
    for answer in found.answers:
        for face in answer.left_out:
            click.echo(
                f"Left out, as face {face.sighting} was said not to be "
                f"{printable(answer.people[0].title)}: {shown(face.photo)}",
                err=True,
            )


def _two_people(found: Found) -> list[str]:
    """That several portraits are not of one person; nothing where they are."""
    if not found.disagreements:
        return []
    pairs = [
        f"{shown(one.portrait.path)} does not seem to show the person in {shown(one.other.path)} "
        f"(distance {one.distance:.2f})."
        for one in found.disagreements
    ]
    return [
        *pairs,
        "Several portraits are taken to show one person. For photos of several people together: "
        "--together, or --and before each other one; for each alone, ask one by one.",
    ]


def print_answer(app: App, found: Found) -> None:
    """Prints the photos, or all that is known of them as JSON."""
    if app.json:
        print_json(as_json(found))
        return
    if found.reach is not None and found.reach.max_distance is None and found.photos:
        click.echo(
            f"Pipeline {found.pipeline} has no measured threshold: these are the nearest "
            "photos, and their distances are not calibrated.",
            err=True,
        )
    for photo in found.together:
        click.echo(_line(photo))
    # Of portraits that all failed nothing is left to say.
    if (found.portraits or found.reach is None) and not app.quiet:
        for sentence in _sentences(found):
            click.echo(sentence, err=True)


def as_json(found: Found) -> dict[str, Any]:
    """Everything that was found, as --json prints it."""
    several = len(found.answers) > 1
    asked = [
        {
            "person": _person(answer.people[0]) if answer.people else None,
            "people": [_person(person) for person in answer.people],
            "left_out": [match_json(face) for face in answer.left_out],
        }
        for answer in found.answers
    ]
    return {
        "portraits": [
            {"path": str(p.path), "box": list(p.box), "faces": p.faces, "quality": p.quality}
            for p in found.portraits
        ],
        "event": found.event,
        "pipeline": found.pipeline,
        "max_distance": found.reach.max_distance if found.reach else None,
        "min_probability": found.reach.min_probability if found.reach else None,
        **({"together": asked} if several else asked[0]),
        "matches": [
            _together_json(photo) if several else match_json(photo.faces[0])
            for photo in found.together
        ],
        "failed": [{"path": str(one.path), "reason": one.reason} for one in found.failed],
        "disagreements": [
            {
                "portraits": [str(one.portrait.path), str(one.other.path)],
                "distance": round(one.distance, 6),
            }
            for one in found.disagreements
        ],
    }


def match_json(match: Match) -> dict[str, Any]:
    """A match as --json prints it."""
    return {
        "photo": str(match.photo),
        "event": match.event,
        "by": match.by,
        "distance": None if math.isnan(match.distance) else round(match.distance, 6),
        "probability": _rounded(match.probability),
        "quality": _rounded(match.quality),
        "box": [round(value, 2) for value in match.box],
        "taken_at": match.taken_at.isoformat() if match.taken_at else None,
        "face": match.sighting,
        "person": match.person,
    }


def _together_json(photo: Together) -> dict[str, Any]:
    """A photo, and the faces in the order in which people were asked about."""
    faces = [match_json(face) for face in photo.faces]
    shared = {key: faces[0][key] for key in ("photo", "event", "taken_at")}
    own = [{key: face[key] for key in face if key not in shared} for face in faces]
    return {**shared, "faces": own}


def _person(person: Person) -> dict[str, Any]:
    return {"id": person.id, "name": person.name, "title": person.title}


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)


def _line(photo: Together) -> str:
    """The least sure of the faces, and the photo; of people who are known, the photo alone."""
    compared = [face for face in photo.faces if not math.isnan(face.distance)]
    if not compared:
        return shown(photo.faces[0].photo)
    farthest = max(face.distance for face in compared)
    by_person = any(face.by == "person" for face in compared)
    probabilities = [face.probability for face in compared if face.probability is not None]
    sure = BY_PERSON if by_person else percent(min(probabilities, default=None))
    return f"{farthest:6.3f}  {sure}{shown(photo.faces[0].photo)}"


def _sentences(found: Found) -> list[str]:
    where = f' in event "{printable(found.event)}"' if found.event else ""
    if len(found.answers) > 1:
        return [_of_several(found, where)]
    if found.reach is None:
        return [as_sentence(f"{_photos(found)}{where} {_shows(found)} {found.names}")]
    if not found.photos:
        nobody = f"Nobody{where or ' in any event'} is surely the person asked about."
        return [" ".join([nobody, *_advice(found)])]
    columns = "L2 distance, photo"
    if found.together[0].faces[0].probability is not None:
        columns = "L2 distance, probability, photo"
    told = f"{_photos(found)}{where}, nearest first ({columns})."
    return [told, *filter(None, [_whose(found.answers[0]), _how_many_by_person(found)])]


def _of_several(found: Found, where: str) -> str:
    everybody_known = all(answer.people for answer in found.answers)
    people = found.names if everybody_known else f"these {len(found.answers)} people"
    return f"{_photos(found)}{where} {_shows(found)} {people} together."


def _photos(found: Found) -> str:
    counted = plural(len(found.photos), "photo")
    return counted[0].upper() + counted[1:]


def _shows(found: Found) -> str:
    return "shows" if len(found.photos) == 1 else "show"


def _whose(answer: Answer) -> str:
    """To whom a portrait belongs; empty where that is not known."""
    if not answer.people:
        return ""
    first, *others = answer.people
    said = f"This is {printable(first.title)}"
    if not others:
        return as_sentence(said)
    numbers = " ".join(str(person.id) for person in answer.people)
    also = " and ".join(printable(person.title) for person in others)
    return f"{said}, and so, it seems, is {also}: facefind people merge {numbers} makes them one."


def _how_many_by_person(found: Found) -> str:
    """What the mark means; empty where there is none."""
    count = sum(photo.faces[0].by == "person" for photo in found.together)
    if not count:
        return ""
    one = count == 1
    return (
        f"{plural(count, 'photo')} marked {BY_PERSON.strip()} {'shows' if one else 'show'} a face "
        "that was taken for this person's by others of theirs; --no-people leaves "
        f"{'it' if one else 'them'} out."
    )


def _advice(found: Found) -> list[str]:
    """What may help where nobody was found."""
    context = click.get_current_context().params
    wider = []
    if len(found.portraits) == 1:
        wider.append("a second portrait")
    if not context["loose"] and found.reach and found.reach.min_probability is not None:
        wider.append("--loose")
    if context["max_distance"] is not None:
        wider.append("a larger --max-distance")
    advice = [f"{' or '.join(wider).capitalize()} may help."] if wider else []
    if context["after"] or context["before"]:
        advice.append("Photos without a date are left out by --after and --before.")
    return advice
