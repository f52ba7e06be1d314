"""Picture files: finding them, reading them, and turning their bytes into upright RGB pixels."""

from __future__ import annotations

from facefind.images.decode import decode
from facefind.images.discover import ALBUMS_RECORD, discover, discover_apart
from facefind.images.draw import draw_faces
from facefind.images.files import FileContent, read_file, stamp
from facefind.images.loading import one_thread_each
from facefind.images.metadata import Metadata, metadata_of, read_metadata
from facefind.images.opened import OpenedPhoto
from facefind.images.photo import read_for_pictures, read_photo
from facefind.images.save import save_jpeg
from facefind.images.sheet import DrawnPair, Tile, draw_grid, draw_pairs
from facefind.images.thumbnail import face_cover, face_square, thumbnail

__all__ = [
    "ALBUMS_RECORD",
    "DrawnPair",
    "FileContent",
    "Metadata",
    "OpenedPhoto",
    "Tile",
    "decode",
    "discover",
    "discover_apart",
    "draw_faces",
    "draw_grid",
    "draw_pairs",
    "face_cover",
    "face_square",
    "metadata_of",
    "one_thread_each",
    "read_file",
    "read_for_pictures",
    "read_metadata",
    "read_photo",
    "save_jpeg",
    "stamp",
    "thumbnail",
]
