"""Turns dlib's face recognition ResNet into ONNX that computes with whole numbers of eight bits.

Runs only while facefind is built; needs numpy and ``onnx``. By hand, in the checkout::

    python -m models.dlib_to_int8 dlib_face_recognition_resnet_model_v1.dat dlib_resnet_int8.onnx

Input and output are those of `models.dlib_to_onnx`, whose graph this is: `models.int8` rounds it.
The ranges of its activations are in ``dlib_resnet_int8.json``, which ``scripts/int8_ranges.py``
measured. Pixels are whole numbers already, so nothing is lost at the first layer; the mean over the
last map and the dense layer behind it stay in floating point.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models import dlib_to_onnx, int8
from models.dlib_format import read_network

if TYPE_CHECKING:
    import onnx

RANGES = Path(__file__).with_name("dlib_resnet_int8.json")

PIXELS = (0.0, 255.0)

NOT_ROUNDED = ("GlobalAveragePool", "Flatten", "MatMul")


def exact(data: bytes) -> tuple[onnx.ModelProto, NDArray[np.float64]]:
    """The network in floating point that takes pixels as they are, and the mean it subtracts."""
    model = dlib_to_onnx.build_model(read_network(data))
    return model, int8.fold_normalisation(model)


def measured_tensors(model: onnx.ModelProto) -> list[str]:
    """The tensors whose ranges must be known: what each layer gives at its end.

    That is behind the rectifier where there is one: what it cuts off needs no numbers.
    """
    nodes = model.graph.node
    rectified = {node.input[0] for node in nodes if node.op_type == "Relu"}
    left_out = (*int8.UNCHANGED, *NOT_ROUNDED)
    return [
        name
        for node in nodes
        if node.op_type not in left_out
        for name in node.output
        if name not in rectified
    ]


def convert(data: bytes) -> bytes:
    """dlib's ``dlib_face_recognition_resnet_model_v1.dat`` as an ONNX file in whole numbers.

    Raises:
        FormatError: ``data`` is something else, or cut short.
    """
    model, mean = exact(data)
    ranges = json.loads(RANGES.read_text("utf-8"))["ranges"]
    wanted = {name: tuple(ranges[name]) for name in measured_tensors(model)}
    quantised = int8.quantise(
        model, {dlib_to_onnx.INPUT: PIXELS, **wanted}, {dlib_to_onnx.INPUT: mean}
    )
    converted: bytes = quantised.SerializeToString(deterministic=True)
    return converted


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: dlib_to_int8.py FILE.dat FILE.onnx")
    Path(sys.argv[2]).write_bytes(convert(Path(sys.argv[1]).read_bytes()))
