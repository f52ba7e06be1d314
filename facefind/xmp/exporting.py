"""Writes the names of people for other photo programs: sidecars, or copies that hold them."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from facefind.errors import OutputError, PhotoError, UsageError
from facefind.filenames import Taken, folded, split
from facefind.folders import make_folder, not_written, whole
from facefind.images import metadata_of, read_file
from facefind.placing import is_there, place
from facefind.xmp import regions as xmp
from facefind.xmp.exiftool import Exiftool
from facefind.xmp.regions import NamedRegion, same_place

_PLAIN_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}")


class PhotoOfPeople(NamedTuple):
    """A photo to export, and who is where in it.

    Attributes:
        width, height: Of the upright photo, in pixels.
        orientation: The EXIF orientation of the stored picture, 1..8; see `metadata_of`.
    """

    path: Path
    width: int
    height: int
    orientation: int
    regions: Sequence[NamedRegion]


Target = tuple[PhotoOfPeople, Path]
Writer = Callable[[PhotoOfPeople, Path], None]


@dataclass(slots=True)
class ExportReport:
    """What an export did.

    Attributes:
        written: Sidecars, or copies of photos, that hold nothing of other programs but what the
            photo itself held.
        merged: Sidecars in which another program's content was kept.
        refused: Photos that were left out, each with the reason.
    """

    written: list[Path] = field(default_factory=list)
    merged: list[Path] = field(default_factory=list)
    refused: list[tuple[Path, str]] = field(default_factory=list)


def export(
    photos: Sequence[PhotoOfPeople],
    out: Path | None,
    *,
    in_file: bool = False,
    root: Path | None = None,
) -> ExportReport:
    """Writes names to XMP: sidecars, or copies of the photos that hold them. Photos stay untouched.

    Sidecars are called ``IMG.JPG.xmp``. Where another program's is beside the photo, or where it is
    to be written, its content is kept and the names are added to it.

    Args:
        photos: Those without regions are passed over.
        out: The folder to write to, in which the photos' folders are repeated; None for sidecars
            beside the photos.
        in_file: Copy the photos and write into the copies, by exiftool, instead of sidecars.
        root: The folder that ``out`` stands for; else the deepest one that all the photos share.

    Raises:
        UsageError: ``in_file`` without a folder, or with one in which the photos themselves lie.
        SetupError: ``in_file`` without exiftool.
        OutputError: The folder cannot be written to.
    """
    report = ExportReport()
    targets = list(_targets([photo for photo in photos if photo.regions], out, root))
    if not in_file:
        _export_each(report, targets, partial(_export_sidecar, report))
        return report
    if out is None:
        raise UsageError("Names are written into copies only.", "Name a folder for the copies.")
    _refuse_originals(targets)
    with _workshop(out) as folder, Exiftool(folder) as exiftool:
        _export_each(report, targets, partial(_export_copy, report, folder, exiftool))
    return report


def _export_each(report: ExportReport, targets: Sequence[Target], write: Writer) -> None:
    """What is wrong with one photo is reported, and the run goes on."""
    for photo, target in targets:
        try:
            write(photo, target)
        except PhotoError as error:
            report.refused.append((photo.path, error.message))


def _targets(
    photos: Sequence[PhotoOfPeople], out: Path | None, root: Path | None
) -> Iterator[Target]:
    """Where each photo's copy goes, or would go, so that no two are one file on any system."""
    if out is None:
        yield from ((photo, photo.path) for photo in photos)
        return
    top = root or shared_folder([photo.path for photo in photos])
    taken: defaultdict[str, Taken] = defaultdict(Taken)
    for photo in photos:
        absolute = photo.path.absolute()
        inside = top is not None and absolute.is_relative_to(top)
        folder = absolute.relative_to(top if top and inside else absolute.anchor).parent
        yield photo, out / folder / taken[folded(str(folder))].take(*split(photo.path.name))


def shared_folder(paths: Sequence[Path]) -> Path | None:
    """The deepest folder that all lie in; None for none, and on several drives."""
    try:
        return Path(os.path.commonpath([path.absolute().parent for path in paths]))
    except ValueError:
        return None


