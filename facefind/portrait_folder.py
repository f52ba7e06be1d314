"""Folders of portraits: one picture or sub-folder for each person, named after them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from facefind import images
from facefind.errors import UsageError
from facefind.inference.protocols import FaceFinder
from facefind.portraits import FailedPortrait, Portrait, read_portraits


@dataclass(frozen=True, slots=True)
class PortraitSet:
    """The pictures of one person in the portraits folder."""

    name: str
    pictures: tuple[Path, ...]


def portrait_sets(folder: Path) -> tuple[list[PortraitSet], list[FailedPortrait]]:
    """The people of a portraits folder, by name, and what could not be looked into.

    A file stands for the person it is named after; a sub-folder holds several pictures of the
    person it is named after; files and folders of one name are one person.

    Raises:
        UsageError: The folder is missing or holds no pictures.
    """
    if not folder.is_dir():
        raise UsageError(f"The portraits folder {folder} is not a folder.")
    people: dict[str, dict[Path, Path]] = defaultdict(dict)
    failed: list[FailedPortrait] = []

    def fail(path: Path, reason: str) -> None:
        failed.append(FailedPortrait(path, f"{path}: {reason}"))

    for _, picture in images.discover_apart(folder, on_error=fail):
        people[person_of(picture, folder)].setdefault(picture.resolve(), picture)
    if not people and not failed:
        raise UsageError(
            f"There are no pictures in {folder}.",
            "Put one portrait per person there, named after the person.",
        )
    return [PortraitSet(name, tuple(people[name].values())) for name in sorted(people)], failed


def person_of(path: Path, folder: Path) -> str:
    """The name of the person whom a file or sub-folder in a portraits folder stands for."""
    inside = path.relative_to(folder)
    return inside.parts[0] if len(inside.parts) > 1 or path.is_dir() else inside.stem


@dataclass(frozen=True, slots=True)
class People:
    """Who is asked about.

    Attributes:
        probes: By name, the portraits that can be used.
        failed: Portraits that cannot.
        unknown: People of whom no portrait can be used.
    """

    probes: Mapping[str, Sequence[Portrait]]
    failed: tuple[FailedPortrait, ...]
    unknown: frozenset[str]


def read_people(folder: Path, finder: FaceFinder) -> People:
    """The people of a portraits folder, ready to be asked about.

    Raises:
        UsageError: As `portrait_sets`.
    """
    sets, failed = portrait_sets(folder)
    probes = {}
    for person in sets:
        portraits, unusable = read_portraits(person.pictures, finder)
        failed += unusable
        if portraits:
            probes[person.name] = portraits
    unknown = {person_of(portrait.path, folder) for portrait in failed} - probes.keys()
    return People(probes, tuple(failed), frozenset(unknown))
