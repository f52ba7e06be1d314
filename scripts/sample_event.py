"""Builds a small sample event from two public-domain portraits; see `scripts.pip_photos`.

The photos show each face at several sizes, turned, darker, both together, and nobody.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from scripts.pip_photos import REPO, SampleError, pip_photos

__all__ = ["COLLINS", "HOPPER", "SampleError", "build_sample_event", "pip_photos", "truth"]

PORTRAITS = REPO / ".cache" / "portraits"

COLLINS = "Eileen Collins"
HOPPER = "Grace Hopper"
START = datetime(2024, 5, 17, 19, 30, tzinfo=timezone(timedelta(hours=2)))
BETWEEN_SHOTS = timedelta(hours=2, minutes=7)

EXIF_ORIENTATION = 0x0112
EXIF_MAKE, EXIF_MODEL = 0x010F, 0x0110
EXIF_IFD = 0x8769
EXIF_TAKEN, EXIF_TAKEN_OFFSET = 0x9003, 0x9011
LIGHT = (255, 226, 180)

TURNED_RIGHT = 6
"""The EXIF orientation of a phone held upright: shown, the picture is turned clockwise."""

Point = tuple[int, int]
Colour = tuple[int, int, int]
Region = tuple[int, int, int, int]


class Figure(NamedTuple):
    """A person in a source portrait: the outline, and how wide the face is, in its pixels."""

    outline: tuple[Point, ...]
    face_width: int


# fmt: off
FIGURES = {
    COLLINS: Figure((
        (201, 23), (185, 38), (163, 51), (154, 62), (153, 85), (157, 104), (170, 116), (177, 134),
        (180, 148), (153, 151), (131, 167), (121, 183), (116, 199), (103, 215), (67, 244),
        (46, 278), (39, 306), (30, 331), (24, 379), (20, 400), (25, 478), (29, 512), (512, 512),
        (510, 483), (498, 455), (492, 425), (478, 393), (455, 366), (430, 351), (400, 345),
        (378, 347), (362, 352), (359, 325), (354, 292), (340, 262), (305, 238), (302, 219),
        (289, 200), (256, 177), (262, 150), (268, 134), (275, 133), (296, 107), (300, 92),
        (298, 70), (291, 50), (275, 30), (251, 19), (227, 16),
    ), 100),
    HOPPER: Figure((
        (218, 31), (213, 43), (197, 48), (181, 62), (175, 78), (157, 92), (150, 105), (148, 140),
        (152, 178), (158, 190), (156, 215), (163, 245), (166, 268), (178, 288), (192, 296),
        (197, 319), (165, 340), (121, 360), (80, 370), (58, 382), (42, 402), (34, 430), (24, 490),
        (12, 600), (512, 600), (512, 445), (493, 393), (464, 377), (422, 366), (365, 342),
        (334, 318), (337, 303), (350, 296), (360, 280), (361, 262), (370, 225), (374, 205),
        (372, 190), (367, 178), (371, 134), (369, 103), (355, 86), (348, 71), (335, 56), (313, 44),
        (299, 40), (281, 28), (249, 24), (237, 26),
    ), 190),
}
# fmt: on
AVATARS: dict[str, Region] = {COLLINS: (120, 5, 330, 215), HOPPER: (90, 10, 450, 370)}
SHUTTLE: Region = (352, 0, 476, 290)
FLAG: Region = (0, 0, 105, 140)


@dataclass(frozen=True)
class Placement:
    """One person in a photo.

    Attributes:
        person: A key of `FIGURES`.
        x: Where the middle of the figure goes, as a fraction of the photo's width.
        face: Width of the face, in pixels of the photo.
        turn: Degrees anticlockwise.
        light: 1 leaves the figure as bright as it is, less is darker.
    """

    person: str
    x: float
    face: int
    turn: float = 0.0
    light: float = 1.0


@dataclass(frozen=True)
class Shot:
    """One photo of the event: people behind a table, in a room with lights out of focus.

    Attributes:
        name: File name; its ending decides the format.
        size: Width and height.
        top, bottom: Colours of the wall behind.
        table: Where the table's edge is, as a fraction of the height.
        people: From back to front.
        excerpt: A part of the Collins portrait without a person, shown large instead.
        turned: Stored lying, with the EXIF orientation that puts it upright, as phones do.
    """

    name: str
    size: tuple[int, int]
    top: Colour = (0, 0, 0)
    bottom: Colour = (0, 0, 0)
    table: float = 0.9
    people: tuple[Placement, ...] = ()
    excerpt: Region | None = None
    turned: bool = False


# fmt: off
SHOTS = (
    Shot("IMG_0101.jpg", (1600, 1067), (84, 74, 104), (30, 26, 40), 0.93,
         (Placement(COLLINS, 0.42, 160),)),
    Shot("IMG_0102.jpg", (1600, 1067), (150, 120, 90), (60, 40, 30), 0.95,
         (Placement(HOPPER, 0.60, 235),)),
    Shot("IMG_0103.jpg", (1800, 1200), (90, 110, 130), (30, 34, 44), 0.86,
         (Placement(COLLINS, 0.31, 140, 4), Placement(HOPPER, 0.72, 175, -5))),
    Shot("IMG_0104.webp", (1280, 960), (190, 190, 180), (90, 84, 80), 0.90,
         (Placement(COLLINS, 0.62, 110, 14),)),
    Shot("IMG_0105.png", (1024, 768), (60, 90, 80), (18, 30, 28), 0.92,
         (Placement(HOPPER, 0.40, 150, -13),)),
    Shot("IMG_0106.jpg", (1600, 1067), (30, 26, 34), (8, 7, 10), 0.90,
         (Placement(COLLINS, 0.56, 150, -8, 0.45),)),
    Shot("IMG_0107.jpg", (1600, 1067), (36, 30, 22), (10, 8, 6), 0.92,
         (Placement(HOPPER, 0.45, 190, 7, 0.4),)),
    Shot("IMG_0108.jpg", (2400, 1600), (120, 140, 160), (60, 66, 70), 0.64,
         (Placement(HOPPER, 0.28, 92, 3), Placement(COLLINS, 0.70, 76, -10))),
    Shot("IMG_0109.jpg", (1200, 1600), (170, 130, 120), (70, 44, 40), 0.88,
         (Placement(COLLINS, 0.53, 190, 10),), turned=True),
    Shot("IMG_0110.jpg", (1600, 1067), (200, 120, 80), (60, 40, 90), 0.80),
    Shot("IMG_0111.jpg", (1200, 1600), excerpt=SHUTTLE),
    Shot("IMG_0112.png", (750, 1000), excerpt=FLAG),
)
# fmt: on


def build_sample_event(folder: Path) -> None:
    """Writes ``photos/``, ``portraits/`` and ``truth.json`` into ``folder``, made if missing.

    What is there of an earlier run is written again; it comes out the same.

    Raises:
        SampleError: The two source portraits cannot be fetched.
    """
    collins, hopper = pip_photos(PORTRAITS)
    portraits = {COLLINS: _open_rgb(collins), HOPPER: _open_rgb(hopper)}
    photos = folder / "photos"
    photos.mkdir(parents=True, exist_ok=True)
    for number, shot in enumerate(SHOTS):
        _save(_take(shot, portraits, seed=number), photos / shot.name, number, shot.turned)
    _write_avatars(folder / "portraits", portraits)
    (folder / "truth.json").write_text(json.dumps(truth(), indent=2) + "\n", encoding="utf-8")


def truth() -> dict[str, object]:
    """What ``truth.json`` holds: ``{"people": {name: [photo]}, "photos_without_people": [photo]}``.

    Photos go by their file names.
    """
    shown = {
        person: [shot.name for shot in SHOTS if person in {p.person for p in shot.people}]
        for person in FIGURES
    }
    return {
        "people": shown,
        "photos_without_people": [shot.name for shot in SHOTS if not shot.people],
    }


def _open_rgb(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        rgb: Image.Image = picture.convert("RGB")
        return rgb


def _write_avatars(folder: Path, portraits: dict[str, Image.Image]) -> None:
    folder.mkdir(exist_ok=True)
    for person, region in AVATARS.items():
        avatar = portraits[person].crop(region).resize((400, 400), Image.Resampling.LANCZOS)
        avatar.save(folder / f"{person}.jpg", quality=88)


def _take(shot: Shot, portraits: dict[str, Image.Image], seed: int) -> Image.Image:
    if shot.excerpt:
        detail = portraits[COLLINS].crop(shot.excerpt)
        return detail.resize(shot.size, Image.Resampling.BICUBIC)
    random = np.random.default_rng(seed)
    photo = _wall(shot, random)
    edge = round(shot.table * shot.size[1])
    for placement in shot.people:
        source = portraits[placement.person]
        figure, scale = _figure(source, placement), _scale(placement)
        # Both lower corners below the table's edge, or a turned figure would show a gap there.
        standing = 0.96 * scale * source.height * math.cos(math.radians(placement.turn))
        left = round(placement.x * photo.width) - figure.width // 2
        photo.paste(figure, (left, edge - round(standing)), figure)
    _lay_table(photo, edge, shot.bottom)
    return _with_grain(photo, random)


def _wall(shot: Shot, random: np.random.Generator) -> Image.Image:
    width, height = shot.size
    fall = np.linspace(0, 1, height)[:, np.newaxis, np.newaxis]
    gradient = np.array(shot.top) * (1 - fall) + np.array(shot.bottom) * fall
    wall = Image.fromarray(np.broadcast_to(gradient, (height, width, 3)).astype(np.uint8))
    lights = Image.new("L", shot.size, 0)
    draw = ImageDraw.Draw(lights)
    for x, y, r, level in random.uniform((0, 0, 0.01, 20), (1, 0.6, 0.035, 110), (30, 4)):
        centre, radius = (x * width, y * height), r * width
        corners = [c + sign * radius for sign in (-1, 1) for c in centre]
        draw.ellipse(corners, fill=round(level))
    lights = lights.filter(ImageFilter.GaussianBlur(width / 250))
    wall.paste(LIGHT, mask=lights)
    return wall


def _figure(portrait: Image.Image, placement: Placement) -> Image.Image:
    """The person cut out, RGBA, scaled, turned and darkened."""
    person = FIGURES[placement.person]
    mask = Image.new("L", portrait.size, 0)
    ImageDraw.Draw(mask).polygon(person.outline, fill=255)
    cut = ImageEnhance.Brightness(portrait).enhance(placement.light)
    cut.putalpha(mask.filter(ImageFilter.GaussianBlur(1)))
    scale = _scale(placement)
    size = (round(cut.width * scale), round(cut.height * scale))
    scaled = cut.resize(size, Image.Resampling.LANCZOS)
    return scaled.rotate(placement.turn, Image.Resampling.BICUBIC, expand=True)


def _scale(placement: Placement) -> float:
    return placement.face / FIGURES[placement.person].face_width


def _lay_table(photo: Image.Image, edge: int, colour: Colour) -> None:
    cloth = tuple(round(0.6 * level + 12) for level in colour)
    rim = tuple(round(1.5 * level + 30) for level in colour)
    draw = ImageDraw.Draw(photo)
    draw.rectangle((0, edge, photo.width, photo.height), fill=cloth)
    draw.rectangle((0, edge, photo.width, edge + photo.height // 120), fill=rim)


def _with_grain(photo: Image.Image, random: np.random.Generator) -> Image.Image:
    grain = random.normal(0, 2.5, (photo.height, photo.width, 1))
    return Image.fromarray(np.clip(np.asarray(photo) + grain, 0, 255).astype(np.uint8))


def _save(photo: Image.Image, path: Path, number: int, turned: bool) -> None:
    exif = Image.Exif()
    exif[EXIF_MAKE], exif[EXIF_MODEL] = "facefind", "sample event"
    taken = START + number * BETWEEN_SHOTS
    exif.get_ifd(EXIF_IFD).update(
        {
            EXIF_TAKEN: taken.strftime("%Y:%m:%d %H:%M:%S"),
            EXIF_TAKEN_OFFSET: f"{taken:%z}"[:3] + ":" + f"{taken:%z}"[3:],
        }
    )
    if turned:
        exif[EXIF_ORIENTATION] = TURNED_RIGHT
        photo = photo.transpose(Image.Transpose.ROTATE_90)
    photo.save(path, exif=exif, quality=90)
