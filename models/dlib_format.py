"""Reads the networks that dlib writes (``.dat`` files), without dlib.

Runs only while facefind is built; needs numpy. The format is dlib's own serialisation. A network's
file nests from the outside in: first the version numbers of all wrappers down to the innermost,
then the wrappers' contents from the innermost outwards. Wrapper version 2 is a layer with contents,
3 the innermost layer, which carries the network's input as well, and 1 a mark without contents
(dlib's tags and skips).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Tensor: TypeAlias = NDArray[np.float32]

CHIP_SIDE = 150
"""Rows and columns of the picture that the network takes."""

_MARK, _LAYER, _INNERMOST = 1, 2, 3
_NOT_FINITE = {32000: math.inf, 32001: -math.inf, 32002: math.nan}


class FormatError(ValueError):
    """The file is not the dlib network that was expected."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A tag or skip layer: names a point in the network, computes nothing."""


@dataclass(frozen=True, slots=True)
class Relu:
    """max(x, 0)."""


@dataclass(frozen=True, slots=True)
class AddPrevious:
    """Adds the output of the layer under the block's mark."""


@dataclass(frozen=True, slots=True, eq=False)
class Convolution:
    """Filters (out, in, rows, columns) and biases (out,); strides and pads are (rows, columns)."""

    filters: Tensor
    biases: Tensor
    stride: tuple[int, int]
    pad: tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """x * gamma + beta per channel, both (channels,): what is left of a batch normalisation."""

    gamma: Tensor
    beta: Tensor


@dataclass(frozen=True, slots=True)
class Pool:
    """Maximum or average over a window of (rows, columns); a window of (0, 0) is the whole map."""

    kind: str
    window: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """x @ weights, weights (in, out); no bias."""

    weights: Tensor


Layer: TypeAlias = Mark | Relu | AddPrevious | Convolution | Affine | Pool | Dense


@dataclass(frozen=True, slots=True)
class Network:
    """A network read from a file: its input's mean colour (RGB), and its layers, input first."""

    mean: tuple[float, float, float]
    layers: tuple[Layer, ...]


class Reader:
    """Reads dlib's serialised primitives from bytes, in order."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes.

        Raises:
            FormatError: The file ends before.
        """
        end = self.position + count
        if count < 0 or end > len(self.data):
            raise self.error(f"{count} bytes expected, {len(self.data) - self.position} left")
        chunk = self.data[self.position : end]
        self.position = end
        return chunk

    def error(self, reason: str) -> FormatError:
        return FormatError(f"not a dlib network as expected: {reason}, at byte {self.position}")

    def integer(self) -> int:
        """A control byte (low nibble: length; 0x80: negative), then the magnitude."""
        control = self.take(1)[0]
        if control & 0x70 or not 1 <= control & 0x0F <= 8:
            raise self.error(f"0x{control:02x} does not start an integer")
        magnitude = int.from_bytes(self.take(control & 0x0F), "little")
        return -magnitude if control & 0x80 else magnitude

    def integers(self, count: int) -> tuple[int, ...]:
        return tuple(self.integer() for _ in range(count))

    def real(self) -> float:
        """Mantissa and binary exponent; three exponents stand for what is not finite."""
        mantissa, exponent = self.integers(2)
        if exponent in _NOT_FINITE:
            return _NOT_FINITE[exponent]
        if abs(exponent) > 2000:
            raise self.error(f"{exponent} is no exponent of a number")
        return math.ldexp(mantissa, exponent)

    def reals(self, count: int) -> tuple[float, ...]:
        return tuple(self.real() for _ in range(count))

    def text(self) -> str:
        return self.take(self.integer()).decode("latin-1")

    def flags(self, count: int) -> None:
        """Booleans, stored as the letters 0 and 1; none of them matters here."""
        raw = self.take(count)
        if raw.strip(b"01"):
            raise self.error(f"{raw!r} are no booleans")

    def expect(self, wanted: int | str) -> None:
        """Reads what must stand here: a version number or a name."""
        found = self.integer() if isinstance(wanted, int) else self.text()
        if found != wanted:
            raise self.error(f"{wanted!r} expected, {found!r} found")

    def tensor(self) -> Tensor:
        """Version 2, four dimensions, the floats in little-endian order; returned flat."""
        self.expect(2)
        count = math.prod(self.integers(4))
        return np.frombuffer(self.take(4 * count), dtype="<f4").astype(np.float32)

    def alias(self) -> tuple[int, ...]:
        """The shape (4 ints) of a part of a layer's parameters."""
        self.expect(1)
        return self.integers(4)


