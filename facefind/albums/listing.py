"""What programs are told of albums: who is in which photos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from facefind.albums.members import Shown, rounded
from facefind.albums.plan import PlacedAlbum


def listing(albums: Sequence[PlacedAlbum], nobody: Sequence[Path]) -> dict[str, Any]:
    """The people with their photos and faces, the pairs, and the photos that show nobody.

    Folders are named as they are in the output folder; "" where none was written.
    """
    return {
        "people": [_person(one) for one in albums if one.album.kind in ("person", "portrait")],
        "together": [
            {
                "name": one.album.title,
                "ids": [person.id for person in one.album.people],
                "folder": one.place,
                "photos": [str(shown.photo) for shown in one.photos],
            }
            for one in albums
            if one.album.kind == "pair"
        ],
        "unsorted": next((one.place for one in albums if one.album.kind == "nobody"), ""),
        "photos_without_people": [str(photo) for photo in nobody],
    }


def _person(one: PlacedAlbum) -> dict[str, Any]:
    person = next(iter(one.album.people), None)
    return {
        "id": person.id if person else None,
        "name": one.album.title,
        "named": person is None or person.name is not None,
        "hidden": person is not None and person.hidden,
        "folder": one.place,
        "photos": [str(shown.photo) for shown in one.photos],
        "faces": [_face(shown) for shown in one.photos],
    }


def _face(shown: Shown) -> dict[str, Any]:
    return {
        "photo": str(shown.photo),
        "box": None if shown.box is None else list(shown.box),
        "distance": rounded(shown.distance),
        "probability": rounded(shown.probability),
        "sighting": shown.sighting,
    }
