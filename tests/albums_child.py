"""Writes albums of a made-up library, as a process that stops itself at a change to the disk.

Arguments: the output folder, the photos' folder, the mode, which of two states the library is in,
and when to stop as `tests.stopping.stopping` says it, or "". Between the two states people are
renamed, two swap their names, and photos come and go. At the end it says how many changes it made.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import cast

from facefind.albums import AlbumMode, Choice, PageChoice, people_albums, write_albums
from tests.people_store import PARTY, PeopleStore
from tests.stopping import Stopper, before_disk_changes

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
    out, folder, mode, state, stop = sys.argv[1:]
    store = library(sorted(Path(folder).iterdir()), state)
    members = people_albums(store, Choice([PARTY], unsorted=True))
    stopper = Stopper.of(stop)
    before_disk_changes(stopper.step)
    write_albums(
        Path(out),
        members.albums,
        photos=members.photos,
        nobody=members.nobody,
        mode=cast("AlbumMode", mode),
        page=PageChoice("Party", {}, list),
    )
    print(stopper.steps)


if __name__ == "__main__":
    main()
