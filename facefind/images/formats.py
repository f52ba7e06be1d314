"""Recognises picture formats by their first bytes."""

from __future__ import annotations

import re
from pathlib import PurePath

HEAD_BYTES = 64
"""How much of a file ``sniff`` looks at."""

RAW = "RAW"

_MAGIC = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"8BPS\x00\x01", "PSD"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG2000"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
    # Camera raw files that say so themselves; the others are TIFF outside (see raw.py).
    (b"FUJIFILMCCD-RAW", RAW),
    (b"IIRO", RAW),
    (b"IIRS", RAW),
    (b"MMOR", RAW),
    (b"IIU\x00", RAW),
    (b"FOVb", RAW),
    (b"\x00MRM", RAW),
)

# Two letters or a few zero bytes alone would also match texts and other files.
_PATTERNS = (
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "WEBP"),
    (re.compile(rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\x00\x00\x00", re.DOTALL), "BMP"),
    (re.compile(rb"P[456]\s+[\d#]"), "PPM"),
    (re.compile(rb"\x00\x00\x01\x00[\x01-\xff]\x00..\x00?", re.DOTALL), "ICO"),
)

_HEIF_BRANDS = frozenset(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
)
_AVIF_BRANDS = frozenset((b"avif", b"avis"))

_PICTURE_NAME = re.compile(
    r".+\.("
    "jpg|jpeg|jpe|jfif|mpo|png|apng|webp|gif|tif|tiff|bmp|dib|heic|heics|"
    "heif|heifs|hif|avif|avifs|jp2|j2k|jpf|jpx|jxl|psd|ppm|pgm|pbm|pnm|tga|"
    "ico|"
    "3fr|arw|cr2|cr3|crw|dcr|dng|erf|iiq|kdc|mef|mos|mrw|nef|nrw|orf|pef|"
    "raf|raw|rw2|rwl|sr2|srf|srw|x3f"
    r")",
    re.IGNORECASE | re.DOTALL,
)


def sniff(head: bytes) -> str | None:
    """The format that a file's first bytes announce: Pillow's name for it, or "RAW".

    Args:
        head: At least the first ``HEAD_BYTES`` bytes, or all of a shorter file.

    Returns:
        None where no known format begins like this. TIFF may still hold a camera's raw data.
        TGA announces itself by nothing: see ``may_be_tga``.
    """
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    for pattern, name in _PATTERNS:
        if pattern.match(head):
            return name
    return _iso_media(head)


def _iso_media(head: bytes) -> str | None:
    """HEIF, AVIF or Canon's CR3, by the brands of an ISO media file; None for films."""
    if head[4:8] != b"ftyp":
        return None
    end = min(int.from_bytes(head[:4], "big"), HEAD_BYTES)
    major, others = head[8:12], {head[i : i + 4] for i in range(16, end, 4)}
    if major == b"crx ":
        return RAW
    if major in _AVIF_BRANDS or (major in _HEIF_BRANDS and others & _AVIF_BRANDS):
        return "AVIF"
    return "HEIF" if major in _HEIF_BRANDS else None


def may_be_tga(head: bytes) -> bool:
    """Whether the 18 bytes of a TGA header make sense; it has no magic number to tell."""
    if len(head) < 18:
        return False
    colour_map, kind, depth = head[1], head[2], head[16]
    has_pixels = any(head[12:14]) and any(head[14:16])
    known = colour_map in (0, 1) and kind in (1, 2, 3, 9, 10, 11) and depth in (8, 15, 16, 24, 32)
    return known and has_pixels


def has_picture_name(path: PurePath | str) -> bool:
    """Whether the file's extension promises a picture, in whatever spelling."""
    return _PICTURE_NAME.fullmatch(PurePath(path).name) is not None