def _export_sidecar(report: ExportReport, photo: PhotoOfPeople, target: Path) -> None:
    sidecar = target.with_name(target.name + ".xmp")
    frame = photo.width, photo.height, photo.orientation
    existing = _foreign_sidecar(sidecar, photo.path)
    if existing is None:
        _write(sidecar, xmp.to_xmp(photo.regions, *frame).encode("utf-8"))
        report.written.append(sidecar)
    else:
        _write(sidecar, xmp.merged(existing, photo.regions, *frame))
        report.merged.append(sidecar)


def _foreign_sidecar(target: Path, photo: Path) -> bytes | None:
    """Another program's sidecar whose content must not be lost: where ours goes, or goes beside.

    Raises:
        PhotoError: There is one that cannot be understood.
    """
    for path in (target, photo.with_name(photo.name + ".xmp")):
        if not is_there(path):
            continue
        try:
            data = read_file(path).data
            if not xmp.is_own(data):
                return data
        except PhotoError as error:
            raise type(error)(f"its sidecar {path.name}: {error.message}") from error
    return None


def _write(path: Path, data: bytes) -> None:
    """Writes a sidecar whole or not at all.

    Raises:
        PhotoError: Its name is too long for this system.
        OutputError: It cannot be written.
    """
    make_folder(path.parent)
    try:
        with whole(path) as temporary:
            temporary.write_bytes(data)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise PhotoError("its name is too long for a sidecar's") from error
        raise not_written(path, error) from error


# --- into copies ---------------------------------------------------------------------------------


def _refuse_originals(targets: Sequence[Target]) -> None:
    for photo, target in targets:
        if is_there(target) and is_there(photo.path) and target.samefile(photo.path):
            raise UsageError(
                f"The copies would take the place of the photos themselves: {photo.path}.",
                "Name another folder.",
            )


@contextmanager
def _workshop(out: Path) -> Iterator[Path]:
    """A hidden folder, on the disk of the copies, for files that are not finished."""
    make_folder(out)
    try:
        folder = Path(tempfile.mkdtemp(prefix=".facefind-", dir=out))
    except OSError as error:
        raise OutputError(f"{out} cannot be written to: {error.strerror}.") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _export_copy(
    report: ExportReport, folder: Path, exiftool: Exiftool, photo: PhotoOfPeople, target: Path
) -> None:
    _refuse_foreign(target)
    suffix = photo.path.suffix
    # Names that cannot be mistaken for options; exiftool tells some raw formats by the suffix.
    copy = folder / f"copy{suffix if _PLAIN_SUFFIX.fullmatch(suffix) else ''}"
    sidecar = folder / "names.xmp"
    _write(sidecar, _names_for(photo))
    place(photo.path, copy, "copy")
    exiftool.copy_regions(sidecar.name, copy.name, xmp.TOOLKIT)
    make_folder(target.parent)
    try:
        copy.replace(target)
    except OSError as error:
        raise not_written(target, error) from error
    report.written.append(target)


def _refuse_foreign(target: Path) -> None:
    """Raises PhotoError where a file is in the way that no export has put there."""
    if not is_there(target):
        return
    with suppress(PhotoError):
        if any(map(xmp.is_own, metadata_of(target).packets)):
            return
    raise PhotoError(f"{target} is there already and is no copy that facefind has made")


def _names_for(photo: PhotoOfPeople) -> bytes:
    """The names to write, with those that the photo's own file already holds."""
    packets = metadata_of(photo.path).packets
    frame = photo.width, photo.height, photo.orientation
    known = [region for packet in packets[1:] for region in xmp.from_xmp(packet, *frame)]
    new = [one for one in known if not any(same_place(one.box, r.box) for r in photo.regions)]
    regions = [*photo.regions, *new]
    if packets:
        return xmp.merged(packets[0], regions, *frame)
    return xmp.to_xmp(regions, *frame).encode("utf-8")
