"""Loading, GPU fallback and error translation, with a stand-in for onnxruntime."""

from __future__ import annotations

import ctypes
import logging
import re
import sys
import threading
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facefind.errors import InferenceError, RuntimeMissing, SetupError, WeightsError
from facefind.inference import session as session_module
from facefind.inference.session import (
    Session,
    _log_once,
    check_runtime,
    driver_finds_gpu,
    loads_quietly,
)
from facefind.settings import Device

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
FEEDS = {"x": np.ones((1, 2), np.float32)}
PATH = Path("network.onnx")


class FakeRuntime(types.ModuleType):
    """As much of onnxruntime as facefind uses.

    Attributes:
        available: Providers compiled in.
        gpu: What becomes of a session on the GPU: "works", "absent" (silently on the processor),
            "refuses" (cannot be made) or "breaks" (cannot be run).
        made: Providers of every session made.
    """

    def __init__(self, available: tuple[str, ...] = (CPU,), gpu: str = "works") -> None:
        super().__init__("onnxruntime")
        self.available, self.gpu = available, gpu
        self.made: list[list[str]] = []
        self.options: Any = None
        self.InferenceSession = self._session

    def get_available_providers(self) -> list[str]:
        return list(self.available)

    def SessionOptions(self) -> Any:  # noqa: N802
        entries: dict[str, str] = {}
        self.options = types.SimpleNamespace(
            entries=entries, add_session_config_entry=entries.__setitem__
        )
        return self.options

    def _session(self, path: str, *, sess_options: Any, providers: list[Any], **_: Any) -> Any:
        names = [name if isinstance(name, str) else name[0] for name in providers]
        self.made.append(names)
        if "damaged" in path or (CUDA in names and self.gpu == "refuses"):
            raise RuntimeError("protobuf parsing failed")
        active = [CPU] if self.gpu == "absent" else names

        def run(_: None, feeds: dict[str, Any]) -> list[Any]:
            if "x" not in feeds or (CUDA in active and self.gpu == "breaks"):
                raise ValueError("required inputs are missing")
            return [feeds["x"] * 2]

        return types.SimpleNamespace(get_providers=lambda: active, run=run)


@pytest.fixture(autouse=True)
def _forget_warnings() -> None:
    _log_once.cache_clear()


