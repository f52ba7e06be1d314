"""Writes albums into a folder, changing only what has changed."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from facefind import folders, placing
from facefind.albums.archive import write_archive
from facefind.albums.listing import listing
from facefind.albums.members import Album
from facefind.albums.page import AlbumPage, PageChoice
from facefind.albums.places import LISTING_NAME
from facefind.albums.plan import AlbumMode, PlacedAlbum, Plan, make_plan
from facefind.albums.portraits import portrait_key
from facefind.albums.record import Moving, Record, read_record, settled, top_of, write_record
from facefind.errors import UsageError
from facefind.placing import Mode, Placed
from facefind.store.records import EventPhoto

_PHOTOS = ("link", "hardlink", "copy", "zip")


@dataclass(frozen=True, slots=True)
class PageReport:
    """What became of the page.

    Attributes:
        path: Of the page, in the output folder.
        drawn: Small pictures that were not there yet.
        failed: Photos that some could not be made of.
        changed: Whether the page itself was written.
    """

    path: str
    drawn: int
    failed: tuple[Path, ...]
    changed: bool


@dataclass(frozen=True, slots=True)
class AlbumsReport:
    """What a run did, or would do. Paths that are text are relative to the output folder.

    Attributes:
        nobody: Photos that show none of the people.
        written, removed: Photos and archives.
        kept: How many of these are as they were.
        moved: Folders and archives that have another name now.
        left_alone: Files that facefind once wrote and somebody has changed since; untouched.
        gone: Photos that belong into an album and are no longer where they were.
        copied: How many are copied because they cannot be hard-linked.
        page: None where none was asked for.
    """

    albums: tuple[PlacedAlbum, ...]
    nobody: tuple[Path, ...]
    written: tuple[str, ...]
    removed: tuple[str, ...]
    kept: int
    moved: tuple[tuple[str, str], ...]
    left_alone: tuple[Path, ...]
    gone: tuple[Path, ...]
    copied: int
    page: PageReport | None = None


def write_albums(
    out: Path,
    albums: Sequence[Album],
    *,
    photos: Sequence[EventPhoto],
    nobody: Sequence[EventPhoto] = (),
    mode: AlbumMode = "link",
    keep: Collection[str] = (),
    page: PageChoice | None = None,
    dry_run: bool = False,
) -> AlbumsReport:
    """Writes the albums, `LISTING_NAME` and a page.

    What the folder held of facefind's own and these albums have not is removed.

    Args:
        out: The output folder; made where missing.
        photos: Every photo that they were chosen from; none may lie in the output folder.
        nobody: Of these, those that show none of the people.
        keep: Portraits' albums that stay as they are, by their people.
        page: None writes none.
        dry_run: Nothing is changed, only reported.

    Raises:
        UsageError: The folder holds photos of an event, its record is damaged, or another run
            is at it.
        OutputError: Something cannot be written; what is there is whole and remembered.
    """
    _refuse_photo_folder(out, photos)
    without = tuple(photo.path for photo in nobody)
    if dry_run:
        before = settled(out, read_record(out))
        kept = _folders_of(out, keep, before)
        plan = make_plan(out, albums, before, mode, kept, trial=False)
        return _Run(out, plan, before, before, page).foretell(without)
    folders.make_folder(out)
    with folders.alone(out):
        known = read_record(out)
        before = settled(out, known)
        _discard_parts(out, before)
        plan = make_plan(out, albums, before, mode, _folders_of(out, keep, before))
        return _Run(out, plan, known, before, page).carry_out(without)


def _refuse_photo_folder(out: Path, photos: Sequence[EventPhoto]) -> None:
    top = out.resolve()
    inside = next((photo.path for photo in photos if photo.path.is_relative_to(top)), None)
    if inside is not None:
        raise UsageError(
            f"{out} holds photos of the event itself, such as {inside}.",
            "Give the albums a folder of their own; it may lie inside the photos' folder.",
        )


def _folders_of(out: Path, people: Collection[str], record: Record) -> set[str]:
    """The folders of these people's albums by portraits, which need not bear their names."""
    if not people:
        return set()
    text = folders.read_text(out / LISTING_NAME)
    try:
        known = {person["name"]: person["folder"] for person in json.loads(text or "{}")["people"]}
    except (ValueError, KeyError, TypeError):
        # Not a listing of ours, or an older one: folders are named as people are, mostly.
        known = {}
    places = {key: place for place, key in record.places.items()}
    return {places.get(portrait_key(name)) or known.get(name) or name for name in people}


def _discard_parts(out: Path, record: Record) -> None:
    """Removes what a run that was killed had not finished."""
    for folder in {out, *((out / path).parent for path in record.files)}:
        folders.discard_parts(folder)


def _discard_turned(out: Path) -> None:
    """Removes what `Moving` needs, once the record holds the new places."""
    for name in folders.names_in(out):
        if folders.is_temporary(name, "moving"):
            folders.remove_if_empty(out / name)


