"""Where weight files come from: bundled with facefind, downloaded, or placed by hand.

``models/*.toml`` holds one record per file. Bundled files lie in the package's ``weights`` folder,
beside their sha256 sums; the others in the user's models folder, each with a note
(``<file>.json``) of what was verified, so that not every start reads the whole file again.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from facefind.errors import WeightsError
from facefind.inference.download import (
    Patience,
    Progress,
    Wanted,
    download,
    file_sha256,
    only_one,
)
from facefind.resources import resource_dir
from facefind.types import FileStamp

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

WeightState: TypeAlias = Literal["bundled", "downloaded", "missing", "damaged"]

HUB = "https://huggingface.co"


@dataclass(frozen=True, slots=True)
class InputSpec:
    """What a network takes: float32 of this shape (letters are free dimensions), channels in this
    order of colour, values within this range."""

    name: str
    shape: tuple[int | str, ...]
    colour: str
    range: tuple[float, float]


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """What a network gives: float32 of this shape (letters are free dimensions)."""

    name: str
    shape: tuple[int | str, ...]
    meaning: str


@dataclass(frozen=True, slots=True)
class WeightRecord:
    """One weight file, as ``models/<name>.toml`` describes it.

    Attributes:
        name: What commands and pipelines call it.
        title: What it is, one line.
        used_by: The pipelines that need it.
        source: "bundled" in facefind's wheel, or "download" on demand.
        file: Its name on disk.
        sha256, size: Of the file as published; None where the publisher does not say. A bundled
            file was converted, so its own differ.
        licence, licence_url: Under what, and where that is said.
        url: Where to download it; for bundled files empty.
        package, version, member: The Python package a bundled file comes from; else empty.
        input, outputs: The network's contract.
    """

    name: str
    title: str
    used_by: tuple[str, ...]
    source: Literal["bundled", "download"]
    file: str
    sha256: str | None
    size: int | None
    licence: str
    licence_url: str
    url: str
    package: str
    version: str
    member: str
    input: InputSpec
    outputs: tuple[OutputSpec, ...]


def records() -> dict[str, WeightRecord]:
    """Every known weight file, by name, in alphabetical order."""
    paths = sorted(resource_dir("models").glob("*.toml"))
    parsed = [_record(tomllib.loads(path.read_text("utf-8"))) for path in paths]
    return {record.name: record for record in parsed}


def weight_state(record: WeightRecord, models_dir: Path) -> WeightState:
    """Whether the file is there, and is what it should be.

    Args:
        record: The weight file.
        models_dir: The user's folder of downloaded weights; need not exist.
    """
    if record.source == "bundled":
        return _bundled_state(record)
    target = models_dir / record.file
    if not target.is_file():
        return "missing"
    return "damaged" if _flaw(record, target) else "downloaded"


def locate(name: str, models_dir: Path) -> Path:
    """The verified file of the weights called ``name``.

    Args:
        name: As in ``records()``.
        models_dir: The user's folder of downloaded weights.

    Raises:
        WeightsError: No weights of that name; the file is missing or damaged. The message says
            which file, where it can be had and where it belongs.
    """
    record = _known(name)
    target = _target(record, models_dir)
    state = weight_state(record, models_dir)
    if state == "missing":
        raise WeightsError(
            f"The weights {name} ({record.file}) are missing.", _hint(record, target)
        )
    if state == "damaged":
        flaw = "not as it was built" if record.source == "bundled" else _flaw(record, target)
        raise WeightsError(f"The weights {target} are damaged: {flaw}.", _hint(record, target))
    return target


def pull(
    name: str,
    models_dir: Path,
    *,
    progress: Progress | None = None,
    patience: Patience | None = None,
) -> Path:
    """Downloads weights, unless they are there, and returns the file.

    A download that was cut continues where it stopped, in this call or a later one. ``HF_ENDPOINT``
    names a mirror of the Hugging Face hub; proxies are taken from the environment.

    Args:
        name: As in ``records()``.
        models_dir: The user's folder of downloaded weights; made where it is missing.
        progress: Called with the bytes so far and the size, None where that is not known.
        patience: Timeouts and attempts.

    Raises:
        WeightsError: No weights of that name, or they cannot be downloaded; the message gives the
            URL and the path to put the file at by hand.
    """
    record = _known(name)
    if record.source == "bundled":
        return locate(name, models_dir)
    target = _target(record, models_dir)
    wanted = Wanted(
        url=_mirrored(record.url),
        target=target,
        sha256=_expected(record, target),
        size=record.size,
        hint=_pull_hint(record, target) + _trust_hint(record, target),
    )
    with only_one(wanted):
        if weight_state(record, models_dir) == "downloaded":
            return target
        digest = download(wanted, progress or _silent, patience or Patience())
        _remember(target, digest)
    return target


def fingerprint(names: Sequence[str], models_dir: Path) -> str:
    """Identifies a pipeline's weights: one sha256, in hex, over those of its published files.

    It stays the same however a bundled file was converted.

    Args:
        names: The pipeline's weights, always in the same order.
        models_dir: The user's folder of downloaded weights.

    Raises:
        WeightsError: No weights of such a name; or the publisher names no sha256 and the file has
            never been here.
    """
    digests = [_published_sha256(name, models_dir) for name in names]
    return sha256("\n".join(digests).encode()).hexdigest()


def _published_sha256(name: str, models_dir: Path) -> str:
    record = _known(name)
    target = _target(record, models_dir)
    return _expected(record, target) or file_sha256(locate(name, models_dir))


def _record(table: Mapping[str, Any]) -> WeightRecord:
    given = table["input"]
    return WeightRecord(
        name=table["name"],
        title=table["title"],
        used_by=tuple(table["used_by"]),
        source=table["source"],
        file=table["file"],
        sha256=table.get("sha256"),
        size=table.get("size"),
        licence=table["licence"],
        licence_url=table["licence_url"],
        url=table.get("url", ""),
        package=table.get("package", ""),
        version=table.get("version", ""),
        member=table.get("member", ""),
        input=InputSpec(
            given["name"], tuple(given["shape"]), given["colour"], tuple(given["range"])
        ),
        outputs=tuple(
            OutputSpec(output["name"], tuple(output["shape"]), output["meaning"])
            for output in table["output"]
        ),
    )


def _known(name: str) -> WeightRecord:
    known = records()
    if name not in known:
        raise WeightsError(f"No weights are called {name!r}.", f"Known: {', '.join(known)}.")
    return known[name]


def _target(record: WeightRecord, models_dir: Path) -> Path:
    if record.source == "download":
        return models_dir / record.file
    try:
        return resource_dir("weights") / record.file
    except FileNotFoundError:
        return resource_dir("models").parent / "facefind" / "weights" / record.file


def _hint(record: WeightRecord, target: Path) -> str:
    if record.source == "bundled":
        return "Install facefind again, or run `python models/collect.py` in its checkout."
    return _pull_hint(record, target)


def _pull_hint(record: WeightRecord, target: Path) -> str:
    return (
        f"Run `facefind models pull {record.name}`, "
        f"or get {_mirrored(record.url)} and put it at {target}."
    )


def _trust_hint(record: WeightRecord, target: Path) -> str:
    """How to accept another file than the one that was here first."""
    if record.sha256 or not _note_path(target).exists():
        return ""
    return (
        f" If its publisher has replaced it and you trust that, delete {_note_path(target)} first."
    )


def _mirrored(url: str) -> str:
    """The address at the mirror that ``HF_ENDPOINT`` names, for files of the hub."""
    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/")
    return endpoint + url[len(HUB) :] if endpoint and url.startswith(f"{HUB}/") else url


def _bundled_state(record: WeightRecord) -> WeightState:
    try:
        folder = resource_dir("weights")
    except FileNotFoundError:
        return "missing"
    if not (folder / record.file).is_file():
        return "missing"
    sums = folder / "SHA256SUMS"
    lines = sums.read_text("utf-8").splitlines() if sums.is_file() else []
    digest = file_sha256(folder / record.file)
    return "bundled" if f"{digest}  {record.file}" in lines else "damaged"


class _Note(NamedTuple):
    """What is remembered of a file: its sha256, and its stamp when that was found."""

    sha256: str
    stamp: FileStamp


def _flaw(record: WeightRecord, target: Path) -> str:
    """What is wrong with a downloaded or hand-placed file; nothing where it is right.

    The first file of unknown sha256 that was placed by hand is taken as it is, and remembered.
    """
    stamp = _stamp(target)
    if record.size is not None and stamp.size != record.size:
        return f"it has {stamp.size} bytes, expected {record.size}"
    expected = _expected(record, target)
    note = _note(target)
    if note and note == (expected, stamp):
        return ""
    digest = file_sha256(target)
    if expected and digest != expected:
        return f"its sha256 is {digest}, expected {expected}"
    _remember(target, digest)
    return ""


def _expected(record: WeightRecord, target: Path) -> str | None:
    """The sha256 a file must have: its publisher's, else that of the first one that was here."""
    if record.sha256:
        return record.sha256
    note = _note(target)
    return note.sha256 if note else None


