"""Turns dlib's face recognition ResNet (a ``.dat`` file) into ONNX, without dlib.

Runs only while facefind is built; needs numpy and ``onnx``. By hand, in the checkout::

    python -m models.dlib_to_onnx dlib_face_recognition_resnet_model_v1.dat dlib_resnet.onnx

The graph takes ``chips``, float32 (N, 3, 150, 150), RGB in 0..255, and gives ``embeddings``,
float32 (N, 128), as dlib's network does: not scaled to unit length. The same file gives the same
bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.dlib_format import (
    CHIP_SIDE,
    AddPrevious,
    Affine,
    Convolution,
    Dense,
    FormatError,
    Layer,
    Mark,
    Network,
    Pool,
    Relu,
    read_network,
)

if TYPE_CHECKING:
    import onnx

OPSET = 17
IR_VERSION = 8
INPUT, OUTPUT = "chips", "embeddings"


class Value(NamedTuple):
    """A tensor on its way through the graph: its name, and its size for one picture."""

    name: str
    channels: int
    rows: int
    columns: int


class Graph:
    """An ONNX graph that grows by one layer at a time.

    Names are numbered in the order of building, so the same layers give the same bytes.
    """

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.at = Value(INPUT, 3, CHIP_SIDE, CHIP_SIDE)
        self.marked: list[Value] = []
        self.after_mark = False

    def constant(self, values: NDArray[np.float32] | NDArray[np.int64]) -> str:
        from onnx import numpy_helper

        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Adds one operator with one output, and returns the output's name."""
        from onnx import helper

        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def normalise(self, mean: tuple[float, float, float]) -> None:
        """(x - mean) / 256: what dlib does with the pixels before the first layer."""
        offset = self.constant(np.array(mean, np.float32).reshape(1, 3, 1, 1))
        scale = self.constant(np.array(1 / 256, np.float32))
        self.at = self.at._replace(name=self.node("Mul", self.node("Sub", INPUT, offset), scale))

    def mark(self) -> None:
        """A lone mark remembers this point. Two in a row end a block that shrinks the map: the
        first remembers the block's result, the second goes back to where the block began."""
        if not self.after_mark:
            self.marked.append(self.at)
            return
        if len(self.marked) < 2:
            raise FormatError("not a dlib network as expected: a skip without a tag")
        self.at = self.marked[-2]

    def convolve(self, layer: Convolution, scale: Affine) -> None:
        """A convolution with the affine layer behind it folded in, in double precision."""
        filters = layer.filters.astype(np.float64) * scale.gamma.reshape(-1, 1, 1, 1)
        biases = layer.biases.astype(np.float64) * scale.gamma + scale.beta
        name = self.node(
            "Conv",
            self.at.name,
            self.constant(filters.astype(np.float32)),
            self.constant(biases.astype(np.float32)),
            kernel_shape=list(layer.filters.shape[2:]),
            strides=list(layer.stride),
            pads=[*layer.pad, *layer.pad],
        )
        rows, columns = layer.filters.shape[2:]
        self.at = self._slid(name, len(biases), (rows, columns), layer.stride, layer.pad)

    def pool(self, layer: Pool) -> None:
        if layer.window == (0, 0):
            name = self.node(f"Global{layer.kind}", self.at.name)
            self.at = Value(name, self.at.channels, 1, 1)
            return
        name = self.node(
            layer.kind,
            self.at.name,
            kernel_shape=list(layer.window),
            strides=list(layer.stride),
            pads=[*layer.pad, *layer.pad],
        )
        self.at = self._slid(name, self.at.channels, layer.window, layer.stride, layer.pad)

    def _slid(
        self,
        name: str,
        channels: int,
        window: tuple[int, ...],
        stride: tuple[int, int],
        pad: tuple[int, int],
    ) -> Value:
        """The result of a window that slides over the map; what does not fit is left out."""
        rows = (self.at.rows + 2 * pad[0] - window[0]) // stride[0] + 1
        columns = (self.at.columns + 2 * pad[1] - window[1]) // stride[1] + 1
        return Value(name, channels, rows, columns)

    def add_marked(self) -> None:
        """Adds the last marked value; the smaller of the two is filled up with zeros."""
        if not self.marked:
            raise FormatError("not a dlib network as expected: an addition without a tag")
        here, there = self.at, self.marked[-1]
        channels, rows, columns = map(max, here[1:], there[1:])
        size = Value("", channels, rows, columns)
        self.at = size._replace(
            name=self.node("Add", self._filled(here, size), self._filled(there, size))
        )

    def _filled(self, value: Value, size: Value) -> str:
        """Zeros behind the last channel, row and column, as dlib adds maps of unequal size."""
        missing = [wanted - has for wanted, has in zip(size[1:], value[1:], strict=True)]
        if not any(missing):
            return value.name
        pads = self.constant(np.array([0, 0, 0, 0, 0, *missing], np.int64))
        return self.node("Pad", value.name, pads, mode="constant")

    def dense(self, layer: Dense) -> None:
        flat = self.node("Flatten", self.at.name, axis=1)
        name = self.node("MatMul", flat, self.constant(layer.weights))
        self.at = Value(name, layer.weights.shape[1], 1, 1)


def build_model(network: Network) -> onnx.ModelProto:
    """The network as an ONNX model; input and output as this module's docstring says.

    Raises:
        FormatError: Its layers do not follow each other as in dlib's face recognition ResNet.
    """
    graph = Graph()
    graph.normalise(network.mean)
    layers = list(network.layers)
    for index, layer in enumerate(layers):
        following = layers[index + 1] if index + 1 < len(layers) else None
        _append(graph, layer, following)
        graph.after_mark = isinstance(layer, Mark)
    return _model(graph)


def _append(graph: Graph, layer: Layer, following: Layer | None) -> None:
    match layer:
        case Mark():
            graph.mark()
        case Convolution():
            if not isinstance(following, Affine):
                raise FormatError("not a dlib network as expected: a convolution without affine")
            graph.convolve(layer, following)
        case Affine():
            pass  # folded into the convolution before it
        case Relu():
            graph.at = graph.at._replace(name=graph.node("Relu", graph.at.name))
        case AddPrevious():
            graph.add_marked()
        case Pool():
            graph.pool(layer)
        case Dense():
            graph.dense(layer)


def _model(graph: Graph) -> onnx.ModelProto:
    from onnx import TensorProto, checker, helper

    graph.nodes[-1].output[0] = OUTPUT
    chips = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["N", 3, CHIP_SIDE, CHIP_SIDE])
    embeddings = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["N", graph.at.channels])
    body = helper.make_graph(graph.nodes, "dlib_resnet", [chips], [embeddings], graph.constants)
    model = helper.make_model(
        body,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="facefind",
    )
    checker.check_model(model)
    return model


def convert(data: bytes) -> bytes:
    """dlib's ``dlib_face_recognition_resnet_model_v1.dat`` as an ONNX file.

    Raises:
        FormatError: ``data`` is something else, or cut short.
    """
    model: bytes = build_model(read_network(data)).SerializeToString(deterministic=True)
    return model


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: dlib_to_onnx.py FILE.dat FILE.onnx")
    Path(sys.argv[2]).write_bytes(convert(Path(sys.argv[1]).read_bytes()))
