"""Turns a network of convolutions into one that computes with whole numbers of eight bits.

Runs only while facefind is built; needs numpy and ``onnx``. Activations become unsigned, one scale
for each tensor, from ranges that were measured before; weights become signed, one scale for each
output channel, and are kept within -64..64, so that processors that add two products in sixteen
bits (AVX2) give the same result as those that do not. What comes out is plain ONNX: each tensor
that has a range is followed by QuantizeLinear and DequantizeLinear, and a runtime that knows them
puts its own integer operators in their place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx

LARGEST_WEIGHT = 64
"""Two products with 255 stay below 2^15."""

LARGEST_ACTIVATION = 255

UNCHANGED = ("MaxPool", "Pad")
"""Operators that give nothing but what they are given, and zeros: their results have its scale."""


class Scale(NamedTuple):
    """What a whole number stands for: (number - zero) * step."""

    step: np.float32
    zero: int


def scale_of(low: float, high: float) -> Scale:
    """The finest scale that reaches from ``low`` to ``high`` and has a number for 0.

    Raises:
        ValueError: The range holds nothing but 0.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    if not high > low:
        raise ValueError(f"no range: {low} to {high}")
    step = np.float32((high - low) / LARGEST_ACTIVATION)
    return Scale(step, round(-low / float(step)))


