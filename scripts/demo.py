"""Runs facefind's main job as a user would and shows what came of it; started by scripts/demo.

Exit codes are facefind's: 0 all done, 1 some photos failed or the answer about the sample event is
wrong, 2 it could not be done, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facefind.errors import FacefindError
from facefind.portrait_folder import PortraitSet, portrait_sets
from scripts.sample_event import SampleError, build_sample_event

RESULTS = "facefind-demo"
PROGRAM = Path(sys.executable).with_name("facefind")
NOT_ALL = 1

Answers = dict[str, list[dict[str, Any]]]
"""Name of a person -> the matches that `facefind who --json` gave."""


class CommandFailed(Exception):
    """A command could not do its work; the exit code is its only argument."""


@dataclass(frozen=True)
class Demo:
    """One demonstration: a folder for its results, and the event it asks about."""

    folder: Path
    event: str

    @property
    def albums(self) -> Path:
        return self.folder / "albums"

    def run(self, *arguments: str) -> int:
        """Runs a facefind command, shown, speaking for itself; returns 0 or `NOT_ALL`."""
        print(f"\n$ facefind {shlex.join(arguments)}", flush=True)
        return self._checked(subprocess.run(self._command(arguments), env=self._environment()))

    def ask(self, *arguments: str) -> dict[str, Any]:
        """What a command says with --json; empty where it found nobody."""
        print(f"\n$ facefind {shlex.join(arguments)} --json", flush=True)
        done = subprocess.run(
            self._command((*arguments, "--json")), env=self._environment(), stdout=subprocess.PIPE
        )
        self._checked(done)
        answer: dict[str, Any] = json.loads(done.stdout or b"{}")
        return answer

    def _command(self, arguments: Sequence[str]) -> list[str]:
        return [str(PROGRAM), *arguments]

    def _environment(self) -> dict[str, str]:
        """The user's own library and database must stay out of this."""
        ours = ("FACEFIND_", "PYTHONPATH")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
        return {**kept, "FACEFIND_HOME": str(self.folder / "home")}

    def _checked(self, done: subprocess.CompletedProcess[Any]) -> int:
        if done.returncode not in (0, NOT_ALL):
            raise CommandFailed(done.returncode)
        return done.returncode


def main() -> int:
    arguments = _arguments()
    # Ctrl-C is for the command at hand, which finishes its photo and says how to go on.
    signal.signal(signal.SIGINT, lambda *_: None)
    results = Path.cwd() / RESULTS
    try:
        if arguments.photos is None:
            return _show_sample(results)
        return _show_own(results, arguments.photos, arguments.portrait)
    except CommandFailed as error:
        return int(error.args[0])
    except (SampleError, FacefindError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="demo", description="Finds people in event photos.")
    parser.add_argument("photos", nargs="?", type=_existing, metavar="PHOTOS")
    parser.add_argument("portrait", nargs="?", type=_existing, metavar="PORTRAIT")
    return parser.parse_args()


def _existing(text: str) -> Path:
    path = Path(text).absolute()
    if not path.exists():
        raise argparse.ArgumentTypeError(f"there is no {path}")
    return path


def _show_sample(results: Path) -> int:
    print(f"Building a sample event in {results}", flush=True)
    build_sample_event(results)
    truth = json.loads((results / "truth.json").read_text("utf-8"))
    demo = Demo(results, "sample")
    demo.run("ingest", str(results / "photos"), "--event", demo.event)
    answers = _answers(demo, portrait_sets(results / "portraits")[0])
    _write_albums(demo)
    _report(demo, answers)
    mistakes = list(_mistakes(demo, answers, truth))
    for mistake in mistakes:
        print(f"WRONG: {mistake}")
    if not mistakes:
        print(f"All as it should be: {len(truth['people'])} people, each in the right photos.")
    return NOT_ALL if mistakes else 0


def _show_own(results: Path, photos: Path, portrait: Path | None) -> int:
    results.mkdir(exist_ok=True)
    demo = Demo(results, photos.resolve().name or "photos")
    code = demo.run("ingest", str(photos), "--event", demo.event)
    if portrait is None:
        _write_albums(demo)
        print(f"\nAll albums: {demo.albums}")
        print(f"Now with a portrait: scripts/demo {shlex.quote(str(photos))} PORTRAIT")
        return code
    if portrait.is_dir():
        answers = _answers(demo, portrait_sets(portrait)[0])
        _write_albums(demo, portrait)
    else:
        answers = _answers(demo, [PortraitSet(portrait.stem, (portrait,))])
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(portrait, folder)
            _write_albums(demo, Path(folder))
    _report(demo, answers)
    return code if all(answers.values()) else NOT_ALL


def _answers(demo: Demo, people: Sequence[PortraitSet]) -> Answers:
    answers: Answers = {}
    for person in people:
        pictures = map(str, person.pictures)
        answers[person.name] = demo.ask("who", *pictures, "--event", demo.event).get("matches", [])
    return answers


def _write_albums(demo: Demo, portraits: Path | None = None) -> None:
    """Albums of everybody who was found, or of the people of some portraits."""
    asked = () if portraits is None else ("--portraits", str(portraits))
    demo.run("albums", str(demo.albums), *asked, "--event", demo.event)


def _report(demo: Demo, answers: Answers) -> None:
    print("\nFound:")
    for name, matches in answers.items():
        print(f"\n{name}, photos: {len(matches)}")
        for match in matches:
            print(f"  {match['distance']:.3f}  {_name(match['photo'])}")
        album = _album_of(_listing(demo)["people"], [match["photo"] for match in matches])
        if album["folder"]:
            print(f"  album: {demo.albums / album['folder']}")
    print(f"\nAll albums: {demo.albums}")
    print(f"The program itself: {PROGRAM}")


def _mistakes(demo: Demo, answers: Answers, truth: dict[str, Any]) -> Iterator[str]:
    """What differs from the truth: in the answers, in the listing, in the folders on disk."""
    listing = _listing(demo)
    if len(listing["people"]) != len(truth["people"]):
        yield f"there are {len(listing['people'])} albums, not {len(truth['people'])}"
    for name, photos in truth["people"].items():
        album = _album_of(listing["people"], photos)
        seen = {
            "who": [_name(match["photo"]) for match in answers.get(name, [])],
            "albums.json": [_name(photo) for photo in album["photos"]],
            "the album": [path.name for path in (demo.albums / album["folder"]).glob("*")],
        }
        for where, found in seen.items():
            if sorted(found) != sorted(photos):
                yield f"{where} has {sorted(found)} for {name}, not {sorted(photos)}"
    nobody = sorted(_name(photo) for photo in listing["photos_without_people"])
    if nobody != sorted(truth["photos_without_people"]):
        yield f"photos without people: {nobody}, not {sorted(truth['photos_without_people'])}"


def _album_of(albums: Sequence[dict[str, Any]], photos: Sequence[str]) -> dict[str, Any]:
    """The album that holds the most of some photos: people who were only found have no names."""
    wanted = {_name(photo) for photo in photos}
    shared = {len(wanted & {*map(_name, one["photos"])}): one for one in albums}
    none: dict[str, Any] = {"photos": [], "folder": ""}
    return shared[max(shared)] if any(shared) else none


def _listing(demo: Demo) -> dict[str, Any]:
    listing: dict[str, Any] = json.loads((demo.albums / "albums.json").read_text("utf-8"))
    return listing


def _name(photo: str) -> str:
    return Path(photo).name


if __name__ == "__main__":
    sys.exit(main())