class _Run:
    """Carries a plan out.

    Args:
        known: The record as it stands in the folder.
        before: What it comes to.
    """

    def __init__(
        self, out: Path, plan: Plan, known: Record, before: Record, page: PageChoice | None
    ) -> None:
        self._out = out
        self._plan = plan
        self._known = known
        self._before = before
        self._page = AlbumPage(out, plan, page) if page is not None else None
        pictures = self._page.files if self._page is not None else {}
        self._target = {**plan.files, **pictures}

    def foretell(self, nobody: tuple[Path, ...]) -> AlbumsReport:
        """What would be done."""
        report = self._report(nobody)
        if self._page is None:
            return report
        return replace(report, page=self._page_report(self._page, self._page.text({}), {}))

    def carry_out(self, nobody: tuple[Path, ...]) -> AlbumsReport:
        """Does it."""
        plan, before = self._plan, self._plan.before
        report = self._report(nobody)
        self._move()
        # Remembered before anything is written: after a crash the next run knows what is its own.
        new = {path: p for path, p in self._target.items() if before.files.get(path) != p}
        self._note(Record({**before.places, **plan.places}, before.files, new))
        _discard_turned(self._out)
        self._place()
        self._remove()
        _write_listing(self._out, report)
        if self._page is not None:
            failed = self._page.draw(self._page.missing())
            text = self._page.text(failed)
            report = replace(report, page=self._page_report(self._page, text, failed))
            self._write_page(self._page, text, failed)
        self._note(Record(plan.places, self._target))
        return report

    def _note(self, record: Record) -> None:
        self._known = write_record(self._out, record, self._known)

    def _move(self) -> None:
        """Gives folders and archives their new names; see `Moving`."""
        moves = self._plan.moves
        if not moves:
            return
        steps = [(old, folders.temporary_name("moving"), new) for old, new in moves.items()]
        moving = Moving(folders.temporary_name("moving"), tuple(steps))
        self._note(replace(self._before, moving=moving))
        for old, aside, _ in steps:
            folders.move(self._out / old, self._out / aside)
        folders.make_folder(self._out / moving.turned)
        for _, aside, new in steps:
            folders.move(self._out / aside, self._out / new)

    def _place(self) -> None:
        """Writes what is not there yet, and not as it shall be."""
        new = set(self._plan.new)
        archives = {one.place: one for one in self._plan.albums if one.place in new}
        for path in self._plan.new:
            placed = self._target[path]
            if path in archives:
                members = {name: shown.photo for name, shown in archives[path].files.items()}
                mark = placing.mark(placed.source)
                size = write_archive(self._out / path, members, mark, placed.mtime_ns)
                self._target[path] = replace(placed, size=size)
            else:
                placing.place(Path(placed.source), self._out / path, cast("Mode", placed.mode))

    def _stale(self) -> list[str]:
        """What facefind has put there and is no longer wanted."""
        page = None if self._page is None else self._page.path
        return [p for p in self._plan.before.files if p not in self._target and p != page]

    def _remove(self) -> None:
        """Removes facefind's own files that no longer belong, and folders left empty."""
        stale = self._stale()
        for path in stale:
            if placing.is_intact(self._out / path, self._plan.before.files[path]):
                folders.remove(self._out / path)
        for folder in sorted({top_of(path) for path in stale}):
            folders.remove_if_empty(self._out / folder)

    def _write_page(self, page: AlbumPage, text: str, failed: Mapping[str, Path]) -> None:
        for path in failed:
            del self._target[path]
            # Of the photo as it was when it could be read.
            if path in self._plan.intact:
                folders.remove(self._out / path)
        placed = _page_of(text)
        there = self._plan.before.files.get(page.path)
        if not self._plan.has(page.path, placed):
            now = self._target if there is None else {**self._target, page.path: there}
            self._note(Record(self._plan.places, now, {page.path: placed}))
            folders.write_text(self._out / page.path, text)
        self._target[page.path] = placed

    def _report(self, nobody: tuple[Path, ...]) -> AlbumsReport:
        plan, before = self._plan, self._plan.before
        stale = [path for path in self._stale() if before.files[path].mode in _PHOTOS]
        changed = [p for p in self._stale() if p not in plan.intact and p not in plan.lost]
        return AlbumsReport(
            albums=plan.albums,
            nobody=nobody,
            written=tuple(plan.new),
            removed=tuple(path for path in stale if path in plan.intact),
            kept=len(plan.files) - len(plan.new),
            moved=tuple(plan.moves.items()),
            left_alone=tuple(self._out / path for path in changed),
            gone=plan.gone,
            copied=plan.copied,
        )

    def _page_report(self, page: AlbumPage, text: str, failed: Mapping[str, Path]) -> PageReport:
        changed = not self._plan.has(page.path, _page_of(text))
        drawn = len(page.missing()) - len(failed)
        return PageReport(page.path, drawn, tuple(sorted(set(failed.values()))), changed)


def _page_of(text: str) -> Placed:
    data = text.encode("utf-8")
    return Placed(placing.sha256_of(data), "page", len(data))


def _write_listing(out: Path, report: AlbumsReport) -> None:
    text = json.dumps(listing(report.albums, report.nobody), indent=2) + "\n"
    if folders.read_text(out / LISTING_NAME) != text:
        folders.write_text(out / LISTING_NAME, text)
