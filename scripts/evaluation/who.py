"""How right `facefind who` is on labelled albums, asked through the command line.

For each album of ``events/people.jsonl`` the event photos are ingested as one event and every
portrait is asked about with the default threshold. A photo counts as

- right, when the answer names it and the portrait's person is labelled in it,
- wrong, when the answer names it, the person is not labelled and the photo's labels are complete;
  where they are not complete it counts neither way,
- missed, when the person is labelled in it and the answer leaves it out.

A portrait whose person is in none of the photos should be answered with nobody. Mean average
precision ranks all of an album's photos by their distance to the portrait. Every portrait is asked
about again with --no-people: by what faces look like alone.

In events composed of LFW the same comparison is made with hundreds of faces; see ``who_people``.

``--simulated`` composes events of hundreds of faces from LFW instead; see the module ``simulated``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from facefind.metrics import average_precision
from scripts.evaluation import who_people
from scripts.evaluation.album_ranking import HARD

Row = dict[str, Any]


TITLE = "The main job: albums asked about with a portrait"

EVERYTHING = ("--max-distance", "2", "--include-low-quality")
"""Options that answer with every photo in which a face was found, nearest first."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument("--pipeline", default="dlib", help="default: dlib")
    parser.add_argument(
        "--certainty", choices=("default", "strict", "loose"), default="default", help="as of who"
    )
    parser.add_argument(
        "--simulated", action="store_true", help="events composed from LFW (command: simulated)"
    )


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Ingests every album and asks about every portrait."""
    answers = evaluate(arguments.data, arguments.pipeline, arguments.certainty)
    for scores in (answers.albums, answers.without_people):
        scores.append(total([s for s in scores if s.album != HARD], f"all but {HARD}"))
    return {
        "pipeline": arguments.pipeline,
        "certainty": arguments.certainty,
        "albums": [score.as_json() for score in answers.albums],
        "without_people": [score.as_json() for score in answers.without_people],
        "simulated": who_people.compare(arguments.data) if arguments.pipeline == "dlib" else None,
    }


def render(figures: dict[str, Any]) -> str:
    """One line per album, how they were counted, and what people change."""
    parts = [_ABOUT.format(**figures), _table(figures["albums"])]
    # Figures that were stored before there were people have neither.
    if figures.get("without_people"):
        parts += [_WITHOUT, _table(figures["without_people"])]
    if figures.get("simulated"):
        parts.append(who_people.render(figures["simulated"]))
    return "\n\n".join(parts)


def _table(rows: list[Row]) -> str:
    lines = [
        "| album | photos | faces | portraits | precision | recall | right / wrong / missed "
        "| mean average precision | absent people answered |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row['album']} | {row['photos']} | {row['faces']} | {row['portraits']} "
            f"| {_rate(row['precision'])} | {_rate(row['recall'])} "
            f"| {row['right']} / {row['wrong']} / {row['missed']} "
            f"| {_rate(row['mean_average_precision'])} "
            f"| {row['absent_answered']} of {row['absent']} |"
        )
    return "\n".join(lines)


_ABOUT = """\
Each album is ingested as an event of pipeline `{pipeline}` and asked about with one portrait at a
time, through the command line, at certainty `{certainty}`. An answered photo is right when the
person is labelled in it, and wrong when they are not and the photo's labels are complete. The
probability that decides was fitted on LFW alone, but these albums were looked at while its
constants were chosen. They are small; a figure of 1.000 means "none in this many"."""

_WITHOUT = "Without people (`--no-people`), every photo by what a face in it looks like:"


@dataclass
class Score:
    """Counts of one album; sums with others."""

    album: str
    photos: int = 0
    faces: int = 0
    portraits: int = 0
    right: int = 0
    wrong: int = 0
    missed: int = 0
    absent: int = 0
    absent_answered: int = 0
    unreadable_portraits: int = 0
    asked: int = 0
    average_precisions: float = 0.0

    @property
    def precision(self) -> float | None:
        """Right answers among those that can be judged; None without any."""
        answered = self.right + self.wrong
        return self.right / answered if answered else None

    @property
    def recall(self) -> float | None:
        """Right answers among the photos that show the person; None without any."""
        expected = self.right + self.missed
        return self.right / expected if expected else None

    def as_json(self) -> dict[str, Any]:
        """Counts and rates."""
        counts = vars(self).copy()
        mean = counts.pop("average_precisions") / self.asked if self.asked else None
        rates = {"precision": self.precision, "recall": self.recall}
        return {**counts, **rates, "mean_average_precision": mean}


class Compared(NamedTuple):
    """One score per album, as the product answers and as it does with --no-people."""

    albums: list[Score]
    without_people: list[Score]


def evaluate(data: Path, pipeline: str, certainty: str = "default") -> Compared:
    """Asks about every portrait of every album; `data` is the development data's folder."""
    albums: dict[str, list[Row]] = defaultdict(list)
    for line in (data / "events" / "people.jsonl").read_text().splitlines():
        row = json.loads(line)
        albums[row["album"]].append(row)
    with tempfile.TemporaryDirectory(prefix="facefind-evaluate-") as scratch:
        scores = [
            score_album(name, rows, data / "events", Path(scratch), pipeline, certainty)
            for name, rows in albums.items()
        ]
    return Compared([score for score, _ in scores], [score for _, score in scores])


