"""Face regions to and from XMP and .picasa.ini."""

from __future__ import annotations

import numpy as np
import pytest

from facefind.errors import PhotoError
from facefind.images import decode
from facefind.types import Box
from facefind.xmp.regions import (
    NamedRegion,
    clean_name,
    from_picasa_ini,
    from_xmp,
    is_own,
    merged,
    picasa_contacts,
    to_xmp,
)
from tests.pictures import encode, exif_with

RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
MWG = (
    'xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/"'
    ' xmlns:stArea="http://ns.adobe.com/xmp/sType/Area#"'
    ' xmlns:stDim="http://ns.adobe.com/xap/1.0/sType/Dimensions#"'
)
MP = (
    'xmlns:MP="http://ns.microsoft.com/photo/1.2/"'
    ' xmlns:MPRI="http://ns.microsoft.com/photo/1.2/t/RegionInfo#"'
    ' xmlns:MPReg="http://ns.microsoft.com/photo/1.2/t/Region#"'
)
SIZE = (400, 200)
BOX = Box(40, 60, 80, 40)
AREA = 'stArea:x="0.2" stArea:y="0.4" stArea:w="0.2" stArea:h="0.2" stArea:unit="normalized"'

NAMES = [
    'Ann "the Ant" O\'Neil',
    "<Ann> & ]]> <!-- Ben -->",
    "Zoë \N{GRINNING FACE} 李小龍",
    "\N{HEBREW LETTER ALEF}\N{HEBREW LETTER BET} \N{ARABIC LETTER MEEM}",
    "x" * 300,
    "-execute",
    "#Ann=Ben|Cy/De\\",
]


def packet(description: str, toolkit: str = "Other") -> bytes:
    return (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="{toolkit}"><rdf:RDF {RDF}>'
        f"{description}</rdf:RDF></x:xmpmeta>"
    ).encode()


def mwg(items: str, applied: str = 'stDim:w="400" stDim:h="200" stDim:unit="pixel"') -> bytes:
    dimensions = f"<mwg-rs:AppliedToDimensions {applied}/>" if applied else ""
    return packet(
        f'<rdf:Description rdf:about="" {MWG}><mwg-rs:Regions rdf:parseType="Resource">{dimensions}'
        f"<mwg-rs:RegionList><rdf:Bag>{items}</rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>"
        "</rdf:Description>"
    )


def item(name: str = "Ann", kind: str = "Face", area: str = AREA) -> str:
    type_ = f"<mwg-rs:Type>{kind}</mwg-rs:Type>" if kind else ""
    return (
        f'<rdf:li rdf:parseType="Resource"><mwg-rs:Name>{name}</mwg-rs:Name>{type_}'
        f"<mwg-rs:Area {area}/></rdf:li>"
    )


def assert_one(found: list[NamedRegion], name: str = "Ann", box: Box = BOX) -> None:
    assert [region.name for region in found] == [name]
    assert found[0].box == pytest.approx(box, abs=0.01)


# --- orientation ---------------------------------------------------------------------------------


def red_box(pixels: np.ndarray) -> Box:
    rows, columns = np.nonzero((pixels[..., 0] > 150) & (pixels[..., 1] < 100))
    x, y = columns.min(), rows.min()
    return Box(x, y, columns.max() + 1 - x, rows.max() + 1 - y)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_regions_lie_where_the_decoded_pixels_are(orientation: int) -> None:
    # A red face in the stored picture, off centre both ways, on a multiple of JPEG's blocks.
    stored = np.full((160, 240, 3), 255, np.uint8)
    stored[32:64, 160:224] = (200, 20, 30)
    area = 'stArea:x="0.8" stArea:y="0.3" stArea:w="0.2666667" stArea:h="0.2"'
    text = mwg(item(area=area), 'stDim:w="240" stDim:h="160"')
    exif = exif_with(orientation)
    pixels = decode(encode(stored, "JPEG", exif=exif, quality=100, subsampling=0)).pixels
    height, width = pixels.shape[:2]
    (region,) = from_xmp(text, width, height, orientation)
    assert region.box == pytest.approx(red_box(pixels), abs=0.01)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_what_is_written_is_read_back(orientation: int) -> None:
    regions = [NamedRegion("Ann", Box(40, 30, 80, 40)), NamedRegion("Ben", Box(300, 100, 50, 60))]
    text = to_xmp(regions, *SIZE, orientation).encode()
    found = from_xmp(text, *SIZE, orientation)
    assert [region.name for region in found] == ["Ann", "Ben"]
    for region, was in zip(found, regions, strict=True):
        assert region.box == pytest.approx(was.box, abs=0.01)


