"""The store's words for an ingest: what became of files, several in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from facefind.store.access import Access
from facefind.store.queries import queries
from facefind.store.records import (
    ContentState,
    FailedFile,
    Finding,
    FoundCopy,
    FoundPhoto,
    KnownFile,
)
from facefind.store.sightings import NewFaces, drop_unseen, put_faces
from facefind.store.values import FileRow, path_parameters, photo_parameters, text
from facefind.types import Event, FileStamp


class _Content(NamedTuple):
    """A content of the event: its number there, and whether it was searched for faces."""

    id: int
    state: ContentState


class Recording(Access):
    """Part of `facefind.store.repository.Repository`."""

    def known_files(self, event_id: int) -> dict[bytes, KnownFile]:
        """Every path that was ever seen in the event, with what became of it."""
        rows = self._select("events", "known_files", {"event": event_id})
        return {
            bytes(path): KnownFile(
                None if size is None else FileStamp(size, mtime), state, missing, sha256, reason
            )
            for path, size, mtime, state, missing, sha256, reason in rows
        }

    def searched_contents(self, event_id: int) -> set[str]:
        """The sha256 of every content of the event that was searched for faces."""
        return {row[0] for row in self._select("photos", "searched_contents", {"event": event_id})}

    def record(self, event: Event, findings: Sequence[Finding]) -> list[bool]:
        """Stores what became of files, all of it or, where that fails, nothing.

        A content that is searched stays so, whatever fails later or elsewhere. What a file had
        before goes with its faces once no path of the event leads to it any more.

        Args:
            findings: Of different paths, in the order in which they are to be numbered.

        Returns:
            Of each whether it is stored as it was found: False for a photo whose content the event
            had searched before (then its path is stored alone), and for a copy of what the event
            does not have (then nothing of it is).
        """
        with self._write("storing photos", event.id) as cursor:
            contents = _contents(cursor, event.id, findings)
            decisive = _decisive(findings, contents)
            photos = [finding for finding in decisive if isinstance(finding, FoundPhoto)]
            failed = [finding for finding in decisive if isinstance(finding, FailedFile)]
            _put_failed(cursor, event.id, failed, contents)
            _put_photos(cursor, event, photos, contents)
            _put_paths(cursor, event.id, findings, contents)
        fresh = {photo.path for photo in photos}
        return [
            finding.path in fresh
            if isinstance(finding, FoundPhoto)
            else finding.sha256 is None or finding.sha256 in contents
            for finding in findings
        ]

    def mark_missing(self, event_id: int, paths: Collection[bytes]) -> None:
        """Stores that files are gone. Their faces stay, and are found again when they return."""
        values = {"event": event_id, "paths": list(paths)}
        with self._write("marking missing files", event_id) as cursor:
            cursor.execute(queries("photos")["mark_missing"], values)


def _contents(cursor: Any, event_id: int, findings: Sequence[Finding]) -> dict[str, _Content]:
    """Those that the event has, by sha256."""
    keys = {finding.sha256 for finding in findings if finding.sha256 is not None}
    values = {"event": event_id, "sha256": [bytes.fromhex(key) for key in keys]}
    cursor.execute(queries("photos")["contents"], values)
    return {bytes(key).hex(): _Content(number, state) for key, number, state in cursor.fetchall()}


def _decisive(
    findings: Sequence[Finding], contents: Mapping[str, _Content]
) -> list[FoundPhoto | FailedFile]:
    """What says something new about a content: the first photo of it, else the last failure."""
    chosen: dict[str, FoundPhoto | FailedFile] = {}
    for finding in findings:
        if isinstance(finding, FoundCopy) or finding.sha256 is None:
            continue
        before = contents.get(finding.sha256)
        is_searched = before is not None and before.state == "done"
        if not is_searched and not isinstance(chosen.get(finding.sha256), FoundPhoto):
            chosen[finding.sha256] = finding
    return list(chosen.values())


def _put_failed(
    cursor: Any, event_id: int, failed: Sequence[FailedFile], contents: dict[str, _Content]
) -> None:
    """Stores contents that could not be searched, and adds them to ``contents``."""
    if failed:
        values = {
            "sha256": [bytes.fromhex(file.sha256 or "") for file in failed],
            "size_bytes": [file.stamp.size if file.stamp else 0 for file in failed],
        }
        cursor.execute(queries("photos")["put_undecoded_photos"], values)
        reasons = {file.sha256 or "": text(file.reason) for file in failed}
        _put_contents(cursor, event_id, reasons, contents)


def _put_photos(
    cursor: Any, event: Event, photos: Sequence[FoundPhoto], contents: dict[str, _Content]
) -> None:
    """Stores searched contents with their faces, and adds them to ``contents``."""
    if photos:
        cursor.execute(queries("photos")["put_photos"], photo_parameters(photos))
        numbers = _put_contents(cursor, event.id, dict.fromkeys(p.sha256 for p in photos), contents)
        found = [
            NewFaces(contents[photo.sha256].id, numbers[photo.sha256], photo.faces)
            for photo in photos
        ]
        put_faces(cursor, event, found)


def _put_contents(
    cursor: Any, event_id: int, errors: Mapping[str, str | None], contents: dict[str, _Content]
) -> dict[str, int]:
    """Puts photos that the statement before answered with into the event.

    Args:
        errors: By sha256; None where it was searched.

    Returns:
        The photos' numbers by sha256.
    """
    photos = {bytes(key).hex(): number for key, number in cursor.fetchall()}
    states: dict[str, ContentState] = {
        key: "done" if error is None else "failed" for key, error in errors.items()
    }
    values = {
        "event": event_id,
        "photos": [photos[key] for key in errors],
        "states": list(states.values()),
        "errors": list(errors.values()),
    }
    cursor.execute(queries("photos")["put_contents"], values)
    ids = dict(cursor.fetchall())
    contents.update({key: _Content(ids[photos[key]], states[key]) for key in errors})
    return photos


def _put_paths(
    cursor: Any, event_id: int, findings: Sequence[Finding], contents: Mapping[str, _Content]
) -> None:
    """Points paths at their contents, and drops what no path points to any more."""
    files = [_file_row(finding, contents) for finding in findings]
    values = path_parameters(
        event_id, [file for file in files if (file.content, file.error) != (None, None)]
    )
    named = queries("photos")
    cursor.execute(named["path_contents"], values)
    before = {row[0] for row in cursor.fetchall()}
    cursor.execute(named["put_paths"], values)
    left = before - {file.content for file in files}
    if left:
        cursor.execute(named["drop_unused_contents"], {"contents": sorted(left)})
        drop_photos(cursor, [row[0] for row in cursor.fetchall()])


def _file_row(finding: Finding, contents: Mapping[str, _Content]) -> FileRow:
    if finding.sha256 is None:
        return FileRow(finding.path, finding.stamp, None, text(finding.reason))
    content = contents.get(finding.sha256)
    return FileRow(finding.path, finding.stamp, content and content.id)


def drop_photos(cursor: Any, photos: Sequence[int]) -> None:
    """Deletes photos that no event holds any more, and sightings of others that none sees."""
    cursor.execute(queries("photos")["drop_unused_photos"], {"photos": list(photos)})
    drop_unseen(cursor, photos)