def quantise_weights(
    weights: NDArray[np.float32],
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Whole numbers and the step of each output channel, the first axis; all zeros have step 1."""
    largest = np.abs(weights).reshape(len(weights), -1).max(axis=1)
    steps = np.where(largest > 0, largest / LARGEST_WEIGHT, 1).astype(np.float32)
    whole = np.rint(weights / steps.reshape(-1, *[1] * (weights.ndim - 1)))
    return whole.astype(np.int8), steps


def quantise(
    model: onnx.ModelProto,
    ranges: Mapping[str, tuple[float, float]],
    means: Mapping[str, NDArray[np.float64]] | None = None,
) -> onnx.ModelProto:
    """The same network in whole numbers; input and output stay as they are.

    Args:
        model: Its operators may be any; convolutions have constant weights and biases.
        ranges: The lowest and highest value of each tensor that is to be rounded to whole numbers,
            by name. What only moves values has the range of its input. A convolution computes in
            whole numbers where its input is rounded.
        means: What the channels of some of these tensors usually hold, (C,). A convolution's bias
            is set so that rounded weights answer such an input as the exact ones do.

    Raises:
        ValueError: A tensor of ``ranges`` is not in the network.
    """
    from onnx import checker, helper

    graph = _Graph(
        {name: scale_of(*found) for name, found in ranges.items()},
        means or {},
        {tensor.name: _array(tensor) for tensor in model.graph.initializer},
    )
    graph.round(value.name for value in model.graph.input)
    for node in model.graph.node:
        graph.add(node)
    if graph.scales.keys() - graph.rounded.keys():
        missing = sorted(graph.scales.keys() - graph.rounded.keys())
        raise ValueError(f"not in the network: {', '.join(missing)}")
    body = helper.make_graph(
        graph.nodes,
        f"{model.graph.name}_int8",
        model.graph.input,
        model.graph.output,
        [graph.proto(name) for name in graph.used()],
    )
    quantised = helper.make_model(
        body,
        opset_imports=model.opset_import,
        ir_version=model.ir_version,
        producer_name="facefind",
    )
    checker.check_model(quantised)
    return quantised


@dataclass
class _Graph:
    """A graph in the making.

    Attributes:
        scales: Of the tensors that are to be rounded.
        means: See `quantise`.
        constants: All weights by name, those of the network among them.
        nodes: The operators so far.
        rounded: What to read in place of a tensor.
    """

    scales: dict[str, Scale]
    means: Mapping[str, NDArray[np.float64]]
    constants: dict[str, NDArray[Any]]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    rounded: dict[str, str] = field(default_factory=dict)

    def add(self, node: onnx.NodeProto) -> None:
        """Adds an operator of the network, reading rounded tensors, and rounds what it gives."""
        copied = type(node)()
        copied.CopyFrom(node)
        source = node.input[0]
        if node.op_type == "Conv" and source in self.scales:
            copied.input[1], copied.input[2] = self._convolution(source, *node.input[1:])
        for index, name in enumerate(copied.input):
            copied.input[index] = self.rounded.get(name, name)
        self.nodes.append(copied)
        if node.op_type in UNCHANGED and source in self.scales:
            self.scales[node.output[0]] = self.scales[source]
        self.round(node.output)

    def round(self, names: Iterable[str]) -> None:
        """Sends those tensors that have a scale through whole numbers."""
        for name in names:
            if name not in self.scales:
                continue
            step, zero = self.scales[name]
            how = (
                self._constant(f"{name}_step", np.array(step)),
                self._constant(f"{name}_zero", np.array(zero, np.uint8)),
            )
            whole = self._node("QuantizeLinear", f"{name}_whole", (name, *how))
            self.rounded[name] = self._node("DequantizeLinear", f"{name}_rounded", (whole, *how))

    def _convolution(self, source: str, weights: str, biases: str) -> tuple[str, str]:
        """Adds a convolution's weights and biases in whole numbers, and what makes them real."""
        exact, wanted = self.constants[weights], self.constants[biases].astype(np.float64)
        whole, steps = quantise_weights(exact)
        if source in self.means:
            lost = exact - whole * steps.reshape(-1, 1, 1, 1).astype(np.float64)
            wanted = wanted + lost.sum(axis=(2, 3)) @ self.means[source]
        fine = steps * self.scales[source].step
        return (
            self._real(weights, whole, steps, np.int8),
            self._real(biases, np.rint(wanted / fine).astype(np.int32), fine, np.int32),
        )

    def _real(
        self, name: str, whole: NDArray[Any], steps: NDArray[np.float32], kind: type[Any]
    ) -> str:
        parts = (
            self._constant(f"{name}_whole", whole),
            self._constant(f"{name}_steps", steps),
            self._constant(f"{name}_zeros", np.zeros(len(steps), kind)),
        )
        return self._node("DequantizeLinear", f"{name}_real", parts, axis=0)

    def _node(self, kind: str, output: str, inputs: Iterable[str], **attributes: Any) -> str:
        from onnx import helper

        made = helper.make_node(kind, list(inputs), [output], name=output, **attributes)
        self.nodes.append(made)
        return output

    def _constant(self, name: str, values: NDArray[Any]) -> str:
        self.constants[name] = values
        return name

    def used(self) -> list[str]:
        """The constants that some operator reads."""
        read = {name for node in self.nodes for name in node.input}
        return [name for name in self.constants if name in read]

    def proto(self, name: str) -> onnx.TensorProto:
        from onnx import numpy_helper

        return numpy_helper.from_array(self.constants[name], name)


def _array(tensor: onnx.TensorProto) -> NDArray[Any]:
    from onnx import numpy_helper

    values: NDArray[Any] = numpy_helper.to_array(tensor)
    return values


def fold_normalisation(model: onnx.ModelProto) -> NDArray[np.float64]:
    """Makes the first convolution take pixels as they are; changes the model.

    Args:
        model: It begins with ``(pixels - mean) * factor`` and a convolution without padding.

    Returns:
        (C,) the mean.

    Raises:
        ValueError: It begins otherwise.
    """
    from onnx import numpy_helper

    subtract, multiply, convolve = model.graph.node[:3]
    if [node.op_type for node in (subtract, multiply, convolve)] != ["Sub", "Mul", "Conv"]:
        raise ValueError("the network does not begin with a normalisation and a convolution")
    if any(any(each.ints) for each in convolve.attribute if each.name == "pads"):
        raise ValueError("the first convolution has padding, which is no pixel")
    held = {tensor.name: tensor for tensor in model.graph.initializer}
    mean = _array(held[subtract.input[1]]).astype(np.float64).reshape(-1)
    factor = float(_array(held[multiply.input[1]]).item())
    weights, biases = (held[name] for name in convolve.input[1:])
    filters = _array(weights).astype(np.float64) * factor
    shifted = _array(biases) - filters.sum(axis=(2, 3)) @ mean
    for tensor, values in ((weights, filters), (biases, shifted)):
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float32), tensor.name))
    convolve.input[0] = subtract.input[0]
    del model.graph.node[:2]
    return mean
