"""Reading dlib's serialised networks, on small ones written here byte by byte."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from numpy.typing import NDArray

from models import dlib_to_onnx
from models.dlib_format import (
    AddPrevious,
    Affine,
    Convolution,
    Dense,
    FormatError,
    Mark,
    Pool,
    Reader,
    Relu,
    read_network,
)
from tests.dlib_bytes import integer, integers, real, text

MEAN = (122.5, 117.0, -0.25)
FILTERS = np.linspace(0, 0.625, 6, dtype=np.float32).reshape(2, 3, 1, 1)
BIASES = np.array([0.5, -1.0], np.float32)
WEIGHTS = np.arange(2 * 4, dtype=np.float32).reshape(2, 4)


def tensor(*parts: NDArray[np.float32]) -> bytes:
    values = b"".join(part.astype("<f4").tobytes() for part in parts)
    return integers(2, len(values) // 4, 1, 1, 1) + values


def alias(*shape: int) -> bytes:
    return integers(1, *shape)


STATE = b"110" + tensor() + tensor() + tensor()
RATES = real(1.0) * 4


def convolution(stride: int = 1, pad: int = 0) -> bytes:
    shape = integers(2, 1, 1, stride, stride, pad, pad)
    return (
        text("con_4") + tensor(FILTERS, BIASES) + shape + alias(2, 3, 1, 1) + alias(1, 2, 1, 1)
    ) + RATES


def affine(gamma: list[float], beta: list[float]) -> bytes:
    values = tensor(np.array(gamma, np.float32), np.array(beta, np.float32))
    return text("affine_") + values + alias(1, 2, 1, 1) + alias(1, 2, 1, 1) + integer(0)


def pool(name: str, *numbers: int) -> bytes:
    return text(name) + integers(*numbers)


def dense() -> bytes:
    return (
        text("fc_2") + integers(4, 2) + tensor(WEIGHTS) + alias(2, 4, 1, 1) + alias(0, 0, 0, 0)
    ) + (integer(1) + RATES)


def network(*outer: bytes | None, side: int = 150) -> bytes:
    """A file whose innermost layer is the convolution; ``outer`` follow it, None being a mark."""
    loss = integer(1) + text("loss_metric_2") + real(0.04) + real(0.6)
    versions = integers(*(1 if layer is None else 2 for layer in reversed(outer)), 3)
    given = text("input_rgb_image_sized") + b"".join(map(real, MEAN)) + integers(side, side)
    innermost = given + convolution(stride=2) + STATE + integer(1)
    rest = b"".join(layer + STATE for layer in outer if layer is not None)
    return loss + versions + innermost + rest


SMALL = network(
    affine([2.0, 0.5], [1.0, -3.0]),
    text("relu_"),
    pool("avg_pool_2", 0, 0, 1, 1, 0, 0),
    dense(),
)
"""Convolution, affine, relu, global mean, dense: (N, 3, 150, 150) to (N, 4)."""


@pytest.mark.parametrize(
    ("stored", "value"),
    [(b"\x01\x00", 0), (b"\x01\x96", 150), (b"\x02\x80\x12", 4736), (b"\x81\x11", -17)],
)
def test_an_integer_is_a_control_byte_and_a_magnitude(stored: bytes, value: int) -> None:
    assert Reader(stored).integer() == value


@pytest.mark.parametrize("stored", [b"\x00", b"\x09" + bytes(9), b"\x71\x00", b"", b"\x02\x01"])
def test_bytes_that_start_no_integer_are_refused(stored: bytes) -> None:
    with pytest.raises(FormatError):
        Reader(stored).integer()


@pytest.mark.parametrize("value", [0.0, 1.0, -0.25, 122.78199768066406, 1e-30, 2.0**62])
def test_a_float_is_mantissa_and_exponent(value: float) -> None:
    assert Reader(real(value)).real() == value


def test_what_is_not_finite_has_an_exponent_of_its_own() -> None:
    assert Reader(integers(0, 32000)).real() == float("inf")
    assert Reader(integers(0, 32001)).real() == float("-inf")
    assert np.isnan(Reader(integers(0, 32002)).real())
    with pytest.raises(FormatError, match="exponent"):
        Reader(integers(1, 31999)).real()


def test_layers_come_input_first_with_their_numbers() -> None:
    read = read_network(SMALL)
    first, scale, relu, mean, last = read.layers
    assert read.mean == MEAN
    assert isinstance(first, Convolution)
    assert (first.stride, first.pad) == ((2, 2), (0, 0))
    np.testing.assert_array_equal(first.filters, FILTERS)
    np.testing.assert_array_equal(first.biases, BIASES)
    assert isinstance(scale, Affine)
    assert (scale.gamma.tolist(), scale.beta.tolist()) == ([2.0, 0.5], [1.0, -3.0])
    assert relu == Relu()
    assert mean == Pool("AveragePool", (0, 0), (1, 1), (0, 0))
    assert isinstance(last, Dense)
    np.testing.assert_array_equal(last.weights, WEIGHTS)


def test_marks_have_no_contents() -> None:
    read = read_network(network(None, text("relu_"), None, None, text("add_prev_")))
    assert list(read.layers[1:]) == [Mark(), Relu(), Mark(), Mark(), AddPrevious()]


def test_no_cut_is_taken_for_a_whole_file() -> None:
    cuts = range(0, len(SMALL), 7)
    assert len(cuts) > 50
    for cut in cuts:
        with pytest.raises(FormatError):
            read_network(SMALL[:cut])


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "1 bytes expected"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "integer"),
        (SMALL + b"\x00", "1 bytes left over"),
        (SMALL.replace(b"loss_metric_2", b"loss_metric_9"), "loss_metric_9"),
        (SMALL.replace(b"relu_", b"selu_"), "selu_"),
        (SMALL.replace(b"110", b"1x0"), "booleans"),
        (network(side=160), "150 x 150"),
        (SMALL.replace(alias(2, 3, 1, 1), alias(2, 2, 1, 1)), "parameters"),
        (SMALL.replace(integers(4, 2) + tensor(WEIGHTS), integers(4, 3) + tensor(WEIGHTS)), "3 in"),
        (SMALL.replace(integers(2, 3), integers(4, 3), 1), "4 is no version"),
    ],
    ids=["empty", "png", "longer", "loss", "layer", "flags", "size", "alias", "dense", "version"],
)
def test_another_file_is_refused_with_the_reason(data: bytes, complaint: str) -> None:
    with pytest.raises(FormatError, match=complaint):
        read_network(data)


def test_a_huge_count_is_refused_without_reserving_memory() -> None:
    with pytest.raises(FormatError, match="left"):
        Reader(integers(2, 1 << 30, 1 << 30, 1, 1)).tensor()


def evaluate(data: bytes, chips: NDArray[np.float32]) -> NDArray[np.float32]:
    reference = pytest.importorskip("onnx.reference", reason="onnx builds the weights")
    model = dlib_to_onnx.build_model(read_network(data))
    result: NDArray[np.float32] = reference.ReferenceEvaluator(model).run(None, {"chips": chips})[0]
    return result


def random_chips(count: int) -> NDArray[np.float32]:
    chips = np.random.default_rng(7).uniform(0, 255, (count, 3, 150, 150))
    return chips.astype(np.float32)


def convolved(chips: NDArray[np.float32]) -> NDArray[np.float64]:
    """The 1x1 convolution at stride 2 with the affine layer (2, .5), (1, -3) behind it."""
    pixels = (chips.astype(np.float64) - np.reshape(MEAN, (1, 3, 1, 1))) / 256
    mixed = np.einsum("oc,nchw->nohw", FILTERS[:, :, 0, 0], pixels[:, :, ::2, ::2])
    shifted = mixed + BIASES.reshape(1, 2, 1, 1)
    scaled = shifted * np.reshape([2.0, 0.5], (1, 2, 1, 1)) + np.reshape([1.0, -3.0], (1, 2, 1, 1))
    return np.asarray(scaled, np.float64)


def test_the_graph_computes_what_the_layers_say() -> None:
    chips = random_chips(2)
    wanted = np.maximum(convolved(chips), 0).mean(axis=(2, 3)) @ WEIGHTS
    np.testing.assert_allclose(evaluate(SMALL, chips), wanted, rtol=1e-5)


def test_a_block_adds_what_was_marked_before_it() -> None:
    data = network(
        affine([2.0, 0.5], [1.0, -3.0]),
        None,
        text("relu_"),
        text("add_prev_"),
        pool("avg_pool_2", 0, 0, 1, 1, 0, 0),
        dense(),
    )
    chips = random_chips(1)
    here = convolved(chips)
    wanted = (here + np.maximum(here, 0)).mean(axis=(2, 3)) @ WEIGHTS
    np.testing.assert_allclose(evaluate(data, chips), wanted, rtol=1e-5)


def test_a_shrinking_block_fills_the_smaller_map_with_zeros() -> None:
    # Of 75 rows the maximum over two at stride 2 leaves 37; over three, the block's own, 37 too;
    # so the block takes four at stride 4 (18) and the shortcut two at stride 2.
    data = network(
        affine([2.0, 0.5], [1.0, -3.0]),
        None,
        pool("max_pool_2", 4, 4, 4, 4, 0, 0),
        None,
        None,
        pool("avg_pool_2", 2, 2, 2, 2, 0, 0),
        text("add_prev_"),
        pool("avg_pool_2", 0, 0, 1, 1, 0, 0),
        dense(),
    )
    chips = random_chips(1)
    here = convolved(chips)
    block = here[:, :, :72, :72].reshape(1, 2, 18, 4, 18, 4).max(axis=(3, 5))
    total = here[:, :, :74, :74].reshape(1, 2, 37, 2, 37, 2).mean(axis=(3, 5))
    total[:, :, :18, :18] += block
    wanted = total.mean(axis=(2, 3)) @ WEIGHTS
    np.testing.assert_allclose(evaluate(data, chips), wanted, rtol=1e-5)


def test_the_same_file_gives_the_same_bytes() -> None:
    onnx = pytest.importorskip("onnx", reason="onnx builds the weights")
    converted = dlib_to_onnx.convert(SMALL)
    assert converted == dlib_to_onnx.convert(SMALL)
    graph = onnx.load_model_from_string(converted).graph
    assert [value.name for value in graph.input] == ["chips"]
    assert [value.name for value in graph.output] == ["embeddings"]


@pytest.mark.parametrize(
    ("outer", "complaint"),
    [
        ((text("relu_"),), "without affine"),
        ((affine([1, 1], [0, 0]), text("add_prev_")), "without a tag"),
        ((affine([1, 1], [0, 0]), None, None, text("add_prev_")), "without a tag"),
    ],
)
def test_layers_in_another_order_are_refused(
    outer: tuple[bytes | None, ...], complaint: str
) -> None:
    pytest.importorskip("onnx", reason="onnx builds the weights")
    with pytest.raises(FormatError, match=complaint):
        dlib_to_onnx.convert(network(*outer))


def test_tensors_are_little_endian_whatever_the_machine() -> None:
    stored = integers(2, 1, 1, 1, 2) + struct.pack("<2f", 1.5, -2.0)
    assert Reader(stored).tensor().tolist() == [1.5, -2.0]
