"""Writes albums of a made-up library, as a process that can be killed.

Arguments: the output folder, the photos' folder, the mode, and which of two states the library is
in. Between the two people are renamed, two swap their names, and photos come and go.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import cast

from facefind.albums import AlbumMode, Choice, PageChoice, people_albums, write_albums
from tests.people_store import PARTY, PeopleStore

PHOTOS = 36


def library(photos: list[Path], state: str) -> PeopleStore:
    """Five people; the fifth photo from the end shows nobody."""
    store = PeopleStore()
    # In the later state everybody has lost some photos and got others.
    shift = 3 if state == "later" else 0
    for number, photo in enumerate(photos):
        people = {1 + (number + shift) // 4 % 5, 1 + (number + shift) // 7 % 5}
        store.show(photo, *(() if number == PHOTOS - 5 else sorted(people)))
    names: dict[str, list[str | None]] = {
        "earlier": [None, "Anna", "Bob", "Cy"],
        "later": ["Zoë", "Bob", "Anna", "Cyril"],
    }
    for person, name in enumerate(names[state], start=1):
        store.change(person, name=name)
    return store


def main() -> None:
    out, folder, mode, state = sys.argv[1:]
    store = library(sorted(Path(folder).iterdir()), state)
    members = people_albums(store, Choice([PARTY], unsorted=True))
    print("ready", flush=True)
    write_albums(
        Path(out),
        members.albums,
        photos=members.photos,
        nobody=members.nobody,
        mode=cast("AlbumMode", mode),
        page=PageChoice("Party", {}, list),
    )


if __name__ == "__main__":
    main()
