"""Face regions as photo programs exchange them, in XMP and in ``.picasa.ini``.

Three spellings of "this person is at this place" are in use, and digiKam writes the first two side
by side:

- ``mwg-rs:Regions``, of the Metadata Working Group's Guidelines for Handling Image Metadata 2.0
  (2010), 5.9: a centre and a size, as fractions of the picture's width and height. Written by
  Lightroom, digiKam and Picasa.
- ``MP:RegionInfo``, of Windows Live Photo Gallery: "left, top, width, height", as fractions.
- ``faces=rect64(...)`` in a folder's ``.picasa.ini``: left, top, right and bottom, as fractions of
  16 bits. Never documented; read as exiftool's ``picasa_faces.config`` reads it.

All of them refer to the picture *as it is stored*, before the EXIF orientation is applied
(Guidelines 5.9: "Region metadata is applied to the stored image"); digiKam, Immich and PiGallery2
read them so. There are two exceptions. ``mwg-rs:AppliedToDimensions`` gives the size of the picture
that was meant: where that stands upright although the stored one lies on its side, the program
wrote upright coordinates. And Picasa's rectangles of camera raw files are upright.

Nothing here reads or writes files.
"""

from __future__ import annotations

from facefind.xmp.frames import Frame, NamedRegion, agreement, clean_name, same_place
from facefind.xmp.picasa import from_picasa_ini, picasa_contacts
from facefind.xmp.reading import from_xmp
from facefind.xmp.writing import TOOLKIT, is_own, merged, to_xmp

__all__ = [
    "TOOLKIT",
    "Frame",
    "NamedRegion",
    "agreement",
    "clean_name",
    "from_picasa_ini",
    "from_xmp",
    "is_own",
    "merged",
    "picasa_contacts",
    "same_place",
    "to_xmp",
]