def test_each_orientation_is_written_differently() -> None:
    texts = {to_xmp([NamedRegion("Ann", BOX)], *SIZE, turn) for turn in range(1, 9)}
    assert len(texts) == 8


def test_upright_coordinates_are_told_by_the_size_they_were_meant_for() -> None:
    upright = mwg(item(), 'stDim:w="400" stDim:h="200"')
    assert_one(from_xmp(upright, 400, 200, 6))
    lying = from_xmp(mwg(item(), 'stDim:w="200" stDim:h="400"'), 400, 200, 6)
    # Orientation 6: what is on the stored picture's left is at the top, its top at the right.
    assert_one(lying, box=Box(200, 20, 80, 40))


@pytest.mark.parametrize("applied", ['stDim:w="200" stDim:h="400"', 'stDim:w="300" stDim:h="200"'])
def test_regions_of_a_picture_of_another_shape_are_refused(applied: str) -> None:
    with pytest.raises(PhotoError, match="another shape"):
        from_xmp(mwg(item(), applied), *SIZE, 1)
    # A smaller copy has the same shape, and nameless regions harm nobody.
    assert_one(from_xmp(mwg(item(), 'stDim:w="4000" stDim:h="1995"'), *SIZE, 1))
    assert from_xmp(mwg(item(name=""), applied), *SIZE, 1) == []


# --- spellings -----------------------------------------------------------------------------------

SPELLINGS = {
    "as exiftool writes": mwg(
        '<rdf:li rdf:parseType="Resource"><mwg-rs:Area rdf:parseType="Resource">'
        "<stArea:h>0.2</stArea:h><stArea:unit>normalized</stArea:unit><stArea:w>0.2</stArea:w>"
        "<stArea:x>0.2</stArea:x><stArea:y>0.4</stArea:y></mwg-rs:Area>"
        "<mwg-rs:Name>Ann</mwg-rs:Name><mwg-rs:Type>Face</mwg-rs:Type></rdf:li>"
    ),
    "as Lightroom and Picasa write": mwg(
        f'<rdf:li><rdf:Description mwg-rs:Name="Ann" mwg-rs:Type="Face"><mwg-rs:Area {AREA}/>'
        "</rdf:Description></rdf:li>"
    ),
    "nested descriptions": packet(
        f"<rdf:Description {MWG}><mwg-rs:Regions><rdf:Description><mwg-rs:RegionList><rdf:Seq>"
        f'<rdf:li><rdf:Description mwg-rs:Name="Ann"><mwg-rs:Area><rdf:Description {AREA}/>'
        "</mwg-rs:Area></rdf:Description></rdf:li></rdf:Seq></mwg-rs:RegionList></rdf:Description>"
        "</mwg-rs:Regions></rdf:Description>"
    ),
    "other prefixes": mwg(item())
    .replace(b"mwg-rs", b"ns1")
    .replace(b"stArea", b"a")
    .replace(b"rdf:", b"r:")
    .replace(b":rdf", b":r"),
    "no type": mwg(item(kind="")),
    "a name in languages": mwg(
        item('<rdf:Alt><rdf:li xml:lang="x-default">Ann</rdf:li></rdf:Alt>')
    ),
    "commas for points": mwg(item(area=AREA.replace("0.", "0,"))),
    "pixels": mwg(
        item(area='stArea:x="80" stArea:y="80" stArea:w="80" stArea:h="40" stArea:unit="pixel"')
    ),
    "no dimensions": mwg(item(), ""),
    "Windows Live Photo Gallery": packet(
        f"<rdf:Description {MP}><MP:RegionInfo><rdf:Description><MPRI:Regions><rdf:Bag><rdf:li>"
        '<rdf:Description MPReg:Rectangle="0.1, 0.3,0.2, 0.2" MPReg:PersonDisplayName="Ann"/>'
        "</rdf:li></rdf:Bag></MPRI:Regions></rdf:Description></MP:RegionInfo></rdf:Description>"
    ),
}


