"""Runs ONNX files: the only importer of onnxruntime.

A session is loaded when it is first run. It uses an NVIDIA GPU where onnxruntime-gpu is installed
and there is one, else the processor; a GPU that is there and fails is left with one warning, or
with an error where it was asked for.

A network's threads are as many as its user says: one for those who run it from several threads of
their own, which is the fastest way through many photos; all cores for a single picture.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import io
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any, NoReturn

from numpy.typing import NDArray

from facefind.errors import InferenceError, RuntimeMissing, SetupError, WeightsError
from facefind.machine import usable_cores
from facefind.settings import Device

_log = logging.getLogger(__name__)

_CUDA = "CUDAExecutionProvider"
_CPU = "CPUExecutionProvider"
_CUDA_OPTIONS = {
    # TF32 keeps ten bits of mantissa: embeddings would differ from the processor's by 1e-3.
    "use_tf32": "0",
    # Photos come in many shapes; the default tries every algorithm out for each.
    "cudnn_conv_algo_search": "HEURISTIC",
}
_INSTALL = (
    "Install one: pip install 'facefind[cpu]' or, with an NVIDIA GPU, pip install 'facefind[gpu]'."
)


_DRIVERS = {"linux": "libcuda.so.1", "win32": "nvcuda.dll"}
"""NVIDIA's driver, by operating system."""


def check_runtime(device: Device = "auto") -> None:
    """Makes sure that onnxruntime can be used, and a GPU if that is what is asked for.

    Raises:
        RuntimeMissing: None is installed.
        SetupError: One is installed but does not load; or there is no GPU for "cuda".
    """
    runtime = _runtime()
    if device == "cuda" and (lacking := _lacking(runtime)):
        raise SetupError(f"There is no GPU to use: {lacking[0]}.", lacking[1])


def loads_quietly(device: Device) -> bool:
    """Whether networks may load in a thread: CUDA's libraries take over stdout while they do.

    Raises:
        RuntimeMissing, SetupError: As `check_runtime`.
    """
    return device == "cpu" or _lacking(_runtime()) is not None


class Session:
    """One network, ready to run from any thread; a `facefind.inference.protocols.Model`.

    Args:
        path: The ONNX file.
        threads: Threads of one run; 0 for one per core.
        device: "cuda" insists on a GPU; "auto" takes one that works.
    """

    def __init__(self, path: Path, threads: int = 0, device: Device = "auto") -> None:
        self._path = path
        self._threads = threads
        self._device = device
        self._lock = Lock()
        self._session: Any = None
        self._processor: Any = None
        self._gpu_failed = device == "cpu"

    @property
    def on_gpu(self) -> bool:
        """Whether it runs on a GPU, where large batches pay; before it is loaded, whether it is
        going to try.

        Raises:
            RuntimeMissing, SetupError: See `check_runtime`.
        """
        session = self._session  # Not waiting for a thread that is loading it.
        if session is not None:
            return _CUDA in session.get_providers()
        return not self._gpu_failed and _lacking(_runtime()) is None

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """The outputs, in the network's order, for inputs by name.

        Raises:
            RuntimeMissing, SetupError: See `check_runtime`; or a GPU was asked for and fails at
                what the processor can do.
            WeightsError: The file is no network that onnxruntime reads.
            InferenceError: The inputs do not fit the network, or memory ran out.
        """
        session = self._ready()
        try:
            return _outputs(session, feeds)
        except InferenceError as error:
            if _CUDA not in session.get_providers():
                raise
            if self._device == "cuda":
                self._blame(error, feeds)
            reason = str(error)
        return _outputs(self._leave_gpu(session, reason), feeds)

    def load(self) -> None:
        """Loads the network now rather than at its first run.

        Raises:
            RuntimeMissing, SetupError, WeightsError: As `run`.
        """
        self._ready()

    def _ready(self) -> Any:
        with self._lock:
            if self._session is None:
                self._session = self._load()
            return self._session

    def _blame(self, error: InferenceError, feeds: Mapping[str, NDArray[Any]]) -> NoReturn:
        """Ends a run that insists on the GPU with what is to blame for its failure.

        Raises:
            InferenceError: The inputs: the processor refuses them, too.
            SetupError: The GPU: it would fail with the next photo again.
        """
        with self._lock:
            if self._processor is None:
                self._processor = self._create(_runtime(), [_CPU])
            processor = self._processor
        _outputs(processor, feeds)
        raise SetupError(
            f"The GPU failed at what the processor can do. {error.message}",
            "Run the command again: what is stored stays. If it fails again, look at the GPU's "
            "memory with nvidia-smi, or leave --device cuda out.",
        ) from error

    def _leave_gpu(self, failed: Any, reason: str) -> Any:
        """The session on the processor, which takes the place of ``failed`` for good."""
        with self._lock:
            if self._session is failed:
                _log_once(logging.WARNING, f"The GPU failed, so the processor is used. {reason}")
                self._gpu_failed = True
                self._session = self._load()
            return self._session

    def _load(self) -> Any:
        runtime = _runtime()
        if not self._gpu_failed and (session := self._load_on_gpu(runtime)) is not None:
            return session
        self._gpu_failed = True
        return self._create(runtime, [_CPU])

    def _load_on_gpu(self, runtime: Any) -> Any | None:
        """A session on the GPU; None when it does not come to be there, with a warning where it
        should have."""
        if lacking := _lacking(runtime):
            self._do_without("The processor is used", lacking[0], logging.INFO)
            return None
        _preload_cuda(runtime)
        try:
            session = self._create(runtime, [(_CUDA, _CUDA_OPTIONS), _CPU])
        except WeightsError as error:
            self._do_without("The GPU cannot be used, so the processor is", error.message)
            return None
        if _CUDA not in session.get_providers():
            reason = "onnxruntime cannot load what it needs for CUDA; --debug shows why"
            self._do_without("The GPU cannot be used, so the processor is", reason)
            return None
        return session

    def _do_without(self, remark: str, reason: str, level: int = logging.WARNING) -> None:
        """Says once that there is no GPU.

        Raises:
            SetupError: It was asked for.
        """
        if self._device == "cuda":
            raise SetupError(
                f"The GPU cannot be used: {reason}.",
                "facefind[gpu] brings CUDA and cuDNN; the NVIDIA driver must be recent enough for "
                "them. Without --device cuda the processor is used.",
            )
        _log_once(level, f"{remark}: {reason}.")

    def _create(self, runtime: Any, providers: list[Any]) -> Any:
        try:
            return runtime.InferenceSession(
                str(self._path),
                sess_options=_options(runtime, self._threads),
                providers=providers,
                # Its own fallback prints to stdout, where --json output goes.
                enable_fallback=0,
            )
        except Exception as error:
            raise WeightsError(
                f"{self._path} cannot be loaded: {error}", "If it is damaged, delete and pull it."
            ) from error


