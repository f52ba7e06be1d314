"""Writes a network that costs what imgbeddings' does: CLIP's ViT-B/32, quantised, random weights.

The published ``patch32_v1.onnx`` is CLIP's picture tower (12 layers of 768 numbers, 12 heads, 50
tokens), dynamically quantised to 8 bits by onnxruntime. This is one of the same shape, with the
processor's published settings beside it where imgbeddings looks for them.

    python clip_standin.py FOLDER
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

WIDTH, LAYERS, HEADS, PATCH, GRID = 768, 12, 12, 32, 7
TOKENS = GRID * GRID + 1

PROCESSOR = {
    "crop_size": 224,
    "do_center_crop": True,
    "do_normalize": True,
    "do_resize": True,
    "feature_extractor_type": "CLIPFeatureExtractor",
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "resample": 3,
    "size": 224,
}


class Graph:
    """Nodes and weights as they are added."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(0)
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def weight(self, *shape: int, of: float | None = None) -> str:
        """A weight's name; random values, or all the same."""
        name = f"w{len(self.weights)}"
        scale = 0.7 / np.sqrt(shape[0])
        values = self.random.normal(0, scale, shape) if of is None else np.full(shape, of)
        self.weights.append(numpy_helper.from_array(values.astype(np.float32), name))
        return name

    def whole(self, *values: int) -> str:
        """Whole numbers' name."""
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.array(values, np.int64), name))
        return name

    def do(self, kind: str, *given: str, **attributes: Any) -> str:
        """A node's output."""
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(given), [name], **attributes))
        return name

    def linear(self, given: str, inside: int, outside: int) -> str:
        """A matrix and a bias."""
        product = self.do("MatMul", given, self.weight(inside, outside))
        return self.do("Add", product, self.weight(outside, of=0.0))

    def normed(self, given: str) -> str:
        """Layer norm."""
        scale, bias = self.weight(WIDTH, of=1.0), self.weight(WIDTH, of=0.0)
        return self.do("LayerNormalization", given, scale, bias, axis=-1, epsilon=1e-5)

    def attention(self, given: str) -> str:
        """Attention with `HEADS` heads."""
        shape = self.whole(0, 0, HEADS, WIDTH // HEADS)
        query, key, value = (
            self.do("Reshape", self.linear(given, WIDTH, WIDTH), shape) for _ in range(3)
        )
        query = self.do("Transpose", query, perm=[0, 2, 1, 3])
        key = self.do("Transpose", key, perm=[0, 2, 3, 1])
        value = self.do("Transpose", value, perm=[0, 2, 1, 3])
        scaled = self.do("Mul", query, self.weight(1, of=(WIDTH / HEADS) ** -0.5))
        weights = self.do("Softmax", self.do("MatMul", scaled, key), axis=-1)
        mixed = self.do("Transpose", self.do("MatMul", weights, value), perm=[0, 2, 1, 3])
        return self.linear(self.do("Reshape", mixed, self.whole(0, 0, WIDTH)), WIDTH, WIDTH)

    def layer(self, given: str) -> str:
        """A layer of the transformer, with CLIP's quick GELU."""
        given = self.do("Add", given, self.attention(self.normed(given)))
        wide = self.linear(self.normed(given), WIDTH, 4 * WIDTH)
        gate = self.do("Sigmoid", self.do("Mul", wide, self.weight(1, of=1.702)))
        back = self.linear(self.do("Mul", wide, gate), 4 * WIDTH, WIDTH)
        return self.do("Add", given, back)


def write(folder: Path) -> None:
    """The network and the processor's settings."""
    folder.mkdir(parents=True, exist_ok=True)
    full = folder / "full.onnx"
    onnx.save(_tower(), str(full))
    quantize_dynamic(str(full), str(folder / "new.onnx"), weight_type=QuantType.QUInt8)
    full.unlink()
    write_processor(folder)
    (folder / "new.onnx").replace(folder / "patch32_v1.onnx")


def write_processor(folder: Path) -> None:
    """What imgbeddings looks for in the folder that it runs in: the processor's published settings.

    And a tokenizer of four words, which no picture needs.
    """
    processor = folder / "openai" / "clip-vit-base-patch32"
    processor.mkdir(parents=True, exist_ok=True)
    files = {
        "preprocessor_config.json": json.dumps(PROCESSOR),
        "tokenizer_config.json": json.dumps({"tokenizer_class": "CLIPTokenizer"}),
        "vocab.json": json.dumps({"<|startoftext|>": 0, "<|endoftext|>": 1, "a": 2, "a</w>": 3}),
        "merges.txt": "#version: 0.2\n",
    }
    for name, text in files.items():
        (processor / name).write_text(text, encoding="utf-8")


def _tower() -> Any:
    graph = Graph()
    shape: list[str | int | None] = ["N", 3, PATCH * GRID, PATCH * GRID]
    patches = graph.weight(WIDTH, 3, PATCH, PATCH)
    seen = graph.do("Conv", "pixel_values", patches, strides=[PATCH, PATCH])
    tokens = graph.do("Reshape", seen, graph.whole(0, WIDTH, GRID * GRID))
    tokens = graph.do("Transpose", tokens, perm=[0, 2, 1])
    # The token for the whole picture begins as a patch here: it is as much work.
    first = graph.do("Slice", tokens, graph.whole(0), graph.whole(1), graph.whole(1))
    tokens = graph.do("Concat", first, tokens, axis=1)
    tokens = graph.normed(graph.do("Add", tokens, graph.weight(TOKENS, WIDTH)))
    for _ in range(LAYERS):
        tokens = graph.layer(tokens)
    pooled = graph.do("Gather", graph.normed(tokens), graph.whole(0), axis=1)
    graph.nodes.append(
        helper.make_node("Reshape", [pooled, graph.whole(0, WIDTH)], ["embeddings"], allowzero=0)
    )
    made = helper.make_graph(
        graph.nodes,
        "stand-in",
        [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["N", WIDTH])],
        graph.weights,
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
