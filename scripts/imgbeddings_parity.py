"""Compares facefind's clip embedder with imgbeddings 0.1.0, the article's own package.

The published network cannot be fetched everywhere, so both run a stand-in of the same signature
with random weights that reacts to every input value: what is compared is all that happens before
the network. imgbeddings' class runs unmodified; in the working directory it finds a folder named
``openai/clip-vit-base-patch32`` with the processor's published settings, and a tokenizer of four
words that no picture needs.

Exit code 0 when the largest difference is at most `TOLERANCE`, else 1.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facefind.inference.embedders.clip import ClipEmbedder, grey_crops, pixel_values
from facefind.inference.protocols import Pictured
from facefind.inference.session import Session
from facefind.types import Box, Detection
from scripts.peers.clip_standin import write_processor

TOLERANCE = 1e-4
DIMENSION = 768
PATCH = 32
GRID = 7


class Case(NamedTuple):
    """A picture as the article hands it to imgbeddings, and the chip that facefind embeds."""

    name: str
    picture: Image.Image
    chip: NDArray[np.uint8]


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        network = folder / "stand_in.onnx"
        network.write_bytes(_stand_in())
        write_processor(folder)
        os.chdir(folder)
        theirs = _imgbeddings(network)
        ours = Session(network)
        reaction = _least_reaction(ours)
        differences = [_compare(case, theirs, ClipEmbedder(ours)) for case in _cases()]
        os.chdir("/")
    worst = max(differences)
    print(f"{len(differences)} pictures, largest difference {worst:.3g}, allowed {TOLERANCE:g}")
    print(f"(one input value one level brighter makes at least {reaction:.3g})")
    return 0 if worst <= TOLERANCE < reaction else 1


def _compare(case: Case, theirs: Any, ours: ClipEmbedder) -> float:
    """The largest difference between the two embeddings of one picture, printed."""
    expected = theirs.to_embeddings(case.picture)
    inputs = theirs.process_inputs([case.picture])["pixel_values"][0]
    before = float(np.abs(pixel_values(case.chip) - inputs).max())
    embedded = ours.embed([case.chip]).vectors
    if expected.shape != (1, DIMENSION) or embedded.shape != expected.shape:
        raise SystemExit(f"{case.name}: shapes {expected.shape} and {embedded.shape}")
    difference = float(np.abs(embedded - expected).max())
    size = "x".join(map(str, case.picture.size))
    print(
        f"{case.name:22} {case.picture.mode:5} {size:>9}  network's input differs by {before:.3g},"
        f" embedding of size {np.abs(expected).max():.1f} by {difference:.3g}"
    )
    return difference


def _imgbeddings(network: Path) -> Any:
    os.environ["HF_HUB_OFFLINE"] = "1"
    # Newer onnxruntimes keep and send usage data unless told not to before they load.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    return importlib.import_module("imgbeddings").imgbeddings(model_path=str(network))


def _stand_in() -> bytes:
    """A network of imgbeddings' signature: patches, a bend, and weights for every place."""
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(7)
    patches = random.normal(0, 1 / 55, (DIMENSION, 3, PATCH, PATCH)).astype(np.float32)
    places = random.normal(0, 1, (1, DIMENSION, GRID, GRID)).astype(np.float32)
    axes = np.array((2, 3), np.int64)
    nodes = [
        helper.make_node("Conv", ["pixel_values", "patches"], ["seen"], strides=[PATCH, PATCH]),
        helper.make_node("Tanh", ["seen"], ["bent"]),
        helper.make_node("Mul", ["bent", "places"], ["weighed"]),
        helper.make_node("ReduceSum", ["weighed", "axes"], ["embeddings"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "stand-in",
        [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["N", 3, 224, 224])],
        [helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["N", DIMENSION])],
        [
            numpy_helper.from_array(array, name)
            for name, array in (("patches", patches), ("places", places), ("axes", axes))
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    data: bytes = model.SerializeToString()
    return data


def _least_reaction(network: Session) -> float:
    """How far the embedding moves, at least, when one input value is one level brighter."""
    random = np.random.default_rng(8)
    still = random.normal(0, 1, (1, 3, 224, 224)).astype(np.float32)
    reference = network.run({"pixel_values": still})[0]
    moved = []
    for _ in range(40):
        touched = still.copy()
        touched[0, random.integers(3), random.integers(224), random.integers(224)] += 1 / 255 / 0.27
        moved.append(float(np.abs(network.run({"pixel_values": touched})[0] - reference).max()))
    return min(moved)


def _cases() -> list[Case]:
    whole = [
        Case(name, picture, np.asarray(picture.convert("RGB"))) for name, picture in _pictures()
    ]
    return whole + _article_crops()


def _pictures() -> list[tuple[str, Image.Image]]:
    """Twenty pictures: every shape and mode that could be treated differently."""
    random = np.random.default_rng(9)

    def photo(width: int, height: int) -> Image.Image:
        """Soft shapes and noise; even numbers alone would hide how halves are rounded."""
        coarse = Image.fromarray(random.integers(0, 256, (5, 6, 3), np.uint8))
        soft = np.asarray(coarse.resize((width, height), Image.Resampling.BILINEAR), np.int16)
        noisy = soft + random.integers(-40, 41, (height, width, 3))
        return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))

    transparent = photo(190, 260).convert("RGBA")
    transparent.putalpha(photo(190, 260).convert("L"))
    see_through = photo(150, 90).convert("P")
    see_through.info["transparency"] = 3
    deep = Image.fromarray(random.integers(0, 65536, (130, 131), np.uint16))
    return [
        ("square", photo(300, 300)),
        ("exactly 224", photo(224, 224)),
        ("just under", photo(223, 223)),
        ("wide", photo(640, 200)),
        ("wide, odd margin", photo(501, 200)),
        ("tall", photo(180, 720)),
        ("tall, odd margin", photo(180, 511)),
        ("very wide", photo(1200, 40)),
        ("very tall", photo(17, 900)),
        ("large", photo(2000, 1500)),
        ("tiny", photo(5, 4)),
        ("tinier", photo(2, 2)),
        ("a line", photo(64, 1)),
        ("grey", photo(240, 320).convert("L")),
        ("grey with alpha", photo(111, 222).convert("LA")),
        ("alpha", transparent),
        ("palette", photo(200, 150).convert("P")),
        ("palette, transparent", see_through),
        ("two colours", photo(99, 140).convert("1")),
        ("16 bits", deep),
    ]


def _article_crops() -> list[Case]:
    """Crops of the grey picture, as the article's code makes them, against facefind's chips."""
    random = np.random.default_rng(10)
    colour = random.integers(0, 256, (400, 600, 3), np.uint8)
    grey = cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY)
    cases = []
    for x, y, w, h in ((20, 30, 100, 100), (250, 10, 333, 333), (481, 281, 119, 119)):
        chip = grey_crops([Pictured(colour, Detection(Box(x, y, w, h), 1.0))])[0]
        crop = Image.fromarray(grey[y : y + h, x : x + w])
        cases.append(Case(f"article's crop {w}", crop, chip))
    return cases


if __name__ == "__main__":
    sys.exit(main())
