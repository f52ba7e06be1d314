"""Fetches two public-domain portraits that pip packages carry.

NASA's portrait of Eileen Collins lies in scikit-image's wheel, the US Navy's of Grace Hopper in
matplotlib's. The files are taken out of the wheels; the packages are not installed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models import collect

REPO = Path(__file__).resolve().parent.parent

# Any platform's wheel would do, as nothing of it is run; one is named so that its hash is known.
ASTRONAUT = collect.Bundled(
    file="astronaut.png",
    package="scikit_image",
    version="0.26.0",
    archive="scikit_image-0.26.0-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
    archive_sha256="74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
    archive_size=13711217,
    member="skimage/data/astronaut.png",
    sha256="88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    size=791555,
)
GRACE_HOPPER = collect.Bundled(
    file="grace_hopper.jpg",
    package="matplotlib",
    version="3.11.2",
    archive="matplotlib-3.11.2-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
    archive_sha256="07d9b9fa60cd4c393692f50d0bb03123242ddf61c99bb0e95e75feb354e7c1a8",
    archive_size=9854405,
    member="matplotlib/mpl-data/sample_data/grace_hopper.jpg",
    sha256="a8ca6d734765703b09728ab47fe59f473d93ae3967fc24c7c0288c3c7adb7130",
    size=61306,
)


class SampleError(Exception):
    """The portraits cannot be had; the message is one line that says what to do."""


def pip_photos(folder: Path) -> tuple[Path, Path]:
    """Places the portraits of Collins and Hopper in ``folder`` and returns their paths.

    Each is checked by sha256. What is there already stays; the wheels fetched for the rest are
    kept in the checkout's ``.cache/``, so an interrupted run goes on where it was.

    Raises:
        SampleError: They cannot be fetched; it names the files and where to put them.
    """
    wanted = (ASTRONAUT, GRACE_HOPPER)
    missing = [record for record in wanted if not _is_there(folder / record.file, record)]
    try:
        for index, record in enumerate(missing):
            with _pip_fetches(record.archive):
                data = collect.published_bytes(collect.Places(REPO), record, missing[index:], print)
            collect.write_whole(folder / record.file, data)
    except (collect.CollectError, OSError) as error:
        raise SampleError(str(error)) from error
    return folder / ASTRONAUT.file, folder / GRACE_HOPPER.file


def _is_there(path: Path, record: collect.Bundled) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == record.sha256


@contextmanager
def _pip_fetches(wheel: str) -> Iterator[None]:
    """Lets pip choose the wheel of this name, whatever machine and Python it runs on."""
    python, abi, platforms = wheel.removesuffix(".whl").split("-")[-3:]
    before = dict(os.environ)
    os.environ["PIP_ONLY_BINARY"] = ":all:"
    os.environ["PIP_IMPLEMENTATION"] = python[:2]
    os.environ["PIP_PYTHON_VERSION"] = f"{python[2]}.{python[3:]}"
    os.environ["PIP_ABI"] = abi
    os.environ["PIP_PLATFORM"] = platforms.replace(".", " ")
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
