"""Measures the ranges of the activations of dlib's ResNet, from which the build rounds them.

    python -m scripts.int8_ranges

Writes ``models/dlib_resnet_int8.json``: numbers alone, no pictures. The faces are the most
prominent ones of photos of Labeled Faces in the Wild among the development data, of people in the
half (by the hash of their name) that `scripts/evaluate calibration` fits on first; the other half
is left for judging. Needs onnxruntime, and the archive that ``models/collect.py`` keeps.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facefind import images
from facefind.portraits import most_prominent
from facefind.types import FloatArray
from models import collect, dlib_to_int8
from models.dlib_to_onnx import INPUT
from scripts.evaluation.embeddings import lfw_photos, progressing
from scripts.evaluation.models import ready

if TYPE_CHECKING:
    import onnx

FACES = 480
BATCH = 16
DATA = collect.REPO.parent / "shared" / "data"


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA, help="the development data")
    model, _ = dlib_to_int8.exact(published())
    chips = chips_of_half(parser.parse_args().data)
    dlib_to_int8.RANGES.write_text(as_table(len(chips) // 2, measure(model, chips)), "utf-8")


def as_table(faces: int, ranges: Mapping[str, tuple[float, float]]) -> str:
    """JSON with a line for each tensor."""
    lines = [
        f'  "{name}": {json.dumps([round(value, 4) for value in found])}'
        for name, found in ranges.items()
    ]
    made_by = '"made_by": "python -m scripts.int8_ranges"'
    return f'{{\n {made_by},\n "faces": {faces},\n "ranges": {{\n' + ",\n".join(lines) + "\n }\n}\n"


def published() -> bytes:
    """dlib's own file."""
    places = collect.Places(collect.REPO)
    records = collect.bundled(places.models)
    (record,) = (record for record in records if record.file == "dlib_resnet.onnx")
    return collect.published_bytes(places, record, [record], print)


def chips_of_half(data: Path) -> FloatArray:
    """(2 * FACES, 3, 150, 150): chips of one half of the people, each with its mirror image."""
    finder = ready("dlib")
    half = [photo for photo in lfw_photos(data) if _is_in_half(photo.person)]
    chips = []
    for index in progressing("faces", np.random.RandomState(0).permutation(len(half))):
        pixels = images.read_photo(half[index].path).pixels
        if faces := finder.find_faces(pixels):
            face = faces[most_prominent(faces, pixels)]
            (chip,) = finder.cut(pixels, [face.detection])
            chips += [chip, chip[:, ::-1]]
        if len(chips) == 2 * FACES:
            break
    stacked: FloatArray = np.stack(chips).transpose(0, 3, 1, 2).astype(np.float32)
    return stacked


def _is_in_half(person: str) -> bool:
    return int(sha256(person.encode()).hexdigest(), 16) % 2 == 0


def measure(model: onnx.ModelProto, chips: FloatArray) -> dict[str, tuple[float, float]]:
    """The lowest and the highest value of each tensor that is to be rounded."""
    import onnxruntime
    from onnx import TensorProto, helper

    names = dlib_to_int8.measured_tensors(model)
    model.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    lows, highs = np.zeros(len(names)), np.zeros(len(names))
    for first in range(0, len(chips), BATCH):
        values = session.run(names, {INPUT: chips[first : first + BATCH]})
        lows = np.minimum(lows, [value.min() for value in values])
        highs = np.maximum(highs, [value.max() for value in values])
    return {n: (float(low), float(high)) for n, low, high in zip(names, lows, highs, strict=True)}


if __name__ == "__main__":
    main()
