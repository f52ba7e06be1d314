"""How right `facefind who` is on labelled albums, asked through the command line.

For each album of ``events/people.jsonl`` the event photos are ingested as one event and every
portrait is asked about with the default threshold. A photo counts as

- right, when the answer names it and the portrait's person is labelled in it,
- wrong, when the answer names it, the person is not labelled and the photo's labels are complete;
  where they are not complete it counts neither way,
- missed, when the person is labelled in it and the answer leaves it out.

A portrait whose person is in none of the photos should be answered with nobody.
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
from typing import Any

Row = dict[str, Any]


HARD = "kpop_goface"
"""The album on which the default embedder is known to fail; never averaged with the others."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument("--pipeline", default="dlib", help="default: dlib")


def run(arguments: argparse.Namespace) -> None:
    """Ingests every album, asks about every portrait, and prints the scores."""
    scores = evaluate(arguments.data, arguments.pipeline)
    scores.append(total([s for s in scores if s.album != HARD], f"all but {HARD}"))
    if arguments.json:
        print(json.dumps([score.as_json() for score in scores]))
    else:
        print_table(scores)


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
        """Counts and the two rates."""
        return {**vars(self), "precision": self.precision, "recall": self.recall}


def evaluate(data: Path, pipeline: str) -> list[Score]:
    """One score per album; `data` is the development data's folder."""
    albums: dict[str, list[Row]] = defaultdict(list)
    for line in (data / "events" / "people.jsonl").read_text().splitlines():
        row = json.loads(line)
        albums[row["album"]].append(row)
    with tempfile.TemporaryDirectory(prefix="facefind-evaluate-") as scratch:
        return [
            score_album(name, rows, data / "events", Path(scratch), pipeline)
            for name, rows in albums.items()
        ]


def score_album(name: str, rows: list[Row], events: Path, scratch: Path, pipeline: str) -> Score:
    """Ingests one album's event photos and asks about each of its portraits."""
    photos = {Path(row["file"]).name: row for row in rows if row["role"] == "event"}
    folder = scratch / name
    folder.mkdir()
    for row in photos.values():
        shutil.copyfile(events / row["file"], folder / Path(row["file"]).name)
    home = scratch / "home"
    report = facefind(home, "ingest", str(folder), "--event", name, "--pipeline", pipeline)
    score = Score(name, photos=report["photos"], faces=report["faces"])
    for row in rows:
        if row["role"] == "portrait":
            answer = facefind(home, "who", str(events / row["file"]), "--event", name)
            _count(score, row, photos, answer)
    return score


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


def _count(score: Score, portrait: Row, photos: dict[str, Row], answer: Row) -> None:
    (person,) = portrait["people"]
    score.portraits += 1
    score.unreadable_portraits += not answer
    named = {Path(match["photo"]).name for match in answer.get("matches", [])}
    # A portrait cut out of an event photo would find itself.
    judged = {n: row for n, row in photos.items() if portrait.get("derived_from") != row["file"]}
    shown = {name for name, row in judged.items() if person in row["people"]}
    complete = {name for name, row in judged.items() if row["people_complete"]}
    score.right += len(named & shown)
    score.wrong += len(named & complete - shown)
    score.missed += len(shown - named)
    if not shown:
        score.absent += 1
        score.absent_answered += bool(named & complete)


def print_table(scores: Iterable[Score]) -> None:
    """One line per album, as text."""
    print(
        f"{'album':<20} {'photos':>6} {'faces':>6} {'portraits':>9} {'precision':>10} "
        f"{'recall':>7} {'right/wrong/missed':>19} {'absent answered':>16}"
    )
    for s in scores:
        print(
            f"{s.album:<20} {s.photos:>6} {s.faces:>6} {s.portraits:>9} {_rate(s.precision):>10} "
            f"{_rate(s.recall):>7} {f'{s.right}/{s.wrong}/{s.missed}':>19} "
            f"{f'{s.absent_answered} of {s.absent}':>16}"
        )


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
