"""Where weight files come from: bundled with facefind, downloaded, or placed by hand.

``models/*.toml`` holds one record per file. Bundled files lie in the package's ``weights`` folder,
beside their sha256 sums; the others in the user's models folder, each with a note
(``<file>.json``) of what was verified, so that not every start reads the whole file again. Some
are published in an archive only, from which they are taken, and some under a licence that must be
accepted first.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from facefind.errors import WeightsError
from facefind.inference import archives, licences
from facefind.inference.digest import file_sha256
from facefind.inference.weight_records import Archive, WeightRecord, parse
from facefind.resources import resource_dir
from facefind.types import FileStamp

if TYPE_CHECKING:
    # HTTP and TLS take long to load, and most runs download nothing.
    from facefind.inference.download import Patience, Progress, Wanted

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

WeightState: TypeAlias = Literal["bundled", "downloaded", "missing", "damaged"]

HUB = "https://huggingface.co"


def records() -> dict[str, WeightRecord]:
    """Every known weight file, by name, in alphabetical order."""
    paths = sorted(resource_dir("models").glob("*.toml"))
    parsed = [_parsed(path.read_text("utf-8")) for path in paths]
    return {record.name: record for record in parsed}


@cache
def _parsed(text: str) -> WeightRecord:
    """The record that a file's text holds."""
    return parse(tomllib.loads(text))


def chosen(name: str) -> list[WeightRecord]:
    """The weights of a pipeline, or those of one record, by name.

    Raises:
        WeightsError: Neither a pipeline nor weights of that name.
    """
    known = records()
    found = [record for record in known.values() if name in record.used_by]
    if not found and name not in known:
        pipelines = sorted({pipeline for record in known.values() for pipeline in record.used_by})
        raise WeightsError(
            f"Neither a pipeline nor weights are called {name!r}.",
            f"Pipelines: {', '.join(pipelines)}. Weights: {', '.join(known)}.",
        )
    return found or [known[name]]


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
    if state == "missing" and record.archive and (models_dir / record.archive.file).is_file():
        from facefind.inference.download import only_one

        # Beside a pull, which removes the archive when all of it is taken out.
        with only_one(_wanted(record, models_dir)):
            _unpack(record, models_dir)
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
    accept_licence: bool = False,
    progress: Progress | None = None,
    patience: Patience | None = None,
) -> Path:
    """Downloads weights, unless they are there, and returns the file.

    What comes in an archive is taken out of it, with all else in it that facefind uses, and the
    archive is removed.

    A download that was cut continues where it stopped, in this call or a later one. ``HF_ENDPOINT``
    names a mirror of the Hugging Face hub; proxies are taken from the environment.

    Args:
        name: As in ``records()``.
        models_dir: The user's folder of downloaded weights; made where it is missing.
        accept_licence: The user has seen and accepted the licence's terms; remembered.
        progress: Called with the bytes so far and the size, None where that is not known.
        patience: Timeouts and attempts.

    Raises:
        WeightsError: No weights of that name, their licence's terms have not been accepted, or they
            cannot be downloaded; the message gives the URL and the path to put the file at by hand.
    """
    from facefind.inference.download import Patience, download, only_one

    record = _known(name)
    if record.source == "bundled":
        return locate(name, models_dir)
    target = _target(record, models_dir)
    wanted = _wanted(record, models_dir)
    with only_one(wanted):
        if _is_there(record, models_dir):
            return target
        if accept_licence:
            for relative in _published_with(record):
                licences.accept(relative, models_dir)
        if not licences.is_accepted(record, models_dir):
            raise licences.refusal(record)
        digest = download(wanted, progress or _silent, patience or Patience())
        _remember(wanted.target, digest)
        _unpack(record, models_dir)
    return target


def fingerprint(names: Sequence[str], models_dir: Path) -> str:
    """Identifies a pipeline's weights: one sha256, in hex, over those of its published files.

    It stays the same however a bundled file was converted, unless that made a variant of it.

    Args:
        names: The pipeline's weights, always in the same order.
        models_dir: The user's folder of downloaded weights.

    Raises:
        WeightsError: No weights of such a name; or the publisher names no sha256 and the file has
            never been here.
    """
    digests = [_published_sha256(name, models_dir) for name in names]
    return sha256("\n".join(digests).encode()).hexdigest()


def _wanted(record: WeightRecord, models_dir: Path) -> Wanted:
    """What to download for a record: the file itself, or the archive that it is in."""
    from facefind.inference.download import Wanted

    target = _target(record, models_dir)
    hint = _pull_hint(record, target) + _trust_hint(record, target)
    url, archive = _mirrored(record.url), record.archive
    if archive is not None:
        return Wanted(url, models_dir / archive.file, archive.sha256, archive.size, hint)
    return Wanted(url, target, _expected(record, target), record.size, hint)


def _is_there(record: WeightRecord, models_dir: Path) -> bool:
    """Whether the right file is there, or in an archive that is."""
    if weight_state(record, models_dir) == "downloaded":
        return True
    archive = record.archive
    if archive is None or _archive_flaw(archive, models_dir / archive.file):
        return False
    return _unpack(record, models_dir)


def _unpack(record: WeightRecord, models_dir: Path) -> bool:
    """Takes what is missing out of the archive; False where there is none.

    Raises:
        WeightsError: The archive is not the published one, or a file cannot be written.
    """
    archive = record.archive
    if archive is None or not (path := models_dir / archive.file).is_file():
        return False
    if flaw := _archive_flaw(archive, path):
        raise WeightsError(f"{path} is not what was published: {flaw}.", "Delete it.")
    for relative in _published_with(record):
        target = _target(relative, models_dir)
        if weight_state(relative, models_dir) != "downloaded" and relative.archive:
            archives.take_out(path, relative.archive.member, target, relative.sha256 or "")
            _remember(target, relative.sha256 or "")
    # The note says that it was downloaded; an archive that somebody placed there stays.
    if _note_path(path).exists():
        # Where they cannot be removed they only take room.
        with suppress(OSError):
            path.unlink()
            _note_path(path).unlink()
    return True


def _archive_flaw(archive: Archive, path: Path) -> str:
    """What is wrong with an archive; nothing where it is right."""
    if not path.is_file():
        return "it is not there"
    stamp, note = _stamp(path), _note(path)
    if stamp.size != archive.size:
        return f"it has {stamp.size} bytes, expected {archive.size}"
    digest = archive.sha256 if note == (archive.sha256, stamp) else file_sha256(path)
    return "" if digest == archive.sha256 else f"its sha256 is {digest}, expected {archive.sha256}"


def _published_with(record: WeightRecord) -> list[WeightRecord]:
    """The weights that come by the same download, the record's own among them."""
    return [other for other in records().values() if other.url == record.url]


def _published_sha256(name: str, models_dir: Path) -> str:
    record = _known(name)
    target = _target(record, models_dir)
    digest = _expected(record, target) or file_sha256(locate(name, models_dir))
    return f"{digest} {record.variant}".rstrip()


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
    place = target.with_name(record.archive.file) if record.archive else target
    asked = f" (for {record.licence}, which it asks you to accept)" if record.terms else ""
    return (
        f"Run `facefind models pull {record.pulled_as}`{asked}, "
        f"or get {_mirrored(record.url)} and put it at {place}."
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
