"""What a picture file says beside its pixels: the XMP packets in it, and which way it is stored.

Sources: Adobe's XMP specification part 3 (where each format keeps XMP), the PNG specification
(iTXt and eXIf, which may follow the pixels).
"""

from __future__ import annotations

import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from pathlib import Path

from PIL import Image

from facefind.errors import OutOfMemory, PhotoError, PhotoTooLarge, UnreadablePhoto
from facefind.images import exif, formats, jpeg, png, raw
from facefind.images.files import plain_reason, read_file

_HEAD_BYTES = 1024**2
_XMP_TAG = 700
_MAX_PACKETS = 16
_MAX_PACKET = 64 * 1024**2

_EXTENSION = b"http://ns.adobe.com/xmp/extension/\x00"
_GUID, _EXTENSION_HEAD = 32, 40
_PNG_XMP = b"XML:com.adobe.xmp\x00"
# Part 3 marks packets so that they can be found in formats that one does not know.
_PACKET = re.compile(rb"<x:xmpmeta[\s>].*?</x:xmpmeta>", re.DOTALL)

# What Pillow and its plugins are known to raise on damaged headers.
_HEADER_ERRORS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a file says of its picture.

    Attributes:
        format: As in ``PhotoInfo``.
        size: Width and height of the upright picture; None for camera raw files, whose size
            depends on the program that develops them.
        orientation: 1..8, how the stored picture must be turned to be upright; see EXIF.
        packets: The XMP packets; most files have one or none.
    """

    format: str
    size: tuple[int, int] | None
    orientation: int
    packets: tuple[bytes, ...]


def read_metadata(data: bytes) -> Metadata:
    """Reads a picture file's metadata without decoding its pixels.

    Raises:
        UnreadablePhoto: No picture, or one with a damaged header. The message is the reason alone.
        PhotoTooLarge: It claims a size that Pillow refuses.
        OutOfMemory: There was not enough for its metadata.
    """
    head = data[: formats.HEAD_BYTES]
    name = formats.sniff(head) or ("TGA" if formats.may_be_tga(head) else None)
    if name is None:
        raise UnreadablePhoto("not a picture in a format that facefind reads")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if name == formats.RAW or (name == "TIFF" and raw.is_raw(data)):
                return _of_raw(data)
            return _of_picture(name, data)
    except Image.DecompressionBombError as error:
        raise PhotoTooLarge(f"the {name} picture claims to be endlessly large") from error
    except MemoryError as error:
        raise OutOfMemory(f"not enough memory to read the {name} picture") from error
    except _HEADER_ERRORS as error:
        raise UnreadablePhoto(f"the {name} picture is damaged") from error


def metadata_of(path: Path) -> Metadata:
    """The metadata of a picture file, of which no more is read than is needed.

    Raises:
        PhotoError: As `read_file` and `read_metadata`.
    """
    head = _head(path)
    if jpeg.read_frame(head) is not None:
        # All of a JPEG's metadata come before its pixels.
        with suppress(PhotoError):
            return read_metadata(head)
    return read_metadata(read_file(path).data)


def _head(path: Path) -> bytes:
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES)
    except OSError as error:
        raise UnreadablePhoto(plain_reason(error)) from error


def _of_picture(name: str, data: bytes) -> Metadata:
    image = _open(name, data)
    if name == "PNG":
        # Pillow would decode the pixels to find what follows them.
        texts = _png_texts(data)
        image.info["exif"] = texts.get(b"eXIf", b"")
        image.info["xmp"] = texts.get(b"iTXt", b"")
    orientation = exif.facts_of(exif.exif_of(image)).orientation
    width, height = image.size
    if name == "HEIF":
        # pillow-heif gives the upright size, and keeps what it took out of the EXIF.
        orientation = image.info.get("original_orientation") or 1
    elif name != "TIFF" and orientation >= 5:
        width, height = height, width
    packet = image.info.get("xmp") or b""
    main = packet.encode("utf-8") if isinstance(packet, str) else bytes(packet)
    extensions = _jpeg_extensions(getattr(image, "applist", ()))
    return Metadata(name, (width, height), orientation, _present(main, *extensions))


def _open(name: str, data: bytes) -> Image.Image:
    """A picture with its header read, by the very plugin that decoding uses."""
    if name == "HEIF":
        from pillow_heif import HeifImageFile

        heif: Image.Image = HeifImageFile(BytesIO(data))  # type: ignore[no-untyped-call,unused-ignore]
        return heif
    if name not in Image.OPEN:
        # Decoding loads plugins one by one.
        Image.init()
    return Image.OPEN[name][0](BytesIO(data), "")


def _present(*packets: bytes) -> tuple[bytes, ...]:
    return tuple(packet for packet in packets if packet.strip(b"\x00 \t\r\n"))


def _jpeg_extensions(segments: object) -> Iterator[bytes]:
    """The packets that were too long for one segment of a JPEG, put together again.

    Each piece has the whole's digest, length, and its own place in it.
    """
    if not isinstance(segments, list):
        return
    wholes: dict[bytes, bytearray] = {}
    for marker, body in segments:
        if marker != "APP1" or not body.startswith(_EXTENSION):
            continue
        body = body[len(_EXTENSION) :]
        length, offset = struct.unpack(">II", body[_GUID:_EXTENSION_HEAD])
        piece = body[_EXTENSION_HEAD:]
        if length <= _MAX_PACKET and offset + len(piece) <= length:
            whole = wholes.setdefault(body[:_GUID], bytearray(length))
            whole[offset : offset + len(piece)] = piece
    yield from map(bytes, wholes.values())


def _png_texts(data: bytes) -> dict[bytes, bytes]:
    """The EXIF block, and the text of the XMP packet, wherever in the file they are."""
    found: dict[bytes, bytes] = {}
    for kind, start, end in png.chunks(data):
        if kind == b"eXIf":
            found[kind] = data[start + 8 : end]
        elif kind == b"iTXt" and data.startswith(_PNG_XMP, start + 8):
            found[kind] = _international_text(data[start + 8 + len(_PNG_XMP) : end])
    return found


def _international_text(body: bytes) -> bytes:
    """The text of an iTXt chunk after its keyword: flag, method, language, translation, text."""
    compressed, (_, _, text) = body[:1] == b"\x01", body[2:].split(b"\x00", 2)
    if not compressed:
        return text
    return zlib.decompressobj().decompress(text, _MAX_PACKET)


def _of_raw(data: bytes) -> Metadata:
    facts = raw.facts(data)
    if facts is None:
        facts = exif.facts_of(exif.exif_of(_open("JPEG", raw.preview(data))))
    packet = exif.load_block(data).get(_XMP_TAG) if data[:2] in (b"II", b"MM") else None
    if isinstance(packet, (bytes, bytearray)):
        packets = [bytes(packet)]
    else:
        packets = [match.group() for match in islice(_PACKET.finditer(data), _MAX_PACKETS)]
    return Metadata(formats.RAW, None, facts.orientation, _present(*packets))
