"""When groups of faces join: the settings, and those that ship."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from facefind.errors import SetupError, UsageError
from facefind.resources import judged_as, resource_dir


@dataclass(frozen=True, slots=True)
class GroupingSettings:
    """When groups join. Distances are L2 between unit embeddings.

    Attributes:
        join: The root mean squared distance below which two lone faces join among `people` people.
        gain: What is added to it for two large groups.
        large: Number of faces from which on a group is large.
        people: The number of people for which `join` holds. It is not known beforehand: the number
            of groups stands for it, so that the threshold rises while groups join.
        fall: How much `join` falls when there are twice as many people.
        lowest: `join` falls no lower.
        fewest: Among fewer people, `join` is what it is among so many.
        most_faces: Nobody is counted on to have more faces, on average: among so many times
            fewer people than faces, `join` rises no more.
        strangers: A tenth of the pairs of people in one photo are nearer than this, or fewer. Where
            they are nearer, the people are more alike to the embedder than others are, and all
            thresholds fall by as much.
        same_photo: What is added to the mean squared distance of two groups that are always seen
            in one photo: two people, or else somebody and their mirror image, or a collage.
        low_quality: Faces of less quality join a group that others made, and say nothing in it.
        nearest: Neighbours of a face that are looked at where there are very many.
        exact_up_to: Above so many faces, near ones are looked for in cells: of the pairs of one
            person 999 of 1,000 are found, and one is enough for two groups to be compared.
    """

    join: float
    gain: float
    large: int
    people: int
    fall: float
    lowest: float
    fewest: int
    most_faces: int
    strangers: float
    same_photo: float
    low_quality: float
    nearest: int = 48
    exact_up_to: int = 50_000

    def join_among(self, people: int, faces: int) -> float:
        """The threshold for two lone faces."""
        doublings = np.log2(max(people, self.fewest, faces / self.most_faces) / self.people)
        return max(self.join - self.fall * float(doublings), self.lowest)

    def with_settings(self, changes: Mapping[str, object]) -> GroupingSettings:
        """These settings with some of them changed, by name; texts are read as numbers.

        Raises:
            UsageError: A key or a value makes no sense.
        """
        kinds = {field.name: type(getattr(self, field.name)) for field in fields(self)}
        values: dict[str, Any] = {}
        for key, value in changes.items():
            if key not in kinds:
                raise UsageError(
                    f"Grouping has no setting {key!r}.", f"Its settings are {', '.join(kinds)}."
                )
            values[key] = _number(key, value, kinds[key])
        return replace(self, **values)


def load_grouping(pipeline: str, threshold: float | None = None) -> GroupingSettings | None:
    """The settings that ship for a pipeline; None where nothing can be said.

    Args:
        pipeline: Its name.
        threshold: Its L2 distance up to which two faces count as one person. From it the settings
            are derived where none were measured: those of dlib, in the ratio of the thresholds.

    Raises:
        SetupError: The file is damaged.
    """
    measured = resource_dir("calibration") / f"grouping-{judged_as(pipeline)}.json"
    if measured.is_file():
        return _read(measured)[0]
    if threshold is None:
        return None
    settings, own = _read(resource_dir("calibration") / "grouping-dlib.json")
    ratio = threshold / own
    lengths = ("join", "gain", "fall", "lowest", "strangers")
    scaled = {key: ratio * getattr(settings, key) for key in lengths}
    return replace(settings, **scaled, same_photo=ratio**2 * settings.same_photo)


def _read(path: Path) -> tuple[GroupingSettings, float]:
    """The settings, and the L2 threshold of the pipeline that they were measured with."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        values.pop("made_by", None)
        threshold = float(values.pop("threshold"))
        return GroupingSettings(**values), threshold
    except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise SetupError(f"{path} is damaged.", "Install facefind again.") from error


def _number(key: str, value: object, kind: type) -> float | int:
    try:
        number = float(str(value))
        if not np.isfinite(number) or number < 0 or (kind is int and number % 1):
            raise ValueError(value)
    except ValueError as error:
        raise UsageError(
            f"Grouping's setting {key} cannot be {value!r}.", "Give a number of at least 0."
        ) from error
    return int(number) if kind is int else number
