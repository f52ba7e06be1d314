"""Follows docs/add-a-model.md, step by step, with a toy: bright squares are faces, their colour is
whom they show."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from PIL import Image as PillowImage

from facefind.cli.main import run
from facefind.geometry import crop
from facefind.inference import weights
from facefind.inference.options import option
from facefind.inference.pipeline import PIPELINES, PipelineSpec
from facefind.inference.protocols import Model, Pictured
from facefind.resources import resource_dir
from facefind.store import migrate
from facefind.types import Box, Detection, Embeddings, FloatArray, Image
from tests.program import REPO
from tests.weights_server import Script, served

SIDE = 16
COLOURS = {"ann": (250, 10, 10), "bob": (10, 250, 10), "cas": (10, 10, 250)}
PLACES = ((16, 16), (64, 48), (112, 32))
"""Left and top of a square in a photo, one for each photo of a person."""


# --- step 2: the back ends ------------------------------------------------------------------------


@dataclass(frozen=True)
class ToySettings:
    threshold: float = option(0.5, 0.1, 1.0, "brightness from which a square counts")


class ToyDetector:
    """Network: input ``photo`` (1, 3, H, W) float32, RGB 0..255, sides multiples of 16; output
    ``heat`` (1, 1, H / 16, W / 16): the brightest channel's mean, 0..1."""

    def __init__(self, model: Model, settings: ToySettings) -> None:
        self._model = model
        self._settings = settings

    def detect(self, image: Image) -> list[Detection]:
        height, width = (-(-side // SIDE) * SIDE for side in image.shape[:2])
        blob = np.zeros((1, 3, height, width), np.float32)
        blob[0, :, : image.shape[0], : image.shape[1]] = image.transpose(2, 0, 1)
        (heat,) = self._model.run({"photo": blob})
        return decode(heat[0, 0], self._settings.threshold)


def decode(heat: FloatArray, threshold: float) -> list[Detection]:
    """A face in each cell of (h, w) from the threshold on, in pixels."""
    return [
        Detection(Box(float(x * SIDE), float(y * SIDE), SIDE, SIDE), float(heat[y, x]))
        for y, x in np.argwhere(heat >= threshold)
    ]


def align(faces: Iterable[Pictured]) -> list[Image]:
    return [crop(image, face.box) for image, face in faces]


class ToyEmbedder:
    """Network: input ``chips`` (N, 3, 16, 16) float32, RGB 0..255; output (N, 3), mean colours."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def embed(self, chips: Sequence[Image]) -> Embeddings:
        if not chips:
            return Embeddings(np.zeros((0, 3), np.float32))
        blob = np.stack(chips).transpose(0, 3, 1, 2).astype(np.float32)
        (colours,) = self._model.run({"chips": blob})
        return Embeddings(colours / np.linalg.norm(colours, axis=1, keepdims=True))


# --- step 3: the row ------------------------------------------------------------------------------

TOY = PipelineSpec(
    name="toy",
    title="bright squares, told apart by colour",
    dimension=3,
    threshold=0.5,
    weights=("toy_finder", "toy_namer"),
    settings=ToySettings,
    detector=lambda settings, model: ToyDetector(model("toy_finder"), settings),
    align=lambda _: align,
    embedder=lambda model: ToyEmbedder(model("toy_namer")),
)

# --- step 5: the index ----------------------------------------------------------------------------

INDEX = """-- The nearest faces of pipeline "toy" without reading all of them.
CREATE INDEX faces_hnsw_toy ON faces
    USING hnsw ((embedding::vector(3)) vector_l2_ops)
    WHERE pipeline = 'toy';
"""


# --- what the toy stands on -----------------------------------------------------------------------


def finder() -> bytes:
    nodes = [
        helper.make_node("ReduceMax", ["photo"], ["bright"], axes=[1], keepdims=1),
        helper.make_node("Mul", ["bright", "scale"], ["scaled"]),
        helper.make_node(
            "AveragePool", ["scaled"], ["heat"], kernel_shape=[SIDE, SIDE], strides=[SIDE, SIDE]
        ),
    ]
    scale = helper.make_tensor("scale", TensorProto.FLOAT, [1], [1 / 255])
    return network(nodes, ("photo", [1, 3, "H", "W"]), ("heat", [1, 1, "h", "w"]), [scale])


def namer() -> bytes:
    nodes = [helper.make_node("ReduceMean", ["chips"], ["colours"], axes=[2, 3], keepdims=0)]
    return network(nodes, ("chips", ["N", 3, SIDE, SIDE]), ("colours", ["N", 3]), [])


def network(nodes: Any, given: tuple[str, Any], answer: tuple[str, Any], constants: Any) -> bytes:
    given_info, answer_info = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (given, answer)
    )
    graph = helper.make_graph(nodes, "toy", [given_info], [answer_info], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)])
    model.ir_version = 6
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


FILES = {"toy_finder": finder(), "toy_namer": namer()}


def record(name: str, url: str) -> str:
    """Step 1: what a weight file is and where it comes from."""
    data = FILES[name]
    return (
        f'name = "{name}"\ntitle = "{name}"\nused_by = ["toy"]\nsource = "download"\n'
        f'file = "{name}.onnx"\nurl = "{url}/{name}.onnx"\n'
        f'sha256 = "{hashlib.sha256(data).hexdigest()}"\nsize = {len(data)}\n'
        'licence = "MIT"\nlicence_url = "https://example.org"\n'
        '[input]\nname = "x"\nshape = ["N"]\ncolour = "RGB"\nrange = [0, 255]\n'
        '[[output]]\nname = "y"\nshape = ["N"]\nmeaning = "z"\n'
    )


def photo(path: Path, *squares: tuple[tuple[int, int, int], tuple[int, int]]) -> Path:
    """A dark picture with a square of each colour at each place."""
    picture = PillowImage.new("RGB", (160, 96), (30, 30, 30))
    for colour, (left, top) in squares:
        picture.paste(colour, (left, top, left + SIDE, top + SIDE))
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
    return path


Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    """facefind with the toy in place: records, row and index; a server has its weights."""
    script = Script()
    for name in ("HF_ENDPOINT", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for folder in ("models", "sql"):
        shutil.copytree(resource_dir(folder), tmp_path / folder)
    version = len(migrate.migrations()) + 1
    (tmp_path / "sql" / f"{version:04}_index_toy.sql").write_text(INDEX)

    def with_the_toys(name: str) -> Path:
        return tmp_path / name if (tmp_path / name).is_dir() else resource_dir(name)

    monkeypatch.setattr(weights, "resource_dir", with_the_toys)
    monkeypatch.setattr(migrate, "resource_dir", with_the_toys)
    monkeypatch.setitem(PIPELINES, "toy", TOY)
    with served(script) as url:
        for name in FILES:
            (tmp_path / "models" / f"{name}.toml").write_text(record(name, url))
        yield script


@pytest.fixture
def cli(
    script: Script,
    tmp_path: Path,
    empty_database_url: str,
    capsys: pytest.CaptureFixture[str],
) -> Cli:
    def call(*arguments: object) -> tuple[int, str, str]:
        place = ["--home", str(tmp_path / "home"), "--database-url", empty_database_url]
        with pytest.raises(SystemExit) as stopped:
            run([*place, *map(str, arguments)])
        assert isinstance(stopped.value.code, int)
        return stopped.value.code, *capsys.readouterr()

    return call


def read(answer: tuple[int, str, str]) -> Mapping[str, Any]:
    code, out, err = answer
    assert code == 0, err
    value: dict[str, Any] = json.loads(out)
    return value


def pull(cli: Cli, script: Script) -> None:
    for name, data in FILES.items():
        script.data = data
        assert cli("models", "pull", name)[0] == 0


# --- the checklist --------------------------------------------------------------------------------


def test_step_1_the_records_are_listed_and_their_files_pulled(cli: Cli, script: Script) -> None:
    def states() -> dict[str, str]:
        rows = read(cli("models", "--json"))["models"]
        return {row["name"]: row["state"] for row in rows if row["used_by"] == ["toy"]}

    assert states() == {"toy_finder": "missing", "toy_namer": "missing"}
    pull(cli, script)
    assert states() == {"toy_finder": "downloaded", "toy_namer": "downloaded"}
    pulled = read(cli("models", "pull", "toy", "--json"))["weights"]
    assert [row["name"] for row in pulled] == ["toy_finder", "toy_namer"]
    assert len(script.asked) == 2


def test_steps_2_and_4_the_decode_is_checked_by_a_case_worked_out_by_hand() -> None:
    heat: NDArray[np.float32] = np.zeros((2, 3), np.float32)
    heat[1, 2], heat[0, 0] = 0.75, 0.49
    (face,) = decode(heat, threshold=0.5)
    assert (face.box, face.score) == (Box(32, 16, 16, 16), 0.75)


def test_step_3_the_row_takes_settings_and_misses_its_weights(cli: Cli, tmp_path: Path) -> None:
    shown = photo(tmp_path / "a.png", (COLOURS["ann"], PLACES[0]))
    code, _, err = cli("ingest", shown, "--pipeline", "toy", "--set", "detector.size=1")
    assert code == 2
    assert "detector.threshold=0.5" in err
    code, _, err = cli("ingest", shown, "--pipeline", "toy")
    assert code == 2
    assert "The weights toy_finder (toy_finder.onnx) are missing." in err
    assert "facefind models pull toy" in err


def test_steps_3_and_5_photos_are_ingested_and_people_found(
    cli: Cli, script: Script, tmp_path: Path
) -> None:
    pull(cli, script)
    event = tmp_path / "party"
    both = photo(event / "both.png", (COLOURS["ann"], PLACES[0]), (COLOURS["bob"], PLACES[1]))
    bob = photo(event / "bob.png", (COLOURS["bob"], PLACES[2]))
    photo(event / "nobody.png")
    report = read(cli("ingest", event, "--pipeline", "toy", "--json"))
    assert report["faces"] == 3
    portrait = photo(tmp_path / "portrait.png", (COLOURS["ann"], PLACES[1]))
    matches = read(cli("who", portrait, "--json"))["matches"]
    assert [match["photo"] for match in matches] == [str(both)]
    portrait = photo(tmp_path / "portrait.png", (COLOURS["bob"], PLACES[0]))
    matches = read(cli("who", portrait, "--json"))["matches"]
    assert {match["photo"] for match in matches} == {str(both), str(bob)}


def test_step_6_it_is_measured_on_a_folder_of_people(
    cli: Cli, script: Script, tmp_path: Path
) -> None:
    pull(cli, script)
    for name, colour in COLOURS.items():
        for number, place in enumerate(PLACES):
            photo(tmp_path / "people" / name / f"{number}.png", (colour, place))
    report = read(cli("evaluate", tmp_path / "people", "--pipeline", "toy", "--json"))
    assert report["people"] == 3
    assert report["accuracy"]["value"] == 1.0


def test_the_checklist_has_these_steps() -> None:
    text = (REPO / "docs" / "add-a-model.md").read_text(encoding="utf-8")
    steps = [line for line in text.splitlines() if line.startswith("## ")]
    assert [step.split(".")[0] for step in steps[:6]] == [f"## {n}" for n in range(1, 7)]
    assert "tests/integration/test_add_a_model.py" in text