def score_album(
    name: str, rows: list[Row], events: Path, scratch: Path, pipeline: str, certainty: str
) -> tuple[Score, Score]:
    """Ingests one album's event photos and asks about each of its portraits, both ways."""
    photos = {Path(row["file"]).name: row for row in rows if row["role"] == "event"}
    folder = scratch / name
    folder.mkdir()
    for row in photos.values():
        shutil.copyfile(events / row["file"], folder / Path(row["file"]).name)
    home = scratch / "home"
    report = facefind(home, "ingest", str(folder), "--event", name, "--pipeline", pipeline)
    score, alone = (Score(name, report["photos"], report["faces"]) for _ in range(2))
    sure = () if certainty == "default" else (f"--{certainty}",)
    for row in rows:
        if row["role"] == "portrait":
            question = ("who", str(events / row["file"]), "--event", name)
            _count(score, row, photos, facefind(home, *question, *sure))
            _count(alone, row, photos, facefind(home, *question, *sure, "--no-people"))
            everything = facefind(home, *question, *EVERYTHING)
            for ranked in (score, alone):
                _rank(ranked, row, photos, everything)
    return score, alone


def facefind(home: Path, *arguments: str) -> Row:
    """Runs a command with --json; no answer (exit code 1, nothing printed) is an empty one."""
    done = subprocess.run(
        [sys.executable, "-m", "facefind", "--home", str(home), "--json", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 1):
        raise SystemExit(f"facefind {' '.join(arguments)} ended with {done.returncode}")
    answer: Row = json.loads(done.stdout) if done.stdout else {}
    return answer


def _judged(portrait: Row, photos: dict[str, Row]) -> tuple[set[str], set[str]]:
    """The photos that show a portrait's person, and those that surely show who they show."""
    (person,) = portrait["people"]
    # A portrait cut out of an event photo would find itself.
    judged = {n: row for n, row in photos.items() if portrait.get("derived_from") != row["file"]}
    shown = {name for name, row in judged.items() if person in row["people"]}
    return shown, {name for name, row in judged.items() if row["people_complete"]}


def _count(score: Score, portrait: Row, photos: dict[str, Row], answer: Row) -> None:
    shown, complete = _judged(portrait, photos)
    score.portraits += 1
    score.unreadable_portraits += not answer.get("portraits")
    named = {Path(match["photo"]).name for match in answer.get("matches", [])}
    score.right += len(named & shown)
    score.wrong += len(named & complete - shown)
    score.missed += len(shown - named)
    if not shown:
        score.absent += 1
        score.absent_answered += bool(named & complete)


def _rank(score: Score, portrait: Row, photos: dict[str, Row], answer: Row) -> None:
    """Adds the average precision of all photos by distance; one without a face is never reached."""
    shown, complete = _judged(portrait, photos)
    if not shown:
        return
    ranked = [Path(match["photo"]).name for match in answer.get("matches", [])]
    hits = [name in shown for name in ranked if name in shown | complete]
    score.asked += 1
    score.average_precisions += average_precision(hits, len(shown))


def total(scores: Iterable[Score], name: str) -> Score:
    """The counts of several albums as one score."""
    result = Score(name)
    for score in scores:
        for key, value in vars(score).items():
            if key != "album":
                setattr(result, key, getattr(result, key) + value)
    return result


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