def _runtime() -> Any:
    # Before the import, or onnxruntime opens a file of usage events in the user's cache folder to
    # report to its makers. Nothing of facefind reports to anybody.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        if error.name != "onnxruntime":
            raise SetupError(f"onnxruntime is installed but lacks {error.name}.") from error
        raise RuntimeMissing("No onnxruntime is installed.", _INSTALL) from error
    except ImportError as error:
        raise SetupError(f"onnxruntime is installed but does not load: {error}") from error
    if not hasattr(onnxruntime, "InferenceSession"):
        # What is left when one of the two packages is removed while both were there.
        raise RuntimeMissing("No onnxruntime is installed, only remains of one.", _INSTALL)
    return onnxruntime


def _options(runtime: Any, threads: int) -> Any:
    options = runtime.SessionOptions()
    # Its warnings are for those who make networks; what stops a run comes as an exception.
    options.log_severity_level = 2 if _log.isEnabledFor(logging.DEBUG) else 4
    # Said outright: a count that onnxruntime picks itself comes with pinning threads to cores,
    # which containers forbid.
    options.intra_op_num_threads = threads or usable_cores()
    # Idle threads that spin slow the other networks down: a pipeline runs two by turns.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # It would keep a plan, and at the next run a block of memory, for every shape of photo: two
    # threads with photos of eleven shapes then hold 750 MB instead of 520, and are no faster.
    options.enable_mem_pattern = False
    return options


def _lacking(runtime: Any) -> tuple[str, str] | None:
    """What is missing for a GPU to be used at all, and what to do about it; None for nothing."""
    if _CUDA not in runtime.get_available_providers():
        return (
            "the onnxruntime that is installed runs on processors only",
            "For an NVIDIA GPU: pip uninstall onnxruntime, then pip install 'facefind[gpu]'.",
        )
    if not driver_finds_gpu():
        return (
            "there is no NVIDIA driver, or it finds no GPU",
            "Install the driver; nvidia-smi then lists the GPU. In a container, let it in.",
        )
    return None


@functools.cache
def driver_finds_gpu() -> bool:
    """Whether NVIDIA's driver is installed and has a GPU. An ailing one counts as there."""
    try:
        driver = ctypes.CDLL(_DRIVERS.get(sys.platform, ""))
        count = ctypes.c_int(0)
        if driver.cuInit(0) == _NO_DEVICE:
            return False
        return bool(driver.cuDeviceGetCount(ctypes.byref(count)) or count.value)
    except (OSError, AttributeError):
        return False


_NO_DEVICE = 100
"""CUDA_ERROR_NO_DEVICE."""


@functools.cache
def _log_once(level: int, message: str) -> None:
    """Logs a line, but not again for the pipeline's next network."""
    _log.log(level, "%s", message)


def _preload_cuda(runtime: Any) -> None:
    """Loads CUDA's libraries from the ``nvidia-*`` packages, where they are installed so."""
    if hasattr(runtime, "preload_dlls"):
        said = io.StringIO()
        with contextlib.redirect_stdout(said):  # It reports to stdout.
            runtime.preload_dlls()
        _log.debug("preload_dlls: %s", said.getvalue())


def _outputs(session: Any, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
    try:
        return list(session.run(None, dict(feeds)))
    except Exception as error:
        raise InferenceError(f"A network refused a picture: {error}") from error
