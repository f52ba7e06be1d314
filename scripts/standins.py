"""Small networks with random weights that stand in for published ones which are not at hand.

Each takes what the real file takes and gives what it gives, under the same names: so what stands
around a network (cutting chips, feeding, decoding) can be compared with the publisher's own code,
which loads the same file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

_OPSET, _IR = 11, 6
"""Old enough for every runtime that is compared with."""


def write_sface(path: Path, seed: int = 0) -> Path:
    """Stands in for ``face_recognition_sface_2021dec.onnx``: data -> fc1 (1, 128)."""
    return _write_embedder(path, "data", (1, 3, 112, 112), "fc1", 128, seed)


def write_arcface(path: Path, seed: int = 0) -> Path:
    """Stands in for ``w600k_r50.onnx``: input.1 -> 683 (N, 512)."""
    return _write_embedder(path, "input.1", ("N", 3, 112, 112), "683", 512, seed)


def write_scrfd(path: Path, seed: int = 0) -> Path:
    """Stands in for ``det_10g.onnx``: nine outputs, without a first dimension for the batch."""
    random = np.random.default_rng(seed)
    nodes: list[Any] = []
    weights: list[Any] = []
    outputs: list[Any] = []
    # score, box and landmarks; each for strides 8, 16 and 32
    names = (("448", "471", "494"), ("451", "474", "497"), ("454", "477", "500"))
    for kind, width in enumerate((1, 4, 10)):
        for name, stride in zip(names[kind], (8, 16, 32), strict=True):
            kernel = random.normal(0, (90, 8, 8)[kind] / stride**2, (2 * width, 3, stride, stride))
            weights += [
                _tensor(f"w{name}", kernel),
                _tensor(f"b{name}", np.full(2 * width, (-2.0, 2.0, 0.0)[kind])),
                numpy_helper.from_array(np.array((-1, width), np.int64), f"s{name}"),
            ]
            nodes += [
                helper.make_node(
                    "Conv", ["input.1", f"w{name}", f"b{name}"], [f"c{name}"], strides=[stride] * 2
                ),
                helper.make_node("Transpose", [f"c{name}"], [f"t{name}"], perm=[0, 2, 3, 1]),
                helper.make_node("Reshape", [f"t{name}", f"s{name}"], [f"r{name}"]),
                helper.make_node(("Sigmoid", "Abs", "Identity")[kind], [f"r{name}"], [name]),
            ]
            outputs.append(_value(name, (f"n{stride}", width)))
    return _write(path, nodes, [_value("input.1", (1, 3, "H", "W"))], outputs, weights)


def _write_embedder(
    path: Path, given: str, shape: tuple[int | str, ...], answer: str, dimension: int, seed: int
) -> Path:
    random = np.random.default_rng(seed)
    nodes = [
        helper.make_node("Conv", [given, "w"], ["c"], strides=[7, 7]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["p"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "g"], [answer], transB=1),
    ]
    weights = [
        _tensor("w", random.normal(0, 0.02, (8, 3, 7, 7))),
        _tensor("g", random.normal(0, 0.1, (dimension, 8 * 4 * 4))),
    ]
    return _write(
        path, nodes, [_value(given, shape)], [_value(answer, (shape[0], dimension))], weights
    )


def _write(path: Path, nodes: Any, inputs: Any, outputs: Any, weights: Any) -> Path:
    graph = helper.make_graph(nodes, "stand-in", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)])
    model.ir_version = _IR
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def _value(name: str, shape: tuple[int | str, ...]) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _tensor(name: str, values: NDArray[Any]) -> Any:
    return numpy_helper.from_array(values.astype(np.float32), name)
