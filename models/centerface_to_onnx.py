"""Frees CenterFace's published ONNX file from its fixed input shape.

Runs only while facefind is built; needs ``onnx``. The file says (10, 3, 32, 32), though nothing in
its graph depends on it. By hand, in the checkout::

    python -m models.centerface_to_onnx published.onnx centerface.onnx

The result takes ``input.1``, float32 (B, 3, H, W), RGB in 0..255, H and W multiples of 32, and
gives ``537`` to ``540``, (B, 1 / 2 / 2 / 10, h, w), with h = H / 4 and w = W / 4.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any


def convert(data: bytes) -> bytes:
    """The published file's bytes with symbolic batch and picture sizes.

    What the exporter left behind goes: counters that nothing reads, and the weights' names in the
    list of inputs (what stands there counts as changeable, so that the runtime cannot fold it).
    """
    import onnx

    model = onnx.load_model_from_string(data)
    graph = model.graph
    read = {name for node in graph.node for name in node.input}
    weights = {tensor.name for tensor in graph.initializer}
    _keep(graph.initializer, read)
    _keep(graph.input, read - weights)
    for value in graph.input:
        _free(value, ("B", "H", "W"))
    for value in graph.output:
        _free(value, ("B", "h", "w"))
    onnx.checker.check_model(model)
    freed: bytes = model.SerializeToString(deterministic=True)
    return freed


def _keep(entries: Any, names: set[str]) -> None:
    """Leaves only the named entries in one of a graph's lists."""
    kept = [entry for entry in entries if entry.name in names]
    del entries[:]
    entries.extend(kept)


def _free(value: Any, names: tuple[str, str, str]) -> None:
    """Names the first, third and fourth dimension of an input or output; channels stay."""
    dimensions = value.type.tensor_type.shape.dim
    for index, name in zip((0, 2, 3), names, strict=True):
        dimensions[index].dim_param = name


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: centerface_to_onnx.py PUBLISHED.onnx FILE.onnx")
    Path(sys.argv[2]).write_bytes(convert(Path(sys.argv[1]).read_bytes()))
