"""Runs exiftool, which writes metadata into picture files of many formats.

One process serves many files: it takes a second's part to start. It reads its arguments from a
pipe, one a line, so the names of files given to it must be plain; see `Exiftool.copy_regions`.
Source: exiftool's application documentation, ``-stay_open`` and ``-tagsFromFile``.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from types import TracebackType

from facefind.errors import OutputError, PhotoError, SetupError

_READY = "{ready}"
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9.]*")
_PATIENCE_S = 10


class Exiftool:
    """A running exiftool; a context manager.

    Args:
        folder: Where it works; the files it is given lie here.

    Raises:
        SetupError: It is not installed, or does not start.
    """

    def __init__(self, folder: Path) -> None:
        program = shutil.which("exiftool")
        if program is None:
            raise SetupError(
                "exiftool, which writes names into picture files, is not installed.",
                "Install it (Debian, Ubuntu: sudo apt install libimage-exiftool-perl; macOS: brew"
                " install exiftool; Windows: https://exiftool.org), or write sidecars, without"
                " --in-file.",
            )
        # An empty -config keeps the user's own configuration, which is a program, out.
        command = [program, "-config", "", "-stay_open", "True", "-@", "-"]
        try:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            raise SetupError(f"exiftool does not start: {error.strerror}.") from error

    def __enter__(self) -> Exiftool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._process.kill()
        try:
            self._process.communicate("-stay_open\nFalse\n", _PATIENCE_S)
        except (subprocess.TimeoutExpired, OSError):
            self._process.kill()
            self._process.wait()

    def copy_regions(self, sidecar: str, picture: str, toolkit: str) -> None:
        """Writes the regions and names of a sidecar into a picture, in place; all else stays.

        Args:
            sidecar, picture: Names of files in the folder, of letters, digits and points.
            toolkit: What the picture's packet then says of its origin.

        Raises:
            PhotoError: exiftool cannot write this file; the message is its reason.
            OutputError: exiftool has ended.
        """
        if not (_PLAIN.fullmatch(sidecar) and _PLAIN.fullmatch(picture)):
            raise ValueError("these names could be taken for options")
        answer = self._run(
            "-tagsFromFile",
            sidecar,
            "-XMP-mwg-rs:RegionInfo",
            "-XMP-MP:RegionInfoMP",
            "-XMP-iptcExt:PersonInImage",
            f"-XMP:XMPToolkit={toolkit}",
            "-P",
            "-overwrite_original",
            picture,
        )
        if "1 image files updated" not in answer:
            raise PhotoError(f"exiftool cannot write into it: {_reason(answer)}")

    def _run(self, *arguments: str) -> str:
        """Gives one command and waits for its end; what it printed."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None, "it was asked for"
        assert stdout is not None, "it was asked for"
        lines: list[str] = []
        try:
            stdin.write("\n".join((*arguments, "-execute", "")))
            stdin.flush()
            while line := stdout.readline():
                if line.strip() == _READY:
                    return "".join(lines)
                lines.append(line)
        except OSError as error:
            raise OutputError(f"exiftool has ended: {error.strerror}.") from error
        raise OutputError(f"exiftool has ended: {_reason(''.join(lines))}.")


def _reason(answer: str) -> str:
    """The first complaint, without the file's name, which the caller knows better."""
    lines = [line for line in answer.splitlines() if line.startswith(("Error", "Warning"))]
    first = next(iter(sorted(lines)), "it does not say why")
    return re.sub(r"^(Error|Warning):\s*|\s+-\s+\S+$", "", first)
