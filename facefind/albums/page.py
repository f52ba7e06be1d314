"""The page of a folder of albums: its small pictures, and which photo it shows where."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facefind import filenames, folders, images, page, placing
from facefind.albums.places import PAGE_NAME, THUMBNAILS
from facefind.albums.plan import PlacedAlbum, Plan
from facefind.errors import PhotoError
from facefind.page import PagePerson, PagePhoto
from facefind.placing import Form, Placed
from facefind.types import Box

_AT_ONCE = 3
"""Photos decoded at the same time: one in an unusual format takes some 100 MB."""


@dataclass(frozen=True, slots=True)
class PageChoice:
    """How the page is made.

    Attributes:
        sizes: Width and height of upright photos, by photo id, where they are known.
        progress: Wraps a list of what is to be done.
    """

    heading: str
    sizes: Mapping[int, tuple[int, int]]
    progress: Callable[[Iterable[Any]], Iterable[Any]]


@dataclass(frozen=True, slots=True)
class _Picture:
    """A small picture: of a whole photo, or of a face in it."""

    photo: Path
    box: Box | None
    placed: Placed


class AlbumPage:
    """The page of albums placed as planned, and the pictures that it needs.

    Attributes:
        path: Of the page, in the output folder.
        files: Path -> what is put there, for each picture.
    """

    def __init__(self, out: Path, plan: Plan, choice: PageChoice) -> None:
        self._plan = plan
        self._out = out
        self._choice = choice
        self._written = [one for one in plan.albums if one.place]
        self._people = [one for one in self._written if one.album.kind == "person"]
        self._photos = {
            shown.photo_id: shown
            for one in self._written
            if one.album.kind in ("person", "nobody")
            for shown in one.photos
        }
        self._pictures: dict[str, _Picture] = {}
        self._thumbnails: dict[int, str] = {}
        self._covers: dict[int, str] = {}
        self.path = self._own_or_free("", PAGE_NAME, "page", folders.names_in(out))
        self._choose_pictures()
        self.files = {path: picture.placed for path, picture in self._pictures.items()}

    def missing(self) -> list[str]:
        """Paths of the pictures that are not there yet."""
        return [path for path, placed in self.files.items() if not self._plan.has(path, placed)]

    def draw(self, paths: Iterable[str]) -> dict[str, Path]:
        """Makes pictures; those that could not be made, with the photos that cannot be read.

        Raises:
            OutputError: They cannot be written.
        """
        wanted: defaultdict[Path, list[str]] = defaultdict(list)
        for path in paths:
            wanted[self._pictures[path].photo].append(path)
        failed: dict[str, Path] = {}
        executor = ThreadPoolExecutor(min(_AT_ONCE, os.cpu_count() or 1))
        try:
            drawing = [executor.submit(self._draw, *one) for one in wanted.items()]
            done: Iterable[Future[dict[str, Path]]] = self._choice.progress(drawing)
            for future in done:
                failed |= future.result()
        finally:
            executor.shutdown(cancel_futures=True)
        return failed

    def text(self, failed: Collection[str]) -> str:
        """The page itself.

        Args:
            failed: Pictures that there are none of.
        """
        urls = {path: page.url_of(path) for path in self.files if path not in failed}
        nobody = [one for one in self._written if one.album.kind == "nobody"]
        return page.render(
            [self._person(one, urls) for one in self._people],
            self._page_photos(urls),
            [str(shown.photo_id) for one in nobody for shown in one.photos],
            heading=self._choice.heading,
        )

    # Pictures

    def _choose_pictures(self) -> None:
        files = [name for name in folders.names_in(self._out) if not (self._out / name).is_dir()]
        folder = next(name for name in filenames.numbered(THUMBNAILS) if name not in files)
        names = folders.names_in(self._out / folder)
        for photo_id, shown in self._photos.items():
            path = self._own_or_free(f"{folder}/", f"{photo_id}.jpg", "picture", names)
            self._thumbnails[photo_id] = path
            self._pictures[path] = _picture(shown.photo, None)
        for one in self._people:
            cover = one.album.cover
            if cover is not None and placing.is_there(cover.photo):
                name = f"face-{cover.sighting}.jpg"
                path = self._own_or_free(f"{folder}/", name, "picture", names)
                self._covers[one.album.people[0].id] = path
                self._pictures[path] = _picture(cover.photo, cover.box)

    def _own_or_free(self, folder: str, name: str, mode: Form, names: Collection[str]) -> str:
        """The first of the numbered paths that facefind has put there, or nobody has.

        Args:
            names: What is in the folder.
        """
        for numbered in filenames.numbered(*filenames.split(name)):
            path = folder + numbered
            placed = self._plan.before.files.get(path)
            ours = path in self._plan.intact and placed is not None and placed.mode == mode
            if ours or numbered not in names:
                return path
        raise AssertionError("there are endless names")

    def _draw(self, photo: Path, paths: Sequence[str]) -> dict[str, Path]:
        """Makes the pictures of one photo; all that could not be made."""
        try:
            read = images.read_for_pictures(photo, [self._pictures[path].box for path in paths])
        except PhotoError:
            # It is told of with the report: every photo that has no picture.
            return dict.fromkeys(paths, photo)
        folders.make_folder((self._out / paths[0]).parent)
        for path in paths:
            box, placed = self._pictures[path].box, self._pictures[path].placed
            if box is None:
                data = images.thumbnail(read.pixels)
            else:
                data = images.face_cover(read.pixels, read.box(box))
            folders.write_bytes(self._out / path, data, placed.mtime_ns)
        return {}

    # What the page says

    def _person(self, one: PlacedAlbum, urls: Mapping[str, str]) -> PagePerson:
        person = one.album.people[0]
        return PagePerson(
            number=person.id,
            title=person.title,
            named=person.name is not None,
            cover=urls.get(self._covers.get(person.id, ""), ""),
            photos=tuple(str(shown.photo_id) for shown in one.photos),
            folder="" if one.place in self._plan.files else one.place,
        )

    def _page_photos(self, urls: Mapping[str, str]) -> list[PagePhoto]:
        hrefs, people = self._hrefs(), self._people_of_photos()
        photos = []
        for photo_id, shown in self._photos.items():
            width, height = self._choice.sizes.get(photo_id, (0, 0))
            taken_at = None if shown.taken_at is None else shown.taken_at.astimezone()
            photos.append(
                PagePhoto(
                    key=str(photo_id),
                    href=hrefs[photo_id],
                    thumbnail=urls.get(self._thumbnails[photo_id], ""),
                    name=shown.photo.name,
                    taken_at=taken_at,
                    people=tuple(people[photo_id]),
                    width=width,
                    height=height,
                )
            )
        return photos

    def _hrefs(self) -> dict[int, str]:
        """Where the page finds each photo: in the first album that holds it, else where it is."""
        found: dict[int, str] = {}
        for one in self._written:
            archived = one.place in self._plan.files
            for name, shown in one.files.items():
                if archived:
                    found.setdefault(shown.photo_id, shown.photo.absolute().as_uri())
                else:
                    found.setdefault(shown.photo_id, page.url_of(f"{one.place}/{name}"))
        return found

    def _people_of_photos(self) -> defaultdict[int, list[int]]:
        people: defaultdict[int, list[int]] = defaultdict(list)
        for one in self._people:
            for shown in one.photos:
                people[shown.photo_id].append(one.album.people[0].id)
        return people


def _picture(photo: Path, box: Box | None) -> _Picture:
    of = "photo" if box is None else "face " + " ".join(f"{value:.1f}" for value in box)
    stamp = placing.intended(photo, "copy")
    return _Picture(photo, box, Placed(of, "picture", stamp.size, stamp.mtime_ns))