@pytest.mark.parametrize("text", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_every_spelling_is_understood(text: bytes) -> None:
    assert_one(from_xmp(text, *SIZE, 1))


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"]
)
def test_every_encoding_is_understood(encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding[:6]}"?>' + mwg(item("Zoë 李")).decode()
    assert_one(from_xmp((text + " " * 50 + "\0").encode(encoding), *SIZE, 1), "Zoë 李")


def test_a_circle_is_a_square_box() -> None:
    found = from_xmp(mwg(item(area='stArea:x="0.5" stArea:y="0.5" stArea:d="0.2"')), *SIZE, 1)
    assert_one(found, box=Box(180, 80, 40, 40))


@pytest.mark.parametrize(
    "entry",
    [
        item(kind="Pet"),
        item(kind="Focus"),
        item(name=" "),
        item(area='stArea:x="0.2" stArea:y="0.4"'),
        item(area=AREA.replace('w="0.2"', 'w="0"')),
        item(area=AREA.replace('w="0.2"', 'w="-0.2"')),
        item(area=AREA.replace("0.4", "nan")),
        item(area=AREA.replace("0.4", "1e400")),
        item(area=AREA.replace("0.4", "7")),
        item(area=AREA.replace("0.4", "left")),
        '<rdf:li rdf:parseType="Resource"><mwg-rs:Name>Ann</mwg-rs:Name></rdf:li>',
        "<rdf:li>Ann</rdf:li>",
        "<rdf:li/>",
    ],
)
def test_what_is_no_named_face_is_left_out(entry: str) -> None:
    assert_one(from_xmp(mwg(entry + item("Ben")), *SIZE, 1), "Ben")


def test_where_the_spellings_disagree_the_first_counts() -> None:
    both = to_xmp([NamedRegion("Ann", BOX)], *SIZE, 1)
    assert both.count("Ann") == 3
    renamed = both.replace("DisplayName>Ann", "DisplayName>Ben")
    assert_one(from_xmp(renamed.encode(), *SIZE, 1))
    ignored = SPELLINGS["Windows Live Photo Gallery"].replace(b"Ann", b"ffffffffffffffff")
    assert from_xmp(ignored, *SIZE, 1) == []


@pytest.mark.parametrize("blank", [b"", b" \n", b"\0\0", b"\xef\xbb\xbf"])
def test_an_empty_packet_has_no_regions(blank: bytes) -> None:
    assert from_xmp(blank, *SIZE, 1) == []


# --- hostile and damaged -------------------------------------------------------------------------

LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize(
    "prologue", [LAUGHS, '<!DOCTYPE x SYSTEM "file:///etc/passwd">', "<!DOCTYPE x>"]
)
def test_entities_are_refused(prologue: str, encoding: str) -> None:
    text = prologue + mwg(item("Ann")).decode()
    with pytest.raises(PhotoError, match="entities"):
        from_xmp(text.encode(encoding), *SIZE, 1)


@pytest.mark.parametrize(
    "text",
    [
        b"no xml",
        b"<a>",
        b"<a></b>",
        b"<a/><b/>",
        b"<a>&unknown;</a>",
        b"<a x:y='1'/>",
        b"\xff\xfe<",
        b"<a>\xff</a>",
        mwg(item())[:-20],
        b"<a>" * 1000 + b"</a>" * 1000,
    ],
)
def test_damaged_xml_is_an_error_with_a_reason(text: bytes) -> None:
    with pytest.raises(PhotoError, match="the XMP"):
        from_xmp(text, *SIZE, 1)