def read_network(data: bytes) -> Network:
    """Reads a network with dlib's metric loss and an RGB input of fixed size.

    Args:
        data: The whole ``.dat`` file.

    Raises:
        FormatError: Another kind of file, one cut short, or one with bytes left over.
    """
    reader = Reader(data)
    reader.expect(1)
    reader.expect("loss_metric_2")
    reader.reals(2)
    wrappers = list(_wrapper_versions(reader))
    mean = _input_mean(reader)
    layers = [_innermost(reader)]
    layers += [_wrapped(reader, version) for version in reversed(wrappers[:-1])]
    if reader.position != len(data):
        raise reader.error(f"{len(data) - reader.position} bytes left over")
    return Network(mean, tuple(layers))


def _wrapper_versions(reader: Reader) -> Iterator[int]:
    """The wrappers' versions, outermost first, ending with the innermost."""
    version = 0
    while version != _INNERMOST:
        version = reader.integer()
        if version not in (_MARK, _LAYER, _INNERMOST):
            raise reader.error(f"{version} is no version of a layer")
        yield version


def _input_mean(reader: Reader) -> tuple[float, float, float]:
    reader.expect("input_rgb_image_sized")
    red, green, blue = reader.reals(3)
    if reader.integers(2) != (CHIP_SIDE, CHIP_SIDE):
        raise reader.error(f"an input of {CHIP_SIDE} x {CHIP_SIDE} pixels was expected")
    return red, green, blue


def _innermost(reader: Reader) -> Layer:
    layer = _details(reader)
    _skip_state(reader)
    reader.integer()  # how many pictures make up one sample
    return layer


def _wrapped(reader: Reader, version: int) -> Layer:
    if version == _MARK:
        return Mark()
    layer = _details(reader)
    _skip_state(reader)
    return layer


def _skip_state(reader: Reader) -> None:
    """What training left behind: three flags, then gradient, cached output, parameter gradient."""
    reader.flags(3)
    for _ in range(3):
        reader.tensor()


def _details(reader: Reader) -> Layer:
    name = reader.text()
    if name not in _DETAILS:
        raise reader.error(f"no layer is called {name!r}")
    return _DETAILS[name](reader)


def _convolution(reader: Reader) -> Convolution:
    parameters = reader.tensor()
    reader.integers(3)  # count and size of the filters, again in the aliases
    stride_y, stride_x, pad_y, pad_x = reader.integers(4)
    shape, bias_shape = reader.alias(), reader.alias()
    reader.reals(4)  # learning rates and weight decays
    filters, biases = _split(reader, parameters, shape, bias_shape)
    return Convolution(filters, biases.reshape(-1), (stride_y, stride_x), (pad_y, pad_x))


def _affine(reader: Reader) -> Affine:
    parameters = reader.tensor()
    gamma, beta = _split(reader, parameters, reader.alias(), reader.alias())
    reader.integer()  # whether it follows a convolution: gamma's shape says that
    return Affine(gamma.reshape(-1), beta.reshape(-1))


def _dense(reader: Reader) -> Dense:
    outputs, inputs = reader.integers(2)
    parameters = reader.tensor()
    reader.alias()
    reader.alias()  # the biases: none, in this network
    reader.integer()
    reader.reals(4)
    if parameters.size != inputs * outputs:
        raise reader.error(f"{parameters.size} weights for {inputs} inputs, {outputs} outputs")
    return Dense(parameters.reshape(inputs, outputs))


def _pool(kind: str) -> Callable[[Reader], Pool]:
    def read(reader: Reader) -> Pool:
        rows, columns, stride_y, stride_x, pad_y, pad_x = reader.integers(6)
        return Pool(kind, (rows, columns), (stride_y, stride_x), (pad_y, pad_x))

    return read


def _split(
    reader: Reader, parameters: Tensor, first: tuple[int, ...], second: tuple[int, ...]
) -> tuple[Tensor, Tensor]:
    """Cuts a layer's parameters into its two parts, in the shapes that their aliases give."""
    cut = math.prod(first)
    if parameters.size != cut + math.prod(second):
        raise reader.error(f"{parameters.size} parameters do not make {first} and {second}")
    return parameters[:cut].reshape(first), parameters[cut:].reshape(second)


_DETAILS: dict[str, Callable[[Reader], Layer]] = {
    "con_4": _convolution,
    "affine_": _affine,
    "relu_": lambda _: Relu(),
    "add_prev_": lambda _: AddPrevious(),
    "max_pool_2": _pool("MaxPool"),
    "avg_pool_2": _pool("AveragePool"),
    "fc_2": _dense,
}
