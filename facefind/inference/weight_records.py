"""What is known of a weight file: ``models/<name>.toml`` as Python values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


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
class Archive:
    """A zip file that carries weights, as published.

    Attributes:
        file: Its name on disk.
        sha256, size: Of the whole zip file.
        member: The weight file's name inside, whatever folder it is in there.
    """

    file: str
    sha256: str
    size: int
    member: str


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
        variant: What a conversion made of the published numbers; empty where they stayed the same.
        terms: What must be accepted before the download; empty where the licence asks for nothing.
        url: Where to download it, or the archive it is in; for bundled files empty.
        archive: What it is published in; None for a file of its own.
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
    variant: str
    terms: str
    url: str
    archive: Archive | None
    package: str
    version: str
    member: str
    input: InputSpec
    outputs: tuple[OutputSpec, ...]

    @property
    def pulled_as(self) -> str:
        """What to ask for: its pipeline, which may need more files, unless it has several."""
        return self.used_by[0] if len(self.used_by) == 1 else self.name


def parse(table: Mapping[str, Any]) -> WeightRecord:
    """The record that a TOML file holds."""
    given = table["input"]
    bundled = table["source"] == "bundled"
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
        variant=table.get("variant", ""),
        terms=table.get("terms", "").strip(),
        url=table.get("url", ""),
        archive=None if bundled else _archive(table),
        package=table.get("package", ""),
        version=table.get("version", ""),
        member=table.get("member", "") if bundled else "",
        input=InputSpec(
            given["name"], tuple(given["shape"]), given["colour"], tuple(given["range"])
        ),
        outputs=tuple(
            OutputSpec(output["name"], tuple(output["shape"]), output["meaning"])
            for output in table["output"]
        ),
    )


def _archive(table: Mapping[str, Any]) -> Archive | None:
    if "archive" not in table:
        return None
    return Archive(
        table["archive"], table["archive_sha256"], table["archive_size"], table["member"]
    )
