"""Albums: one folder per person, with the photos that show them.

`members` and `portraits` say who is in which album, `places` and `plan` what that means for a
folder that holds albums already, `writing` does it, and `record` remembers it there.
"""

from __future__ import annotations

from facefind.albums.listing import listing
from facefind.albums.members import Album, Choice, Members, Shown, people_albums, rounded
from facefind.albums.page import PageChoice
from facefind.albums.places import LISTING_NAME
from facefind.albums.plan import AlbumMode, PlacedAlbum
from facefind.albums.portraits import find_people, portrait_albums
from facefind.albums.record import RECORD_NAME
from facefind.albums.writing import AlbumsReport, PageReport, write_albums

__all__ = [
    "LISTING_NAME",
    "RECORD_NAME",
    "Album",
    "AlbumMode",
    "AlbumsReport",
    "Choice",
    "Members",
    "PageChoice",
    "PageReport",
    "PlacedAlbum",
    "Shown",
    "find_people",
    "listing",
    "people_albums",
    "portrait_albums",
    "rounded",
    "write_albums",
]
