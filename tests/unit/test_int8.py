"""Rounding a network to whole numbers of eight bits, on small networks; needs onnx alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facefind.inference import weights
from models import dlib_to_int8, int8

onnx = pytest.importorskip("onnx", reason="onnx builds the weights")

SIDE = 8
MEAN = np.array([120.0, 110.0, 100.0])
RANDOM = np.random.RandomState(5)
FIRST = RANDOM.normal(0, 1, (6, 3, 3, 3)).astype(np.float32)
SECOND = RANDOM.normal(0, 0.3, (6, 6, 3, 3)).astype(np.float32)
BIASES = RANDOM.normal(0, 0.5, (2, 6)).astype(np.float32)
PIXELS = RANDOM.randint(0, 256, (4, 3, SIDE, SIDE)).astype(np.float32)


def network(pads: list[int] | None = None) -> Any:
    """Normalisation, convolution, rectifier, padding, convolution, an addition and a rectifier."""
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    constants = {
        "mean": MEAN.astype(np.float32).reshape(1, 3, 1, 1),
        "factor": np.array([1 / 256], np.float32),
        "w1": FIRST,
        "b1": BIASES[0],
        "w2": SECOND,
        "b2": BIASES[1],
        "rows": np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64),
    }
    nodes = [
        helper.make_node("Sub", ["pixels", "mean"], ["centred"]),
        helper.make_node("Mul", ["centred", "factor"], ["scaled"]),
        helper.make_node("Conv", ["scaled", "w1", "b1"], ["one"], pads=pads or [0, 0, 0, 0]),
        helper.make_node("Relu", ["one"], ["rectified"]),
        helper.make_node("Pad", ["rectified", "rows"], ["padded"], mode="constant"),
        helper.make_node("Conv", ["padded", "w2", "b2"], ["two"]),
        helper.make_node("Add", ["two", "rectified"], ["sum"]),
        helper.make_node("Relu", ["sum"], ["answer"]),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "small",
        [value("pixels", onnx.TensorProto.FLOAT, ["N", 3, SIDE, SIDE])],
        [value("answer", onnx.TensorProto.FLOAT, ["N", 6, SIDE - 2, SIDE - 2])],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    opset = [helper.make_opsetid("", 19)]
    return helper.make_model(graph, opset_imports=opset, ir_version=9)


def values(model: Any, *names: str) -> list[NDArray[np.float32]]:
    """What a network gives for `PIXELS`, or holds on the way, by onnx's own reference."""
    asked = onnx.ModelProto()
    asked.CopyFrom(model)
    del asked.graph.output[:]
    asked.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names
    )
    reference = pytest.importorskip("onnx.reference", reason="onnx builds the weights")
    answers: list[NDArray[np.float32]] = reference.ReferenceEvaluator(asked).run(
        None, {"pixels": PIXELS}
    )
    return answers


def ranges_of(model: Any, *names: str) -> dict[str, tuple[float, float]]:
    found = values(model, *names)
    return {n: (float(v.min()), float(v.max())) for n, v in zip(names, found, strict=True)}


def quantised() -> tuple[Any, Any]:
    """The folded network, and what becomes of it."""
    exact = network()
    mean = int8.fold_normalisation(exact)
    ranges = ranges_of(exact, "rectified", "two")
    return exact, int8.quantise(exact, {"pixels": (0, 255), **ranges}, {"pixels": mean})


def test_folding_the_normalisation_changes_no_answer() -> None:
    folded = network()
    mean = int8.fold_normalisation(folded)
    np.testing.assert_allclose(mean, MEAN)
    assert [node.op_type for node in folded.graph.node][:2] == ["Conv", "Relu"]
    (wanted,), (found,) = values(network(), "answer"), values(folded, "answer")
    assert wanted.max() > 1
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_what_does_not_begin_with_a_normalisation_is_refused() -> None:
    folded = network()
    int8.fold_normalisation(folded)
    with pytest.raises(ValueError, match="does not begin"):
        int8.fold_normalisation(folded)
    with pytest.raises(ValueError, match="padding"):
        int8.fold_normalisation(network(pads=[1, 1, 1, 1]))


def test_a_rounded_network_answers_nearly_the_same() -> None:
    exact, rounded = quantised()
    (wanted,), (found,) = values(exact, "answer"), values(rounded, "answer")
    error = np.abs(found - wanted)
    assert 0 < error.max() < 0.04 * wanted.max()
    assert error.mean() < 0.01 * wanted.max()


