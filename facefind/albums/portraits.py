"""Albums by portraits: whose face a photo shows is decided for these albums alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from facefind.albums.members import Album, Shown
from facefind.portrait_folder import People
from facefind.search import Gallery, Reach, combine, likeliest_first
from facefind.types import Box, Match


def portrait_albums(
    answers: Mapping[str, Sequence[Match]], min_photos: int | None = None
) -> list[Album]:
    """One album for each person of a portraits folder.

    Args:
        answers: The photos of each person, one match for each.
        min_photos: People with fewer photos get no folder.
    """
    return [
        Album(portrait_key(name), "portrait", name, tuple(map(_shown, matches)), min_photos or 1)
        for name, matches in answers.items()
    ]


def portrait_key(name: str) -> str:
    """What tells the album of a person of a portraits folder from others."""
    return f"portrait {name}"


def _shown(match: Match) -> Shown:
    return Shown(
        match.photo, match.photo_id, match.taken_at, match.box, match.distance, match.probability
    )


def find_people(people: People, gallery: Gallery, reach: Reach) -> dict[str, list[Match]]:
    """The photos of each person, one match for each.

    Raises:
        UsageError: Nothing limits the distance, so nobody can be told from anybody.
    """
    return one_person_per_face(
        {
            name: gallery.faces(combine(portraits), reach)
            for name, portraits in people.probes.items()
        },
        gallery.twice,
    )


def one_person_per_face(
    faces: Mapping[str, Sequence[Match]], twice: float = 0.0
) -> dict[str, list[Match]]:
    """The photos of each person, every face counting for the person it is likeliest to be.

    And in one photo for each person one face, their likeliest: the next may then be somebody
    else's, such as a sister's beside them.

    Args:
        faces: By person, every face that may be theirs.
        twice: L2 distance up to which a second face in a photo is nobody else's either: the person
            in a mirror, in a collage, on a poster.

    Returns:
        By person, one match for each photo.
    """
    claims = [(match, name) for name, matches in faces.items() for match in matches]
    taken: set[tuple[int, Box]] = set()
    photos: dict[str, dict[int, Match]] = {name: {} for name in faces}
    for match, name in sorted(claims, key=lambda claim: likeliest_first(claim[0])):
        face = (match.photo_id, match.box)
        if face in taken:
            continue
        if match.photo_id not in photos[name]:
            photos[name][match.photo_id] = match
        elif match.distance > twice:
            continue
        taken.add(face)
    return {name: list(found.values()) for name, found in photos.items()}