def install(
    monkeypatch: pytest.MonkeyPatch, runtime: types.ModuleType | None, *, driver: bool = True
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", runtime)
    monkeypatch.setattr(session_module, "driver_finds_gpu", lambda: driver)


def records_from(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [record.message for record in caplog.records if record.levelno >= level]


def test_run_loads_once_and_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = FakeRuntime()
    install(monkeypatch, runtime)
    session = Session(PATH, threads=3)
    assert runtime.made == []
    assert session.run(FEEDS)[0].tolist() == [[2, 2]]
    session.run(FEEDS)
    assert runtime.made == [[CPU]]
    assert runtime.options.intra_op_num_threads == 3
    assert runtime.options.entries == {"session.intra_op.allow_spinning": "0"}
    assert runtime.options.enable_mem_pattern is False


def test_a_network_that_was_loaded_before_is_not_loaded_by_its_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runtime = FakeRuntime()
    install(monkeypatch, runtime)
    session = Session(PATH)
    session.load()
    assert len(runtime.made) == 1
    session.run(FEEDS)
    assert len(runtime.made) == 1


@pytest.mark.parametrize(
    ("available", "driver", "device", "quiet"),
    [
        ((CPU,), True, "auto", True),
        ((CUDA, CPU), False, "auto", True),
        ((CUDA, CPU), True, "auto", False),
        ((CUDA, CPU), True, "cuda", False),
        ((CUDA, CPU), True, "cpu", True),
    ],
)
def test_networks_load_in_a_thread_unless_cuda_takes_over_stdout(
    available: tuple[str, ...],
    driver: bool,
    device: Device,
    quiet: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(monkeypatch, FakeRuntime(available), driver=driver)
    assert loads_quietly(device) == quiet


def test_threads_that_start_together_load_once(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = FakeRuntime()
    install(monkeypatch, runtime)
    session = Session(PATH)
    gate = threading.Barrier(8)
    answers: list[Any] = []

    def ask() -> None:
        gate.wait()
        answers.extend(session.run(FEEDS))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    assert len(runtime.made) == 1


def test_the_gpu_is_used_where_it_works(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = FakeRuntime((CUDA, CPU))
    install(monkeypatch, runtime)
    session = Session(PATH)
    assert session.on_gpu
    assert runtime.made == []
    session.run(FEEDS)
    assert session.on_gpu
    assert runtime.made == [[CUDA, CPU]]
    assert caplog.records == []


@pytest.mark.parametrize(
    ("available", "driver"), [((CPU,), True), ((CPU,), False), ((CUDA, CPU), False)]
)
def test_no_gpu_is_nothing_to_warn_of(
    available: tuple[str, ...],
    driver: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    runtime = FakeRuntime(available)
    install(monkeypatch, runtime, driver=driver)
    caplog.set_level(logging.INFO)
    for session in (Session(PATH), Session(PATH)):
        assert session.run(FEEDS)[0].tolist() == [[2, 2]]
        assert not session.on_gpu
    assert runtime.made == [[CPU], [CPU]]
    assert records_from(caplog, logging.WARNING) == []
    assert len(records_from(caplog, logging.INFO)) == 1


def test_the_processor_is_used_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = FakeRuntime((CUDA, CPU))
    install(monkeypatch, runtime)
    session = Session(PATH, device="cpu")
    assert not session.on_gpu
    session.run(FEEDS)
    assert not session.on_gpu
    assert runtime.made == [[CPU]]


@pytest.mark.parametrize(
    ("available", "driver", "reason", "hint"),
    [
        ((CPU,), True, "processors only", r"pip install 'facefind\[gpu\]'"),
        ((CUDA, CPU), False, "no NVIDIA driver", "nvidia-smi"),
    ],
)
def test_a_gpu_that_is_asked_for_and_not_there_is_an_error_that_says_what_is_missing(
    available: tuple[str, ...],
    driver: bool,
    reason: str,
    hint: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(monkeypatch, FakeRuntime(available), driver=driver)
    check_runtime("auto")
    check_runtime("cpu")
    with pytest.raises(SetupError, match=reason) as caught:
        check_runtime("cuda")
    assert re.search(hint, caught.value.hint)
    with pytest.raises(SetupError, match=reason):
        Session(PATH, device="cuda").run(FEEDS)


@pytest.mark.parametrize(
    ("gpu", "reason", "made"),
    [
        ("absent", "cannot load what it needs", [[CUDA, CPU]] * 2),
        ("refuses", "parsing failed", [[CUDA, CPU]] * 2),
        ("breaks", "inputs are missing", [[CUDA, CPU], [CPU]]),
    ],
)
def test_a_gpu_that_is_asked_for_and_fails_is_not_left(
    gpu: str, reason: str, made: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = FakeRuntime((CUDA, CPU), gpu)
    install(monkeypatch, runtime)
    check_runtime("cuda")
    session = Session(PATH, device="cuda")
    for _ in range(2):
        with pytest.raises(SetupError, match=reason) as caught:
            session.run(FEEDS)
        assert "--device cuda" in caught.value.hint
    assert runtime.made == made


def test_what_the_processor_refuses_too_is_not_the_fault_of_the_gpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runtime = FakeRuntime((CUDA, CPU))
    install(monkeypatch, runtime)
    session = Session(PATH, device="cuda")
    for _ in range(2):
        with pytest.raises(InferenceError, match="inputs are missing"):
            session.run({})
    assert session.run(FEEDS)[0].tolist() == [[2, 2]]
    assert session.on_gpu
    assert runtime.made == [[CUDA, CPU], [CPU]]


@pytest.mark.parametrize(
    ("initialised", "counted", "gpus", "found"),
    [(0, 0, 1, True), (0, 0, 0, False), (100, 0, 0, False), (999, 999, 0, True)],
    ids=["one", "none", "no device", "ailing"],
)
def test_the_driver_is_asked_for_gpus(
    initialised: int, counted: int, gpus: int, found: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def count(pointer: Any) -> int:
        pointer._obj.value = gpus
        return counted

    driver = types.SimpleNamespace(cuInit=lambda _: initialised, cuDeviceGetCount=count)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: driver)
    assert driver_finds_gpu.__wrapped__() is found


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_no_driver_is_no_gpu(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert driver_finds_gpu.__wrapped__() is False


@pytest.mark.parametrize("gpu", ["absent", "refuses", "breaks"])
def test_a_gpu_that_fails_is_left_with_one_warning(
    gpu: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = FakeRuntime((CUDA, CPU), gpu)
    install(monkeypatch, runtime)
    for session in (Session(PATH), Session(PATH)):
        answers = [session.run(FEEDS)[0].tolist() for _ in range(3)]
        assert answers == [[[2, 2]]] * 3
        assert not session.on_gpu
    assert runtime.made == [[CUDA, CPU], [CPU]] * 2
    warnings = records_from(caplog, logging.WARNING)
    assert len(warnings) == 1
    assert "GPU" in warnings[0]


def test_what_onnxruntime_prints_while_it_looks_for_cuda_stays_off_stdout(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime = FakeRuntime((CUDA, CPU))
    calls: list[str] = []

    def preload_dlls() -> None:
        calls.append("preload")
        print("Failed to load libcublas")

    runtime.__dict__["preload_dlls"] = preload_dlls
    install(monkeypatch, runtime)
    Session(PATH).run(FEEDS)
    assert calls == ["preload"]
    assert capsys.readouterr().out == ""


def test_a_damaged_file_and_wrong_inputs_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, FakeRuntime())
    with pytest.raises(WeightsError, match=r"damaged\.onnx cannot be loaded"):
        Session(Path("damaged.onnx")).run(FEEDS)
    with pytest.raises(InferenceError, match="required inputs"):
        Session(PATH).run({})


def test_no_runtime_names_both_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, None)
    with pytest.raises(RuntimeMissing) as caught:
        check_runtime()
    assert str(caught.value) == (
        "No onnxruntime is installed. Install one: pip install 'facefind[cpu]' or, with an NVIDIA "
        "GPU, pip install 'facefind[gpu]'."
    )


def test_the_remains_of_a_removed_runtime_count_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, types.ModuleType("onnxruntime"))
    with pytest.raises(RuntimeMissing, match="remains"):
        check_runtime()


def test_a_runtime_that_does_not_load_is_no_missing_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('DLL load failed')")
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SetupError, match="DLL load failed") as caught:
        check_runtime()
    assert not isinstance(caught.value, RuntimeMissing)
