"""Reads face regions from XMP, in both spellings."""

from __future__ import annotations

import math
from typing import NamedTuple

from facefind.errors import PhotoError
from facefind.xmp import packet
from facefind.xmp.frames import (
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

    element: packet.Element
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
        PhotoError: The XML is damaged or hostile (see `packet.parse`), or its regions are of a
            picture of another shape. The message is the reason alone.
    """
    if packet.is_blank(text):
        return []
    frame, root = Frame(width, height, orientation), packet.parse(text).root
    found: list[NamedRegion] = []
    for items in (mwg_items(root, frame), mp_items(root)):
        named = [item for item in items if item.name and item.kind == FACE]
        turned = orientation_of(root, frame) if named else orientation
        read = [NamedRegion(item.name, upright(item.area, frame, turned)) for item in named]
        found += [new for new in read if not any(same_place(new.box, old.box) for old in found)]
    return found


def mwg_items(root: packet.Element, frame: Frame) -> list[Item]:
    """The entries of ``mwg-rs:Regions`` that have an area, of whatever kind."""
    found = []
    for regions in root.find_all(packet.q(MWG, "Regions")):
        size = _applied(regions) or frame.stored
        for element in packet.items(packet.fields(regions).get(packet.q(MWG, "RegionList"))):
            facts = packet.fields(element)
            area = _mwg_area(facts.get(packet.q(MWG, "Area")), size)
            if area is not None:
                kind = clean_name(packet.text(facts.get(packet.q(MWG, "Type")))) or FACE
                name = clean_name(packet.text(facts.get(packet.q(MWG, "Name"))))
                found.append(Item(element, name, kind, area))
    return found


def _mwg_area(field: packet.Field | None, size: tuple[float, float]) -> Area | None:
    """A region's area; None for points and for what makes no sense."""
    if not isinstance(field, packet.Element):
        return None
    facts = packet.fields(field)
    width, height = size
    x, y, w, h, diameter = (_number(facts.get(packet.q(AREA, part))) for part in "xywhd")
    if w is None and h is None and diameter is not None:
        # A circle's is a fraction of the shorter side.
        w, h = (diameter * min(size) / side for side in size)
    if packet.text(facts.get(packet.q(AREA, "unit"))).strip() == "pixel":
        sides = (width, height, width, height)
        return sound(*(v and v / side for v, side in zip((x, y, w, h), sides, strict=True)))
    return sound(x, y, w, h)


def mp_items(root: packet.Element) -> list[Item]:
    """The entries of ``MP:RegionInfo`` that have an area."""
    found = []
    for regions in root.find_all(packet.q(MPRI, "Regions")):
        for element in packet.items(regions):
            facts = packet.fields(element)
            parts = packet.text(facts.get(packet.q(MPREG, "Rectangle"))).split(",")
            name = clean_name(packet.text(facts.get(packet.q(MPREG, "PersonDisplayName"))))
            area = from_corner(*map(_number, parts)) if len(parts) == 4 else None
            if area is not None:
                found.append(Item(element, "" if name == IGNORED else name, FACE, area))
    return found


def _number(field: packet.Field | None) -> float | None:
    """A finite number; programs in some languages write a comma for the point."""
    try:
        value = float(packet.text(field).strip().replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def orientation_of(root: packet.Element, frame: Frame) -> int:
    """Which orientation makes a packet's regions upright.

    Raises:
        PhotoError: They were meant for a picture of another shape: this one was cropped or turned
            since, by a program that knows no regions.
    """
    sizes = [
        size for regions in root.find_all(packet.q(MWG, "Regions")) if (size := _applied(regions))
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


def _applied(regions: packet.Element) -> tuple[float, float] | None:
    """The size, in pixels, of the picture that the regions were meant for."""
    dimensions = packet.fields(regions).get(packet.q(MWG, "AppliedToDimensions"))
    if not isinstance(dimensions, packet.Element):
        return None
    found = packet.fields(dimensions)
    width, height = (_number(found.get(packet.q(DIMENSIONS, side))) for side in "wh")
    return (width, height) if width and height and width > 0 and height > 0 else None
