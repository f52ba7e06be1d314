"""Search: one person's portraits in, the photos that show that person out.

In two steps. The database gives the faces within reach by L2 distance; where the pipeline is
calibrated (`facefind.matching`), each of these is then judged against the strangers around it,
which gives the probability that decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Protocol

import numpy as np

from facefind.answers import event_named
from facefind.errors import UsageError
from facefind.inference.quality import HARDLY_KNOWN
from facefind.matching import Calibration, Candidates, rescore
from facefind.portraits import Portrait
from facefind.store.records import FaceNearby
from facefind.types import Event, FloatArray, Match

UNCALIBRATED_LIMIT = 5
"""How many photos a pipeline without a measured threshold answers with, as its article does."""

COHORT = 2000
"""Faces that a candidate is judged against, at most."""

TWICE = 0.25
"""L2 distance up to which a second face in a photo is surely the person once more: in a mirror, a
collage, on a poster. Of the calibrated pipeline: of 6.8 million pairs of different people in LFW
none is that near, of two photos of one person a quarter."""

MOST_CANDIDATES = 20_000
"""Faces within reach that are judged, the nearest first."""


class SearchStore(Protocol):
    """What search asks of the store; `facefind.store.repository.Repository` provides it."""

    def search(
        self,
        probe: FloatArray,
        events: Sequence[Event],
        *,
        max_distance: float | None,
        limit: int,
        after: datetime | None,
        before: datetime | None,
        min_quality: float,
    ) -> list[Match]:
        """The photos with the nearest faces by L2 distance, one row per photo."""

    def faces_within(
        self,
        probe: FloatArray,
        events: Sequence[Event],
        *,
        max_distance: float,
        limit: int,
        after: datetime | None,
        before: datetime | None,
        min_quality: float,
    ) -> list[FaceNearby]:
        """Every face of the events that near, not one for each photo, nearest first."""

    def cohort(self, events: Sequence[Event], size: int, min_quality: float) -> FloatArray:
        """Embeddings (M, D) to judge a distance by."""

    def count_faces(self, events: Sequence[Event], min_quality: float) -> int:
        """About how many faces are searched."""


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """A person asked about.

    Attributes:
        embedding: (D,) float32, the mean over the portraits.
        portraits: How many there are.
        quality: The best of theirs, see `facefind.types.Quality`; None where it is not known.
    """

    embedding: FloatArray
    portraits: int = 1
    quality: float | None = None


@dataclass(frozen=True, slots=True)
class Reach:
    """How near a face has to be to count as the person's.

    Attributes:
        max_distance: L2; None for no limit.
        min_probability: None where the distance alone decides.
    """

    max_distance: float | None
    min_probability: float | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """Which faces are asked.

    Attributes:
        events: At least one, all of one pipeline and fingerprint.
        after, before: Only photos taken in this time.
        min_quality: Faces known to be of less are left out.
    """

    events: Sequence[Event]
    after: datetime | None = None
    before: datetime | None = None
    min_quality: float = 0.0


def reach_of(
    calibration: Calibration | None,
    threshold: float | None,
    *,
    max_distance: float | None = None,
    certainty: str = "default",
) -> Reach:
    """What decides, from what the pipeline knows and the user asked for.

    Args:
        threshold: The pipeline's L2 distance, for one that is not calibrated.
        max_distance: The user's; it decides alone.
        certainty: "strict", "default" or "loose", of a calibrated pipeline.

    Raises:
        UsageError: Certainty is asked of a pipeline that has none, or beside a distance.
    """
    if max_distance is not None:
        if certainty != "default":
            raise UsageError(
                "--max-distance decides alone.", f"Leave out either it or --{certainty}."
            )
        return Reach(max_distance)
    if calibration is not None:
        return Reach(calibration.radius, getattr(calibration, certainty))
    if certainty != "default":
        raise UsageError(
            "This event's pipeline is not calibrated, so it cannot tell how sure it is.",
            "Use --max-distance, or the default pipeline.",
        )
    return Reach(threshold)


class Gallery:
    """The faces in scope, ready to be asked about one person after the other.

    Args:
        scope: Which faces they are.
        calibration: The pipeline's; None gives matches without a probability.
    """

    def __init__(
        self, store: SearchStore, scope: Scope, calibration: Calibration | None = None
    ) -> None:
        self._store = store
        self.scope = scope
        self._calibration = calibration

    @property
    def twice(self) -> float:
        """L2 distance up to which a second face in a photo is surely the same person's; 0: none."""
        return TWICE if self._calibration else 0.0

    def faces(self, probe: Probe, reach: Reach) -> list[Match]:
        """Every face within reach, nearest first.

        Raises:
            UsageError: Nothing limits the distance, so everybody would be the person.
        """
        if reach.max_distance is None:
            raise UsageError(
                f"Pipeline {self.scope.events[0].pipeline} has no measured threshold, so it "
                "cannot tell who is in a photo.",
                "Ingest the photos under another --event with the default pipeline for albums.",
            )
        near = self._near(probe, reach.max_distance)
        if self._calibration is None or not near:
            return [face.match for face in near]
        return self._judged(probe, near, reach.min_probability, self._calibration)

    def photos(self, probe: Probe, reach: Reach, limit: int | None = None) -> list[Match]:
        """The photos that show the person, nearest face first, one match for each.

        Args:
            limit: At most so many; 0 for all; None for all within reach, or the nearest few where
                nothing limits the distance.
        """
        if limit is None:
            limit = UNCALIBRATED_LIMIT if reach.max_distance is None else 0
        if reach.min_probability is not None:
            return best_of_each_photo(self.faces(probe, reach))[: limit or None]
        scope = self.scope
        found = self._store.search(
            probe.embedding, scope.events, max_distance=reach.max_distance, limit=limit,
            after=scope.after, before=scope.before, min_quality=scope.min_quality,
        )  # fmt: skip
        return self._with_probabilities(probe, found)

    def _with_probabilities(self, probe: Probe, found: list[Match]) -> list[Match]:
        """Matches that the distance alone decided on; beyond `MOST_CANDIDATES` it is not known."""
        if self._calibration is None or not found:
            return found
        # As far as is looked when the probability decides, so that it is the same one.
        farthest = max(self._calibration.radius, found[-1].distance)
        judged = self.faces(probe, Reach(farthest))
        known = {(face.photo_id, face.box): face.probability for face in judged}
        return [replace(m, probability=known.get((m.photo_id, m.box))) for m in found]

    def _near(self, probe: Probe, max_distance: float) -> list[FaceNearby]:
        scope = self.scope
        return self._store.faces_within(
            probe.embedding, scope.events, max_distance=max_distance, limit=MOST_CANDIDATES,
            after=scope.after, before=scope.before, min_quality=scope.min_quality,
        )  # fmt: skip

    def _judged(
        self,
        probe: Probe,
        near: Sequence[FaceNearby],
        min_probability: float | None,
        calibration: Calibration,
    ) -> list[Match]:
        candidates = _candidates(near)
        probabilities = rescore(
            probe.embedding,
            candidates,
            self._cohort,
            faces_in_scope=self._count,
            portraits=probe.portraits,
            calibration=calibration,
        )
        # Whatever the distance says: a face that can hardly be told from others is surely nobody's.
        hardly = [_lower(probe.quality, face.match.quality) < HARDLY_KNOWN for face in near]
        # Half as precise, `loose` would fall short of itself where numpy is older than 2.
        exact = probabilities.astype(np.float64)
        capped = np.where(hardly, np.minimum(exact, calibration.loose), exact)
        return [
            replace(face.match, probability=float(probability))
            for face, probability in zip(near, capped, strict=True)
            if min_probability is None or probability >= min_probability
        ]

    @cached_property
    def _cohort(self) -> FloatArray:
        """Once for all people asked about."""
        return self._store.cohort(self.scope.events, COHORT, self.scope.min_quality)

    @cached_property
    def _count(self) -> int:
        return self._store.count_faces(self.scope.events, self.scope.min_quality)


