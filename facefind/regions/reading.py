"""Reads face regions from XMP, in both spellings."""

from __future__ import annotations

import math
from typing import NamedTuple

from facefind.errors import PhotoError
from facefind.regions import xmp
from facefind.regions.frames import (
    FACE,
    Area,
    Frame,
    NamedRegion,
    clean_name,
    from_corner,
    same_place,
    same_shape,
    sound,
    upright,
)

MWG = "http://www.metadataworkinggroup.com/schemas/regions/"
AREA = "http://ns.adobe.com/xmp/sType/Area#"
DIMENSIONS = "http://ns.adobe.com/xap/1.0/sType/Dimensions#"
MP = "http://ns.microsoft.com/photo/1.2/"
MPRI = "http://ns.microsoft.com/photo/1.2/t/RegionInfo#"
MPREG = "http://ns.microsoft.com/photo/1.2/t/Region#"

_SHAPE_TOLERANCE = 0.05
# How Windows Live Photo Gallery and Picasa name a face that they were told to ignore.
IGNORED = "ffffffffffffffff"


class Item(NamedTuple):
    """An entry of a list of regions: where it is written, and what it says."""

    element: xmp.Element
    name: str
    kind: str
    area: Area


def from_xmp(text: bytes, width: float, height: float, orientation: int) -> list[NamedRegion]:
    """The named faces in an XMP packet or sidecar.

    Regions of pets, focus points and bar codes, and regions without a name, are left out. Where the
    two spellings disagree about a place, ``mwg-rs`` counts.

    Args:
        text: The packet; blank ones have no regions.
        width, height: Of the upright photo, in pixels.
        orientation: The EXIF orientation of its stored picture, 1..8.

    Raises:
        PhotoError: The XML is damaged or hostile (see `xmp.parse`), or its regions are of a picture
            of another shape. The message is the reason alone.
    """
    if xmp.is_blank(text):
        return []
    frame, root = Frame(width, height, orientation), xmp.parse(text).root
    found: list[NamedRegion] = []
    for items in (mwg_items(root, frame), mp_items(root)):
        named = [item for item in items if item.name and item.kind == FACE]
        turned = orientation_of(root, frame) if named else orientation
        read = [NamedRegion(item.name, upright(item.area, frame, turned)) for item in named]
        found += [new for new in read if not any(same_place(new.box, old.box) for old in found)]
    return found


def mwg_items(root: xmp.Element, frame: Frame) -> list[Item]:
    """The entries of ``mwg-rs:Regions`` that have an area, of whatever kind."""
    found = []
    for regions in root.find_all(xmp.q(MWG, "Regions")):
        size = _applied(regions) or frame.stored
        for element in xmp.items(xmp.fields(regions).get(xmp.q(MWG, "RegionList"))):
            facts = xmp.fields(element)
            area = _mwg_area(facts.get(xmp.q(MWG, "Area")), size)
            if area is not None:
                kind = clean_name(xmp.text(facts.get(xmp.q(MWG, "Type")))) or FACE
                name = clean_name(xmp.text(facts.get(xmp.q(MWG, "Name"))))
                found.append(Item(element, name, kind, area))
    return found


def _mwg_area(field: xmp.Field | None, size: tuple[float, float]) -> Area | None:
    """A region's area; None for points and for what makes no sense."""
    if not isinstance(field, xmp.Element):
        return None
    facts = xmp.fields(field)
    width, height = size
    x, y, w, h, diameter = (_number(facts.get(xmp.q(AREA, part))) for part in "xywhd")
    if w is None and h is None and diameter is not None:
        # A circle's is a fraction of the shorter side.
        w, h = (diameter * min(size) / side for side in size)
    if xmp.text(facts.get(xmp.q(AREA, "unit"))).strip() == "pixel":
        sides = (width, height, width, height)
        return sound(*(v and v / side for v, side in zip((x, y, w, h), sides, strict=True)))
    return sound(x, y, w, h)


def mp_items(root: xmp.Element) -> list[Item]:
    """The entries of ``MP:RegionInfo`` that have an area."""
    found = []
    for regions in root.find_all(xmp.q(MPRI, "Regions")):
        for element in xmp.items(regions):
            facts = xmp.fields(element)
            parts = xmp.text(facts.get(xmp.q(MPREG, "Rectangle"))).split(",")
            name = clean_name(xmp.text(facts.get(xmp.q(MPREG, "PersonDisplayName"))))
            area = from_corner(*map(_number, parts)) if len(parts) == 4 else None
            if area is not None:
                found.append(Item(element, "" if name == IGNORED else name, FACE, area))
    return found


def _number(field: xmp.Field | None) -> float | None:
    """A finite number; programs in some languages write a comma for the point."""
    try:
        value = float(xmp.text(field).strip().replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def orientation_of(root: xmp.Element, frame: Frame) -> int:
    """Which orientation makes a packet's regions upright.

    Raises:
        PhotoError: They were meant for a picture of another shape: this one was cropped or turned
            since, by a program that knows no regions.
    """
    sizes = [
        size for regions in root.find_all(xmp.q(MWG, "Regions")) if (size := _applied(regions))
    ]
    if not sizes:
        return frame.orientation
    for shape, orientation in ((frame.stored, frame.orientation), (frame[:2], 1)):
        if same_shape(sizes[0], shape, _SHAPE_TOLERANCE):
            return orientation
    width, height = sizes[0]
    raise PhotoError(
        f"its face regions were drawn on a picture of {width:g} x {height:g} pixels, which had"
        " another shape"
    )


def _applied(regions: xmp.Element) -> tuple[float, float] | None:
    """The size, in pixels, of the picture that the regions were meant for."""
    dimensions = xmp.fields(regions).get(xmp.q(MWG, "AppliedToDimensions"))
    if not isinstance(dimensions, xmp.Element):
        return None
    found = xmp.fields(dimensions)
    width, height = (_number(found.get(xmp.q(DIMENSIONS, side))) for side in "wh")
    return (width, height) if width and height and width > 0 and height > 0 else None
