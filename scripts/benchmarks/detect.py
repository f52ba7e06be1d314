"""CPU time of the detector alone on decoded pixels, beside HOG and the Haar cascade.

The detector gets a photo at the scale that it asks for, HOG (one upsampling) and the cascade
(1.05, two neighbours, 100 pixels) all pixels, as they are published. One thread each; decoding is
left out.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.benchmarks import figures as arithmetic
from scripts.benchmarks import peers, photos
from scripts.benchmarks.figures import shown, spread, table
from scripts.benchmarks.running import measured

TITLE = "Detection"

FACES = (0, 1, 5, 20)
MAIN = 5
HOG_PHOTOS = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument("--photos", type=int, default=8, help="of each kind; default: 8")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds a photo."""
    quick = arguments.quick
    kinds = []
    for faces in (MAIN,) if quick else FACES:
        paths = photos.photos(faces, 3 if quick else arguments.photos)
        names = list(map(str, paths))
        own = measured("detect", "own", 1, photos=names, name="dlib")
        haar = measured("detect", "own", 1, photos=names[: 1 if quick else 3], name="clip")
        kind: dict[str, Any] = {
            "faces": faces,
            "own": spread(own["each"]),
            "haar": spread(haar["each"]),
        }
        kind |= {"found": own["found"], "network_megapixels": own["network_megapixels"]}
        if not quick:
            hog = peers.run(peers.FACE_RECOGNITION, paths[:HOG_PHOTOS], 1)["photos"]
            kind["hog"] = spread([1000 * photo["detect"] for photo in hog])
        kinds.append(kind)
    (main,) = (kind for kind in kinds if kind["faces"] == MAIN)
    ratios = {
        f"{name}_over_own": main[name]["median"] / main["own"]["median"]
        for name in ("haar", "hog")
        if name in main
    }
    return {"kinds": kinds, "ratios": ratios}


def own(photos: Sequence[str], name: str) -> dict[str, Any]:
    """Milliseconds of CPU for each photo but a first one, which loads the networks."""
    import cv2

    from facefind.images import OpenedPhoto
    from scripts.benchmarks.alone import detector

    cv2.setNumThreads(1)
    finder, shown_ = detector(name)
    each, found = [], 0
    for photo in (photos[0], *photos):
        opened = OpenedPhoto(Path(photo).read_bytes())
        picture = opened.at(finder.scale_for(*opened.size))
        shown_.clear()
        start = time.process_time()
        faces = finder.detect(picture, picture.shape[1] / opened.size[0])
        each.append(1000 * (time.process_time() - start))
        found += len(faces)
    pixels = sum(network.pixels for network in shown_.values())
    return {
        "seconds": sum(each) / 1000,
        "each": each[1:],
        "found": found / len(each),
        "network_megapixels": pixels / 1e6,
    }


def over_limits(figures: dict[str, Any]) -> list[str]:
    """Ratios beyond their limits."""
    return arithmetic.over_limits("detect", figures)


def render(figures: dict[str, Any]) -> str:
    """A row for each kind of photo."""
    head = ["faces a photo", "found", "megapixels shown to the network", "facefind, ms"]
    head += ["Haar cascade, ms", "HOG, ms"]
    rows = [
        [
            kind["faces"],
            f"{kind['found']:.1f}",
            f"{kind['network_megapixels']:.2f}",
            *(shown(kind[name], 0) if name in kind else "" for name in ("own", "haar", "hog")),
        ]
        for kind in figures["kinds"]
    ]
    return table(head, rows)