def best_of_each_photo(faces: Sequence[Match]) -> list[Match]:
    """One match for each photo: its most probable face, else its nearest; nearest photo first."""
    best: dict[int, Match] = {}
    for face in sorted(faces, key=likeliest_first):
        best.setdefault(face.photo_id, face)
    return sorted(best.values(), key=lambda match: (match.distance, match.photo))


def likeliest_first(match: Match) -> tuple[float, float]:
    """Sorts faces by how likely they are the person's, and by distance where that is not known."""
    return -(match.probability or 0), match.distance


def _lower(*qualities: float | None) -> float:
    """The lowest quality that is known."""
    return min((quality for quality in qualities if quality is not None), default=1.0)


def _candidates(near: Sequence[FaceNearby]) -> Candidates:
    return Candidates(
        np.stack([face.embedding for face in near]),
        np.array([face.match.photo_id for face in near], np.int64),
    )


def combine(portraits: Sequence[Portrait]) -> Probe:
    """One person's portraits as one question.

    Their embedding is the mean; where the pipeline's embeddings are of unit length it is scaled
    back to unit length, so that distances keep their meaning.
    """
    vectors = np.stack([portrait.embedding for portrait in portraits])
    mean: FloatArray = vectors.mean(axis=0, dtype=np.float32)
    if np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-3):
        mean /= np.linalg.norm(mean)
    qualities = [portrait.quality for portrait in portraits if portrait.quality is not None]
    return Probe(mean, len(portraits), max(qualities, default=None))


def events_to_search(events: Sequence[Event], name: str | None) -> list[Event]:
    """The named event, or all of them where their vectors can be compared.

    Raises:
        UsageError: No such event, no events at all, or events of different pipelines.
    """
    if name is not None or not events:
        return [event_named(events, name or "")]
    if len({event.pipeline for event in events}) == 1 < len({e.fingerprint for e in events}):
        raise UsageError(
            "Some events were ingested with other weights, whose distances do not compare.",
            "facefind reindex brings all events to today's weights; --event NAME asks one.",
        )
    if len({event.pipeline for event in events}) > 1:
        there = ", ".join(f'"{event.name}" ({event.pipeline})' for event in events)
        raise UsageError(
            "The events were ingested with different pipelines, whose distances do not compare.",
            f"Choose one with --event NAME: {there}; or move them with facefind reindex.",
        )
    return list(events)
