"""Names for files and folders that Linux, macOS and Windows all take, and that do not clash."""

from __future__ import annotations

import itertools
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import PurePath

FOLDER_BYTES = 120
"""Of a folder's name in UTF-8: paths on Windows may have 260 characters in all."""

FILE_BYTES = 255
"""Of a file's name: what file systems usually allow."""

_SUFFIX_BYTES = 32
"""Longer ones are no suffix but a name with a dot in it."""

_REFUSED = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f\u2028\u2029]')
_UNDECODED = re.compile("[\ud800-\udfff]")
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\.|$)", re.IGNORECASE)
"""What Windows takes for a device, whatever follows the first dot."""

_JOINER = "\u200d"
_SKIN_TONES = range(0x1F3FB, 0x1F400)


def safe_folder(text: str) -> str:
    """A folder's name that shows this text; empty where nothing of it can be shown."""
    name = unicodedata.normalize("NFC", _UNDECODED.sub("_", _REFUSED.sub("_", text)))
    name = _trimmed(name).lstrip(". ")
    return _trimmed(_shortened(_no_device(name), FOLDER_BYTES))


def safe_file(name: str) -> str:
    """A file's name as it is, but for what Windows refuses; bytes that are no text stay."""
    return _no_device(_REFUSED.sub("_", name).rstrip(". ")) or "_"


def safe_member(name: str) -> str:
    """As `safe_file`, and text throughout, as archives need it."""
    return _UNDECODED.sub("_", safe_file(name))


def folded(name: str) -> str:
    """What two names have in common that some file system takes for one."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def split(name: str) -> tuple[str, str]:
    """A file's name without its suffix, and the suffix with its dot; "" where there is none."""
    path = PurePath(name)
    return (
        (path.stem, path.suffix) if len(os.fsencode(path.suffix)) <= _SUFFIX_BYTES else (name, "")
    )


def numbered(stem: str, suffix: str = "", limit: int = FILE_BYTES) -> Iterator[str]:
    """ "name", "name (2)", "name (3)" and so on, each with the suffix.

    Args:
        limit: Bytes that a name may have.
    """
    yield _shortened(stem, limit - len(os.fsencode(suffix))) + suffix
    for number in itertools.count(2):
        yield marked(stem, f" ({number})", suffix, limit)


def marked(stem: str, mark: str, suffix: str, limit: int = FILE_BYTES) -> str:
    """The stem, cut to what the limit leaves room for, the mark and the suffix."""
    return _shortened(stem, limit - len(os.fsencode(mark + suffix))) + mark + suffix


def is_numbered(name: str, stem: str, suffix: str = "", limit: int = FILE_BYTES) -> bool:
    """Whether `numbered` comes to `name` at some time."""
    number = re.search(r" \(([2-9]|[1-9][0-9]{1,8})\)" + re.escape(suffix) + r"\Z", name)
    if number is None:
        return name == next(numbered(stem, suffix, limit))
    mark = f" ({number[1]})"
    return name in (marked(stem, mark, suffix, limit), next(numbered(stem, suffix, limit)))


class Taken:
    """The names in use in one folder.

    Args:
        names: Those that are there already.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._folded = {folded(name) for name in names}

    def __contains__(self, name: str) -> bool:
        return folded(name) in self._folded

    def add(self, name: str) -> None:
        """Takes a name, whether it is free or not."""
        self._folded.add(folded(name))

    def take(self, stem: str, suffix: str = "", limit: int = FILE_BYTES) -> str:
        """The first of `numbered` that is free; it is taken then."""
        free = next(name for name in numbered(stem, suffix, limit) if name not in self)
        self.add(free)
        return free


def _trimmed(name: str) -> str:
    """Without what Windows drops from the end of a name."""
    return name.strip().rstrip(". ")


def _no_device(name: str) -> str:
    found = _DEVICE.match(name)
    if found is None:
        return name
    end = found.start(3) if found[3] else len(name)
    return f"{name[:end].rstrip()}_{name[end:]}"


def _shortened(name: str, limit: int) -> str:
    """The longest beginning of so many bytes that ends between two characters as people see them.

    Where a single one is too long it is cut inside.
    """
    if len(os.fsencode(name)) <= limit:
        return name
    cut = longest = len(os.fsencode(name)[:limit].decode("utf-8", "ignore"))
    while cut and (_extends(name[cut]) or name[cut - 1] == _JOINER):
        cut -= 1
    return name[: cut or longest]


def _extends(character: str) -> bool:
    """Whether it is shown as part of what stands before it."""
    return (
        unicodedata.category(character) in ("Mn", "Mc", "Me")
        or character == _JOINER
        or ord(character) in _SKIN_TONES
    )