def _stamp(path: Path) -> FileStamp:
    status = path.stat()
    return FileStamp(status.st_size, status.st_mtime_ns)


def _note_path(target: Path) -> Path:
    return target.with_name(target.name + ".json")


def _note(target: Path) -> _Note | None:
    path = _note_path(target)
    try:
        fields = json.loads(path.read_text("utf-8"))
        return _Note(fields["sha256"], FileStamp(fields["size"], fields["mtime_ns"]))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError) as error:
        hint = "Delete it to have the weights checked anew."
        raise WeightsError(f"{path} cannot be understood.", hint) from error


def _remember(target: Path, digest: str) -> None:
    """Writes the note whole or not at all; a folder that is read-only goes without."""
    stamp = _stamp(target)
    fields = {"sha256": digest, "size": stamp.size, "mtime_ns": stamp.mtime_ns}
    mine = f"{os.getpid()}-{threading.get_ident()}"
    temporary = _note_path(target).with_name(f".{target.name}.{mine}.json")
    try:
        temporary.write_text(json.dumps(fields), "utf-8")
        temporary.replace(_note_path(target))
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return  # every start then reads the whole file, and nothing else changes
        raise WeightsError(f"{_note_path(target)} cannot be written: {error}.") from error
    finally:
        # Gone where all went well; a folder that is read-only refuses this too.
        with suppress(OSError):
            temporary.unlink()


def _silent(_done: int, _size: int | None) -> None:
    pass