def test_endless_elements_are_refused() -> None:
    with pytest.raises(PhotoError, match="too many"):
        from_xmp(b"<a>" + b"<b/>" * 300_001 + b"</a>", *SIZE, 1)


# --- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_any_name_survives(name: str) -> None:
    text = to_xmp([NamedRegion(name, BOX)], *SIZE, 1).encode()
    assert_one(from_xmp(text, *SIZE, 1), name)
    assert_one(
        from_xmp(merged(mwg(item("Old")), [NamedRegion(name, BOX)], *SIZE, 1), *SIZE, 1), name
    )


def test_names_are_one_line_of_signs_that_xml_can_hold() -> None:
    assert clean_name(" Ann\r\n\tB.\x00\x1f\x85 C ") == "Ann B. C"
    assert clean_name("Zoe\N{COMBINING DIAERESIS}") == "Zoë"
    odd = [NamedRegion("Ann\n\x00\ud800\uffffB", BOX)]
    assert_one(from_xmp(to_xmp(odd, *SIZE, 1).encode(), *SIZE, 1), "Ann B")


def test_boxes_are_cut_at_the_edge_and_left_out_beyond() -> None:
    regions = [
        NamedRegion("Ann", Box(-20, 150, 60, 80)),
        NamedRegion("Ben", Box(410, 10, 20, 20)),
        NamedRegion(" ", BOX),
    ]
    found = from_xmp(to_xmp(regions, *SIZE, 1).encode(), *SIZE, 1)
    assert_one(found, box=Box(0, 150, 40, 50))


# --- into what is there --------------------------------------------------------------------------

FOREIGN = packet(
    '<!-- kept --><rdf:Description rdf:about="" xmlns:d="urn:develop" d:Exposure="0.5">'
    "<d:Mask>a > b</d:Mask></rdf:Description>"
)


def test_a_foreign_packet_keeps_every_byte() -> None:
    text = merged(FOREIGN, [NamedRegion("Ann", BOX)], *SIZE, 1)
    assert_one(from_xmp(text, *SIZE, 1))
    start = text.index(b' <rdf:Description rdf:about=""\n')
    end = text.rindex(b"</rdf:Description>\n") + len(b"</rdf:Description>\n")
    assert text[:start] + text[end:] == FOREIGN
    assert not is_own(text)


def test_a_foreign_list_gets_new_faces_and_keeps_its_own() -> None:
    far = AREA.replace('x="0.2"', 'x="0.8"')
    focus = item("Eye", "Focus")
    there = mwg(item("Cy", area=far) + focus + item("Old", area=AREA.replace("0.4", "0.41")))
    text = merged(there, [NamedRegion("Ann", BOX)], *SIZE, 1)
    assert [region.name for region in from_xmp(text, *SIZE, 1)] == ["Cy", "Ann"]
    assert focus.encode() in text
    assert b"Old" not in text
    assert text.count(b"RegionList>") == 2
    again = merged(text, [NamedRegion("Ann", BOX)], *SIZE, 1)
    assert [region.name for region in from_xmp(again, *SIZE, 1)] == ["Cy", "Ann"]
    assert again.count(b"Ann") == text.count(b"Ann") == 3


def test_a_renamed_face_takes_its_old_name_from_the_list_of_names() -> None:
    two = [NamedRegion("Old", BOX), NamedRegion("Cy", Box(300, 60, 80, 40))]
    there = to_xmp(two, *SIZE, 6).replace('xmptk="facefind"', 'xmptk="Other"').encode()
    text = merged(there, [NamedRegion("Ann", BOX)], *SIZE, 6)
    assert b"Old" not in text
    assert text.count(b"Cy") == 3
    assert text.count(b"Ann") == 3
    assert {region.name for region in from_xmp(text, *SIZE, 6)} == {"Ann", "Cy"}


