"""What a photo's EXIF says: when, with which camera, where, and which way up.

Cameras and programs write these fields carelessly: blanks, zeros, NUL bytes, impossible dates.
What makes no sense counts as absent; nothing here fails a photo. Source: CIPA DC-008 (Exif 3.0).
"""

from __future__ import annotations

import logging
import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from PIL import Image

_log = logging.getLogger(__name__)

Tags = Mapping[int, Any]

ORIENTATION = 0x0112
_MAKE, _MODEL = 0x010F, 0x0110
_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825
_DATE_TIME, _OFFSET_TIME, _SUBSEC_TIME = 0x0132, 0x9010, 0x9290
_ORIGINAL, _OFFSET_ORIGINAL, _SUBSEC_ORIGINAL = 0x9003, 0x9011, 0x9291
_DIGITIZED, _OFFSET_DIGITIZED, _SUBSEC_DIGITIZED = 0x9004, 0x9012, 0x9292
_LATITUDE_REF, _LATITUDE, _LONGITUDE_REF, _LONGITUDE = 1, 2, 3, 4

_DATE = re.compile(r"(\d{4})[:\-/.](\d\d)[:\-/.](\d\d)[ T](\d\d):(\d\d):(\d\d)")
_OFFSET = re.compile(r"([+-])(\d{1,2}):?(\d\d)")
_FIRST_PHOTO_YEAR = 1826
_LARGEST_OFFSET = timedelta(hours=14)
_CAMERA_LENGTH = 100

# What Pillow's EXIF reader is known to raise on damaged blocks.
_ERRORS = (
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
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What EXIF says of a photo; see ``PhotoInfo``. ``orientation`` is 1..8, 1 for upright."""

    taken_at: datetime | None = None
    camera: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    orientation: int = 1


def facts_of(exif: Image.Exif) -> Facts:
    """The facts in one EXIF block."""
    return facts(exif, _sub_ifd(exif, _EXIF_IFD), _sub_ifd(exif, _GPS_IFD))


def facts(main: Tags, photo: Tags, gps: Tags) -> Facts:
    """The facts in the three directories of an EXIF block: IFD0, Exif and GPS."""
    latitude, longitude = _place(gps)
    return Facts(
        taken_at=_taken_at(main, photo),
        camera=_camera(main),
        latitude=latitude,
        longitude=longitude,
        orientation=_orientation(main),
    )


def load_block(block: bytes) -> Image.Exif:
    """Parses an EXIF block that starts with a TIFF header; empty where it is damaged."""
    exif = Image.Exif()
    try:
        exif.load(block)
    except _ERRORS as error:
        _log.debug("damaged EXIF ignored: %s", error)
        return Image.Exif()
    return exif


def exif_of(image: Image.Image) -> Image.Exif:
    """The EXIF of a picture that Pillow has open; empty where it is damaged."""
    try:
        # A PNG's own would decode its pixels, in search of an EXIF behind them; see `png`.
        return Image.Image.getexif(image)
    except _ERRORS as error:
        _log.debug("damaged EXIF ignored: %s", error)
        return Image.Exif()


def _sub_ifd(exif: Image.Exif, tag: int) -> Tags:
    try:
        return exif.get_ifd(tag)
    except _ERRORS as error:
        _log.debug("damaged EXIF directory %#x ignored: %s", tag, error)
        return {}


def _value(tags: Tags, tag: int) -> Any:
    # Pillow decodes a value when it is asked for, so a damaged one raises here.
    try:
        return tags.get(tag)
    except _ERRORS as error:
        _log.debug("damaged EXIF tag %#x ignored: %s", tag, error)
        return None


def _text(tags: Tags, tag: int) -> str:
    """A tag's text without NUL bytes, control characters and outer blanks; "" if absent."""
    value = _value(tags, tag)
    if isinstance(value, str):
        # Pillow decodes as Latin-1, but phones write UTF-8.
        value = value.encode("latin-1", "ignore")
    if not isinstance(value, bytes):
        return ""
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        text = value.decode("latin-1")
    return "".join(c for c in text if c.isprintable()).strip()


def _orientation(main: Tags) -> int:
    value = _value(main, ORIENTATION)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _camera(main: Tags) -> str | None:
    """ "Make Model", the make left out where the model repeats it ("Canon Canon EOS R5")."""
    make, model = _text(main, _MAKE), _text(main, _MODEL)
    brand = make.split(" ")[0].lower()
    if brand and model.lower().startswith(brand):
        make = ""
    return f"{make} {model}".strip()[:_CAMERA_LENGTH].strip() or None


def _taken_at(main: Tags, photo: Tags) -> datetime | None:
    candidates = (
        (photo, _ORIGINAL, _SUBSEC_ORIGINAL, _OFFSET_ORIGINAL),
        (photo, _DIGITIZED, _SUBSEC_DIGITIZED, _OFFSET_DIGITIZED),
        (main, _DATE_TIME, _SUBSEC_TIME, _OFFSET_TIME),
    )
    for tags, date, subsec, offset in candidates:
        moment = _moment(_text(tags, date), _text(photo, subsec))
        if moment is not None:
            zone = _zone(_text(photo, offset)) or _zone(_text(photo, _OFFSET_TIME))
            return moment.replace(tzinfo=zone)
    return None


def _moment(text: str, subsec: str) -> datetime | None:
    """A naive camera time; None for what is no date or lies in the future."""
    match = _DATE.match(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups())
    fraction = subsec if subsec.isascii() and subsec.isdigit() else "0"
    micros = int(fraction[:6].ljust(6, "0"))
    try:
        moment = datetime(year, month, day, hour, minute, second, micros)
    except ValueError:
        return None
    # A camera may be a time zone ahead of this machine, and its clock a little fast.
    latest = datetime.now() + timedelta(days=2)
    return moment if moment.year >= _FIRST_PHOTO_YEAR and moment <= latest else None


def _zone(text: str) -> timezone | None:
    if text == "Z":
        return timezone.utc
    match = _OFFSET.fullmatch(text)
    if match is None or int(match[3]) > 59:
        return None
    offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
    if offset > _LARGEST_OFFSET:
        return None
    return timezone(-offset if match[1] == "-" else offset)


def _place(gps: Tags) -> tuple[float, float] | tuple[None, None]:
    latitude = _degrees(gps, _LATITUDE, _LATITUDE_REF, "NS", 90)
    longitude = _degrees(gps, _LONGITUDE, _LONGITUDE_REF, "EW", 180)
    if latitude is None or longitude is None:
        return None, None
    # Receivers without a fix write zeros; nobody photographs events at 0 N 0 E.
    if latitude == 0 and longitude == 0:
        return None, None
    return latitude, longitude


def _degrees(gps: Tags, tag: int, ref_tag: int, refs: str, limit: int) -> float | None:
    """Signed degrees; None where the sign is unsaid or a part is impossible."""
    ref = _text(gps, ref_tag)[:1].upper()
    value = _value(gps, tag)
    if not ref or ref not in refs or not isinstance(value, tuple) or len(value) != 3:
        return None
    try:
        degrees, minutes, seconds = (float(part) for part in value)
    except (TypeError, ValueError, ArithmeticError):
        return None
    total = degrees + minutes / 60 + seconds / 3600
    if not math.isfinite(total) or min(degrees, minutes, seconds) < 0 or total > limit:
        return None
    return -total if ref == refs[1] else total
