"""Writes face regions as XMP: a packet of its own, or into one that another program wrote.

Both spellings are written, as digiKam does, since some programs read only one of them, and the
names alone as IPTC's ``PersonInImage``, which most catalogues show.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from facefind.errors import PhotoError
from facefind.xmp import packet
from facefind.xmp.frames import (
    FACE,
    Area,
    Frame,
    NamedRegion,
    clean_name,
    same_place,
    stored,
    upright,
)
from facefind.xmp.reading import (
    AREA,
    DIMENSIONS,
    MP,
    MPREG,
    MPRI,
    MWG,
    Item,
    mp_items,
    mwg_items,
    orientation_of,
)

TOOLKIT = "facefind"
"""What a packet that facefind alone has written says of its origin; other programs replace it."""

IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_NAMESPACES = (
    ("rdf", packet.RDF),
    ("mwg-rs", MWG),
    ("stArea", AREA),
    ("stDim", DIMENSIONS),
    ("MP", MP),
    ("MPRI", MPRI),
    ("MPReg", MPREG),
    ("Iptc4xmpExt", IPTC),
)
_DECLARED = "".join(f'\n   xmlns:{prefix}="{uri}"' for prefix, uri in _NAMESPACES)
_PEOPLE = packet.q(IPTC, "PersonInImage")
_RESOURCE = 'rdf:parseType="Resource"'

Edit = tuple[int, int, str]


class _Placed(NamedTuple):
    name: str
    kind: str
    area: Area


def to_xmp(regions: Sequence[NamedRegion], width: float, height: float, orientation: int) -> str:
    """A packet that can stand alone as a sidecar.

    Args:
        regions: Named faces; what of a box lies outside the photo is cut off, and a face that lies
            outside altogether is left out.
        width, height: Of the upright photo, in pixels.
        orientation: The EXIF orientation of its stored picture, 1..8.
    """
    frame = Frame(width, height, orientation)
    placed = _placed(regions, frame, orientation)
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="{TOOLKIT}">\n'
        f'<rdf:RDF xmlns:rdf="{packet.RDF}">\n'
        f"{_description(placed, frame, (MWG, MP, IPTC))}"
        "</rdf:RDF>\n</x:xmpmeta>\n"
        '<?xpacket end="w"?>\n'
    )


def is_own(data: bytes) -> bool:
    """Whether a packet was written by facefind and not touched by another program since.

    Raises:
        PhotoError: As `packet.parse`.
    """
    return packet.parse(data).toolkit.startswith(TOOLKIT)


def merged(
    existing: bytes,
    regions: Sequence[NamedRegion],
    width: float,
    height: float,
    orientation: int,
) -> bytes:
    """Another program's packet with the regions added; all else in it stays, byte for byte.

    A face that it has at the place of one of the regions is replaced; other faces stay.

    Args:
        existing: The packet. The result is UTF-8, whatever this is.
        regions, width, height, orientation: As for `to_xmp`.

    Raises:
        PhotoError: The packet is damaged, its regions are of a picture of another shape, or it is
            so unusual that adding could harm it. The message is the reason alone.
    """
    document, frame = packet.parse(existing), Frame(width, height, orientation)
    turned = orientation_of(document.root, frame)
    placed = _placed(regions, frame, turned)
    replaced, kept = _sorted_out(document.root, frame, turned, placed)
    edits = [(item.element.start, item.element.end, "") for item in replaced]
    edits += _fewer_names(
        document.root, replaced, {name for name, *_ in placed} | {item.name for item in kept}
    )
    missing = []
    for namespace, (top, holders) in _lists(document.root).items():
        if holders:
            new = _items(namespace, placed, _texts(holders[0]))
            edits.append(_addition(holders[0], new))
        elif top:
            raise PhotoError("it keeps names in a form that facefind cannot add to")
        else:
            missing.append(namespace)
    if missing:
        at = _end_of_descriptions(document)
        edits.append((at, at, _description(placed, frame, missing)))
    return packet.spliced(document.source, edits)


def _placed(regions: Sequence[NamedRegion], frame: Frame, orientation: int) -> list[_Placed]:
    found = []
    for region in regions:
        name, area = clean_name(region.name), stored(region.box, frame, orientation)
        if name and area is not None:
            found.append(_Placed(name, region.kind, area))
    return found


# --- a whole description -------------------------------------------------------------------------


def _description(placed: Sequence[_Placed], frame: Frame, namespaces: Sequence[str]) -> str:
    """A description with the lists of some of the three namespaces."""
    width, height = frame.stored
    bags = {
        namespace: f"   <rdf:Bag>\n{''.join(_items(namespace, placed))}   </rdf:Bag>\n"
        for namespace in namespaces
    }
    properties = {
        MWG: f"  <mwg-rs:Regions {_RESOURCE}>\n"
        f'   <mwg-rs:AppliedToDimensions stDim:w="{width:.0f}" stDim:h="{height:.0f}"'
        ' stDim:unit="pixel"/>\n'
        f"   <mwg-rs:RegionList>\n{bags.get(MWG)}   </mwg-rs:RegionList>\n"
        "  </mwg-rs:Regions>\n",
        MP: f"  <MP:RegionInfo {_RESOURCE}>\n   <MPRI:Regions>\n{bags.get(MP)}"
        "   </MPRI:Regions>\n  </MP:RegionInfo>\n",
        IPTC: f"  <Iptc4xmpExt:PersonInImage>\n{bags.get(IPTC)}  </Iptc4xmpExt:PersonInImage>\n",
    }
    content = "".join(properties[namespace] for namespace in namespaces)
    return f' <rdf:Description rdf:about=""{_DECLARED}>\n{content} </rdf:Description>\n'


def _items(namespace: str, placed: Sequence[_Placed], known: Collection[str] = ()) -> list[str]:
    """The entries for one of the three lists; of names alone, only those not yet known."""
    if namespace == IPTC:
        names = dict.fromkeys(item.name for item in placed)
        return [_item(packet.escaped(name)) for name in names if name not in known]
    write = _mwg_item if namespace == MWG else _mp_item
    return [write(item) for item in placed]


def _item(content: str, attributes: str = "") -> str:
    return f"    <rdf:li{attributes}>{content}</rdf:li>\n"


def _mwg_item(item: _Placed) -> str:
    x, y, w, h = map(_fraction, item.area)
    return _item(
        f"\n     <mwg-rs:Name>{packet.escaped(item.name)}</mwg-rs:Name>\n"
        f"     <mwg-rs:Type>{packet.escaped(item.kind)}</mwg-rs:Type>\n"
        f'     <mwg-rs:Area stArea:x="{x}" stArea:y="{y}" stArea:w="{w}" stArea:h="{h}"'
        ' stArea:unit="normalized"/>\n    ',
        f" {_RESOURCE}",
    )


def _mp_item(item: _Placed) -> str:
    x, y, w, h = item.area
    corner = ", ".join(map(_fraction, (x - w / 2, y - h / 2, w, h)))
    return _item(
        f"\n     <MPReg:PersonDisplayName>{packet.escaped(item.name)}</MPReg:PersonDisplayName>\n"
        f"     <MPReg:Rectangle>{corner}</MPReg:Rectangle>\n    ",
        f" {_RESOURCE}",
    )


def _fraction(value: float) -> str:
    """Exact to a hundredth of a pixel in the largest pictures."""
    return f"{value:.7f}".rstrip("0").rstrip(".")


# --- into what is there --------------------------------------------------------------------------


def _sorted_out(
    root: packet.Element, frame: Frame, orientation: int, placed: Sequence[_Placed]
) -> tuple[list[Item], list[Item]]:
    """The entries that the new ones replace, and those that stay."""
    new = [upright(item.area, frame, orientation) for item in placed]
    replaced: list[Item] = []
    kept: list[Item] = []
    for item in (*mwg_items(root, frame), *mp_items(root)):
        box = upright(item.area, frame, orientation)
        same = item.kind == FACE and any(same_place(box, other) for other in new)
        (replaced if same else kept).append(item)
    return replaced, kept


def _fewer_names(
    root: packet.Element, replaced: Sequence[Item], staying: Collection[str]
) -> list[Edit]:
    """What takes the names of replaced faces, unless they stay elsewhere, off the list of names."""
    gone = {item.name for item in replaced} - set(staying)
    names = [name for list_ in root.find_all(_PEOPLE) for name in packet.items(list_)]
    return [(name.start, name.end, "") for name in names if clean_name(packet.text(name)) in gone]


def _lists(root: packet.Element) -> dict[str, tuple[bool, list[packet.Element]]]:
    """For each of the three lists: whether there is anything of it, and what holds its entries."""
    regions = list(root.find_all(packet.q(MWG, "Regions")))
    mwg = [packet.fields(element).get(packet.q(MWG, "RegionList")) for element in regions]
    mp = list(root.find_all(packet.q(MPRI, "Regions")))
    people = list(root.find_all(_PEOPLE))
    return {
        MWG: (bool(regions), [bag for list_ in mwg if (bag := packet.container(list_))]),
        MP: (
            any(root.find_all(packet.q(MP, "RegionInfo"))),
            [bag for list_ in mp if (bag := packet.container(list_))],
        ),
        IPTC: (bool(people), [bag for list_ in people if (bag := packet.container(list_))]),
    }


def _texts(holder: packet.Element) -> set[str]:
    return {clean_name(packet.text(child)) for child in holder.children}


def _addition(holder: packet.Element, items: Sequence[str]) -> Edit:
    """Entries added at the end of a list, whatever prefixes are in use there."""
    new = "".join(item.replace("<rdf:li", f"<rdf:li{_DECLARED}", 1) for item in items)
    if holder.close is not None:
        return (holder.close, holder.close, new)
    return (holder.start, holder.end, f'<rdf:Bag xmlns:rdf="{packet.RDF}">\n{new}</rdf:Bag>')


def _end_of_descriptions(document: packet.Document) -> int:
    if document.rdf is None or document.rdf.close is None:
        raise PhotoError("it has no descriptions that facefind could add to")
    return document.rdf.close