def test_empty_lists_and_strange_prefixes_are_added_to() -> None:
    empty = mwg("").replace(b"<rdf:Bag></rdf:Bag>", b"<rdf:Bag/>")
    assert_one(from_xmp(merged(empty, [NamedRegion("Ann", BOX)], *SIZE, 1), *SIZE, 1))
    other = SPELLINGS["other prefixes"].replace(b"0.2", b"0.9")
    text = merged(other, [NamedRegion("Ben", Box(0, 0, 40, 40))], *SIZE, 1)
    assert {region.name for region in from_xmp(text, *SIZE, 1)} == {"Ann", "Ben"}


def test_utf_16_becomes_utf_8_whatever_its_declaration_says() -> None:
    there = (
        '<?xml version="1.0" encoding="UTF-16"?>'
        + mwg(item("Zoë", area=AREA.replace("0.2", "0.7"))).decode()
    )
    text = merged(there.encode("utf-16"), [NamedRegion("Ann", BOX)], *SIZE, 1)
    assert [region.name for region in from_xmp(text, *SIZE, 1)] == ["Zoë", "Ann"]


@pytest.mark.parametrize(
    "text",
    [
        b"<a/>",
        b"<broken",
        packet("").replace(b"></rdf:RDF>", b"/>"),
        mwg(item()).replace(b"rdf:Bag", b"rdf:Box"),
        mwg(item(), 'stDim:w="100" stDim:h="900"'),
    ],
)
def test_what_cannot_be_added_to_is_refused(text: bytes) -> None:
    with pytest.raises(PhotoError):
        merged(text, [NamedRegion("Ann", BOX)], *SIZE, 1)


# --- Picasa --------------------------------------------------------------------------------------

# Left .1, top .3, right .3, bottom .5 of 65535; the second without its zeros in front.
RECT, EDGE = "199a4ccc4ccd8000", "40008000c000"
INI = f"""\ufeff[Picasa]
name=Party
[Contacts2]
d10a8325c557b085=Ann Äpfel;ann@example.org;
1b2c=Ben;;
ffffffffffffffff=nobody;;
[IMG_1.JPG]
star=yes
faces=rect64({RECT}),d10a8325c557b085;rect64({EDGE}),0000000000001B2C;rect64({RECT}),77
[other.jpg]
faces=rect64({RECT}),1b2c
"""


def test_picasa_names_the_faces_of_the_photo_asked_for() -> None:
    found = from_picasa_ini(INI, "img_1.jpg", *SIZE, 1)
    assert [region.name for region in found] == ["Ann Äpfel", "Ben"]
    assert found[0].box == pytest.approx(Box(40, 60, 80, 40), abs=0.1)
    assert found[1].box == pytest.approx(Box(0, 50, 200, 100), abs=0.1)
    assert from_picasa_ini(INI, "missing.jpg", *SIZE, 1) == []


def test_picasa_means_the_stored_picture_but_of_raw_files_the_upright_one() -> None:
    jpeg = from_picasa_ini(INI, "other.jpg", *SIZE, 6)
    assert jpeg[0].box == pytest.approx(Box(200, 20, 80, 40), abs=0.1)
    raw = from_picasa_ini(INI, "other.jpg", *SIZE, 6, raw=True)
    assert raw[0].box == pytest.approx(Box(40, 60, 80, 40), abs=0.1)


def test_picasa_contacts_name_numbers_that_the_folder_does_not() -> None:
    text = b'<contacts><contact id="77" name="Cy &amp; Co"/><contact id="88"/></contacts>'
    contacts = picasa_contacts(text)
    assert contacts == {"77": "Cy & Co"}
    found = from_picasa_ini(INI, "IMG_1.JPG", *SIZE, 1, contacts=contacts)
    assert [region.name for region in found] == ["Ann Äpfel", "Ben", "Cy & Co"]


@pytest.mark.parametrize(
    "line",
    ["faces=rect64(),1b2c", "faces=rect64(zz),1b2c", "faces=", "faces=rect64(1),1b2c", "=", "["],
)
def test_damaged_picasa_lines_name_nobody(line: str) -> None:
    assert from_picasa_ini(f"[Contacts2]\n1b2c=Ben;;\n[a.jpg]\n{line}\n", "a.jpg", *SIZE, 1) == []
