"""Finds the names that other photo programs gave to faces, and whose faces they are."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np

from facefind.errors import PhotoError
from facefind.images import Metadata, metadata_of, read_file, read_photo
from facefind.types import Box
from facefind.xmp import regions as xmp
from facefind.xmp.regions import NamedRegion, agreement, same_place

_log = logging.getLogger(__name__)

OnError = Callable[[Path, str], None]

_INI_NAMES = (".picasa.ini", "Picasa.ini")


def read_names(
    photo: Path,
    *,
    size: tuple[int, int] | None = None,
    contacts: Mapping[str, str] | None = None,
    on_error: OnError | None = None,
) -> list[NamedRegion]:
    """The faces that other programs have named in a photo.

    They are looked for in sidecars beside it (``IMG.JPG.xmp`` as digiKam and darktable write them,
    then ``IMG.xmp`` as Lightroom does), in the file itself, and in the folder's ``.picasa.ini``.
    Where two of these name the same place, the one named first here counts.

    Args:
        photo: A picture file.
        size: Width and height, upright, of the photo as it was searched for faces. Without it they
            are read from the file, for which a camera raw file must be developed.
        contacts: See `facefind.xmp.regions.from_picasa_ini`.
        on_error: Called with the file and a plain reason for each source that cannot be read;
            without it they are logged as warnings. The other sources still count.

    Raises:
        PhotoError: The photo itself cannot be read.
    """
    report = on_error or _warn
    try:
        metadata = metadata_of(photo)
    except PhotoError as error:
        raise type(error)(f"{photo}: {error.message}", error.hint) from error
    frame = xmp.Frame(*(size or metadata.size or _developed_size(photo)), metadata.orientation)
    found: list[NamedRegion] = []
    for source, read in _sources(photo, metadata, frame, contacts):
        try:
            new = read()
        except PhotoError as error:
            report(source, error.message)
            continue
        found += [one for one in new if not any(same_place(one.box, old.box) for old in found)]
    return found


def _warn(path: Path, reason: str) -> None:
    _log.warning("%s: %s", path, reason)


def _developed_size(photo: Path) -> tuple[int, int]:
    info = read_photo(photo).info
    return info.width, info.height


Source = tuple[Path, Callable[[], list[NamedRegion]]]


def _sources(
    photo: Path, metadata: Metadata, frame: xmp.Frame, contacts: Mapping[str, str] | None
) -> Iterator[Source]:
    """The files that may name faces in a photo, the one that counts most first."""
    for sidecar in _sidecars(photo):
        yield sidecar, partial(_in_sidecar, sidecar, frame)
    for packet in metadata.packets:
        yield photo, partial(xmp.from_xmp, packet, *frame)
    for name in _INI_NAMES:
        ini = photo.with_name(name)
        if ini.is_file():
            raw = metadata.format == "RAW"
            yield ini, partial(_in_ini, ini, photo.name, frame, raw=raw, contacts=contacts)


def _in_sidecar(path: Path, frame: xmp.Frame) -> list[NamedRegion]:
    return xmp.from_xmp(read_file(path).data, *frame)


def _in_ini(
    ini: Path, name: str, frame: xmp.Frame, *, raw: bool, contacts: Mapping[str, str] | None
) -> list[NamedRegion]:
    text = _text(read_file(ini).data)
    return xmp.from_picasa_ini(text, name, *frame, raw=raw, contacts=contacts)


def _sidecars(photo: Path) -> list[Path]:
    stems = (photo.name, photo.stem)
    candidates = [photo.with_name(stem + end) for stem in stems for end in (".xmp", ".XMP")]
    there: dict[tuple[int, int], Path] = {}
    for path in candidates:
        # Where case does not matter, two of these names are one file.
        with suppress(OSError):
            status = path.stat()
            there.setdefault((status.st_dev, status.st_ino), path)
    return list(there.values())


def _text(data: bytes) -> str:
    """Picasa writes UTF-8; its early versions wrote what Windows used in Western Europe."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def match(regions: Sequence[NamedRegion], sightings: Sequence[tuple[int, Box]]) -> dict[int, int]:
    """Which named region is which sighting: index of the region -> id of the sighting.

    Each is used at most once; those that agree best find each other first. Regions without a
    sighting are not in the result.

    Args:
        regions, sightings: Of one photo; sightings are (id, box).
    """
    if not regions or not sightings:
        return {}
    scores = agreement([region.box for region in regions], [box for _, box in sightings])
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for flat in np.argsort(-scores, axis=None, kind="stable"):
        region, sighting = divmod(int(flat), len(sightings))
        if scores[region, sighting] <= 0:
            break
        if region not in pairs and sighting not in taken:
            pairs[region] = sightings[sighting][0]
            taken.add(sighting)
    return pairs
