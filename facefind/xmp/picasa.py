"""Reads face names from Picasa's ``.picasa.ini`` and ``contacts.xml``."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache

from facefind.xmp import packet
from facefind.xmp.frames import Area, Frame, NamedRegion, clean_name, from_corner, upright
from facefind.xmp.reading import IGNORED

_SECTION = re.compile(r"\s*\[(.+)\]\s*")
_FACE = re.compile(r"rect64\(([0-9a-f]{1,16})\),([0-9a-f]{1,16})", re.IGNORECASE)
_CONTACT = re.compile(r"([0-9a-f]{1,16})=(.*)", re.IGNORECASE)
_RECT64 = 0xFFFF


def from_picasa_ini(
    text: str,
    filename: str,
    width: float,
    height: float,
    orientation: int,
    *,
    raw: bool = False,
    contacts: Mapping[str, str] | None = None,
) -> list[NamedRegion]:
    """The named faces of one photo in a folder's ``.picasa.ini``.

    Args:
        text: The file.
        filename: The photo's, without its folder; case and Unicode spelling do not matter.
        width, height, orientation: As for `from_xmp`.
        raw: Whether it is a camera raw file; Picasa's rectangles are then upright.
        contacts: Names by Picasa's numbers, for numbers that the file itself does not name:
            versions before 3.9 keep names in a file of their own; see `picasa_contacts`.
    """
    frame = Frame(width, height, orientation)
    sections = _sections(text)
    names = {_hex(key): name for key, name in (contacts or {}).items()}
    names.update(_ini_contacts(sections.get("contacts2", [])))
    found = []
    for line in sections.get(_file_key(filename), []):
        if not line.casefold().startswith("faces="):
            continue
        for rectangle, person in _FACE.findall(line):
            name, area = names.get(_hex(person), ""), _rect64(rectangle)
            if name and area is not None:
                found.append(NamedRegion(name, upright(area, frame, 1 if raw else orientation)))
    return found


def picasa_contacts(text: bytes) -> dict[str, str]:
    """Names by number from Picasa's ``contacts.xml``.

    Raises:
        PhotoError: As `packet.parse`.
    """
    contacts = packet.parse(text).root.find_all("contact")
    facts = [contact.attributes for contact in contacts]
    return {fact["id"]: clean_name(fact["name"]) for fact in facts if {"id", "name"} <= fact.keys()}


@lru_cache(maxsize=2)
def _sections(text: str) -> dict[str, list[str]]:
    sections: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.lstrip("\ufeff").splitlines():
        heading = _SECTION.fullmatch(line)
        if heading:
            lines = sections.setdefault(_file_key(heading[1]), [])
        else:
            lines.append(line.strip())
    return sections


def _ini_contacts(lines: Sequence[str]) -> dict[str, str]:
    """``number=name;mail;`` lines."""
    found = {}
    for match in filter(None, map(_CONTACT.fullmatch, lines)):
        name = clean_name(match[2].split(";")[0])
        if name:
            found[_hex(match[1])] = name
    found.pop(IGNORED, None)
    return found


def _file_key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _hex(number: str) -> str:
    """A number as Picasa means it: it leaves out zeros in front."""
    return number.casefold().rjust(16, "0")


def _rect64(digits: str) -> Area | None:
    value = int(digits, 16)
    left, top, right, bottom = ((value >> shift & _RECT64) / _RECT64 for shift in (48, 32, 16, 0))
    return from_corner(left, top, right - left, bottom - top)