def test_weights_are_whole_numbers_that_leave_room_for_a_sum_of_two_products() -> None:
    _, rounded = quantised()
    held = {t.name: onnx.numpy_helper.to_array(t) for t in rounded.graph.initializer}
    whole = [value for value in held.values() if value.dtype == np.int8 and value.ndim == 4]
    assert len(whole) == 2
    for value in whole:
        assert np.abs(value.astype(int)).max() == int8.LARGEST_WEIGHT
    assert 2 * 255 * int8.LARGEST_WEIGHT < 2**15
    assert not {"w1", "b1", "w2", "b2", "mean", "factor"} & held.keys()


def test_padding_keeps_the_scale_of_what_it_pads() -> None:
    _, rounded = quantised()
    held = {t.name: onnx.numpy_helper.to_array(t) for t in rounded.graph.initializer}
    assert held["padded_step"] == held["rectified_step"]
    assert held["padded_zero"] == held["rectified_zero"] == 0


def test_a_mean_corrects_what_rounding_the_weights_shifts() -> None:
    exact = network()
    mean = int8.fold_normalisation(exact)
    ranges = {"pixels": (0.0, 255.0)}
    (wanted,) = values(exact, "one")
    errors = []
    for means in ({"pixels": mean}, {}):
        (found,) = values(int8.quantise(exact, ranges, means), "one")
        errors.append(float(np.abs((found - wanted).mean(axis=(0, 2, 3))).max()))
    assert errors[0] < errors[1] / 2


def test_the_same_network_gives_the_same_bytes() -> None:
    first, second = (quantised()[1].SerializeToString(deterministic=True) for _ in range(2))
    assert first == second


VARIANTS = {"int8-1": "68c8e7e79239ecf7ebd68d5f6a30aa1b1100e43661e385a2674d7a62c936d2a5"}
"""What each variant in ``dlib_resnet_int8.toml`` is made of, see `makings`; the last is today's."""


def test_another_rounding_is_another_variant() -> None:
    today = (weights.records()["dlib_resnet_int8"].variant, sha256(makings()))
    assert today == list(VARIANTS.items())[-1], (
        "The rounded network computes something else than before, so vectors of before cannot be "
        "compared with its own. Give models/dlib_resnet_int8.toml a new `variant`, so that events "
        "of before are known for what they are, and add it to VARIANTS with this digest."
    )


def makings() -> Iterator[bytes]:
    """What the rounded network is made with: measured ranges, rules, and a small network's result.

    Of the latter only what it computes, however a version of onnx writes it down.
    """
    ranges = json.loads(dlib_to_int8.RANGES.read_text("utf-8"))["ranges"]
    yield json.dumps(ranges, sort_keys=True).encode()
    yield repr((dlib_to_int8.PIXELS, dlib_to_int8.NOT_ROUNDED, int8.UNCHANGED)).encode()
    exact = network()
    mean = int8.fold_normalisation(exact)
    known = {"pixels": (0.0, 255.0), "rectified": (0.0, 4.0), "two": (-6.0, 5.0)}
    graph = int8.quantise(exact, known, {"pixels": mean}).graph
    for node in graph.node:
        attributes = sorted((a.name, onnx.helper.get_attribute_value(a)) for a in node.attribute)
        yield repr((node.op_type, [*node.input], [*node.output], attributes)).encode()
    for tensor in graph.initializer:
        held = onnx.numpy_helper.to_array(tensor)
        yield repr((tensor.name, held.dtype.str, held.shape)).encode() + held.tobytes()


def sha256(parts: Iterator[bytes]) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8, "little") + part)
    return whole.hexdigest()


def test_a_range_of_a_tensor_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="not in the network: elsewhere"):
        int8.quantise(network(), {"elsewhere": (0, 1)})


@pytest.mark.parametrize(
    ("low", "high", "zero"), [(0, 5, 0), (-1, 1, 127), (-3, 0, 255), (2, 4, 0), (-1, 3, 64)]
)
def test_a_scale_reaches_over_its_range_and_has_a_number_for_nothing(
    low: float, high: float, zero: int
) -> None:
    step, found = int8.scale_of(low, high)
    assert found == zero
    assert (0 - found) * step == pytest.approx(min(low, 0), abs=float(step))
    assert (255 - found) * step == pytest.approx(max(high, 0), abs=float(step))


def test_a_range_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no range"):
        int8.scale_of(0, 0)


def test_a_channel_of_zeros_stays_one() -> None:
    weights = np.zeros((2, 1, 1, 1), np.float32)
    weights[1] = -0.5
    whole, steps = int8.quantise_weights(weights)
    assert whole.ravel().tolist() == [0, -int8.LARGEST_WEIGHT]
    assert steps.tolist() == [1, 0.5 / int8.LARGEST_WEIGHT]
