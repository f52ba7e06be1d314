"""Ingest of 12-megapixel photos by the command line, beside its peers on the same photos.

Photos/s from the command's start to its end with a fresh home, so with the start of program and
database and the grouping; and after the start, by taking the time for one photo off. In the same
run: decoding and the networks alone, without database; face_recognition's way; the article's code.
With --quick CPU seconds of all processes are compared, and without the peers: a busy machine
changes them less.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.benchmarks import figures as arithmetic
from scripts.benchmarks import peers, photos, watching
from scripts.benchmarks.figures import shown, spread, table
from scripts.benchmarks.running import measured

TITLE = "Ingest"

FACES = (0, 1, 5, 20)
MAIN = 5
"""Faces in a photo for which the goals are set, and peers are measured at one process too."""

WORKERS = (1, 2)
MORE = 2
"""Of these so many times more photos: a run's end, where not all threads have work, counts less."""

QUICK_PHOTOS = 16

_PHOTOS = f"of each kind, {MORE} times as many of {MAIN} faces; default: 24"

_LAST = ("found", "ledger")
"""Figures that are told of the last run alone."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument("--photos", type=int, default=24, help=_PHOTOS)
    parser.add_argument(
        "--peer-photos", type=int, default=1, help="for each process of a peer; default: 1"
    )
    parser.add_argument("--no-peers", action="store_true", help="leave the peers out")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """All kinds of photos; ratios are those of `MAIN` faces at two workers."""
    quick = arguments.quick
    kinds = []
    for faces in (MAIN,) if quick else FACES:
        count = arguments.photos * (MORE if faces == MAIN else 1)
        made = photos.photos(faces, QUICK_PHOTOS if quick else count)
        with_peers = not quick and not arguments.no_peers
        for workers in (2,) if quick else WORKERS:
            runs = 1 if quick else arguments.runs if faces == MAIN else 1
            beside = peers.PEERS if with_peers and (faces == MAIN or workers == 2) else ()
            kinds.append(_kind(made, faces, workers, runs, beside, arguments.peer_photos))
    (main,) = (each for each in kinds if (each["faces"], each["workers"]) == (MAIN, 2))
    return {
        "kinds": kinds,
        "ratios": _compared(main, quick),
        "peers": "left out" if quick or arguments.no_peers else peers.LEFT_OUT,
    }


def _compared(kind: dict[str, Any], quick: bool) -> dict[str, float]:
    """The ratios that have limits; of photos/s only where there was time to measure them well."""
    ratios: dict[str, float] = kind["ratios"] | {"peak_of_a_gigabyte": kind["peak"]["high"] / 1e9}
    if quick:
        del ratios["share_of_alone"]
    return ratios


def _kind(
    made: Sequence[Path],
    faces: int,
    workers: int,
    runs: int,
    beside: Sequence[peers.Peer],
    peer_photos: int,
) -> dict[str, Any]:
    each = [_once(made, workers, beside, peer_photos) for _ in range(runs)]
    rows = {name: spread([run[name] for run in each]) for name in each[0] if name not in _LAST}
    ratios: dict[str, float] = {}
    for peer in beside:
        # Loading is left out on both sides.
        ratios |= {
            f"over_{peer.name}": statistics.median(
                run["after_start"] / run[peer.name] for run in each
            ),
            f"cpu_over_{peer.name}": statistics.median(
                run[f"cpu_{peer.name}"] / run["cpu"] for run in each
            ),
        }
    ratios |= {
        "share_of_alone": statistics.median(run["after_start"] / run["alone"] for run in each),
        "cpu_share_of_alone": statistics.median(run["cpu_alone"] / run["cpu"] for run in each),
    }
    return {
        "faces": faces,
        "workers": workers,
        "photos": len(made),
        **{name: each[-1][name] for name in _LAST},
        **rows,
        "ratios": ratios,
    }


def _once(
    made: Sequence[Path], workers: int, beside: Sequence[peers.Peer], peer_photos: int
) -> dict[str, Any]:
    """Photos/s of all ways, one after the other; `cpu`: CPU seconds a photo after the start."""
    one, all_ = run(made[:1], workers), run(made, workers, "--profile")
    alone = measured("alone", "rate", 1, photos=list(map(str, made)), threads=workers)
    more = len(made) - 1
    if all_.answer["photos"] != len(made) or all_.answer["failed"]:
        raise RuntimeError(f"not all photos were stored: {all_.answer}")
    if alone["faces"] != all_.answer["faces"]:
        raise RuntimeError(f"{alone['faces']} faces were found alone: {all_.answer}")
    figures = {
        "rate": len(made) / all_.seconds,
        "start": one.seconds - 1 / alone["rate"],
        "after_start": more / (all_.seconds - one.seconds),
        "alone": alone["rate"],
        "cpu": (all_.cpu_seconds - one.cpu_seconds) / more,
        "cpu_alone": alone["cpu_seconds"] / alone["photos"],
        "peak": all_.peak,
        "found": all_.answer["faces"] / len(made),
        "ledger": all_.answer["profile"],
    }
    for peer in beside:
        theirs = peers.run(peer, made[: peer_photos * workers], workers)
        figures[peer.name] = theirs["rate"]
        figures[f"cpu_{peer.name}"] = statistics.fmean(
            photo["cpu_seconds"] for photo in theirs["photos"]
        )
    return figures


def run(made: Sequence[Path], workers: int, *options: str) -> watching.Watch:
    """Ingests photos by the command line, into a fresh home."""
    with tempfile.TemporaryDirectory(prefix="facefind-") as name:
        folder, home = Path(name, "photos"), Path(name, "home")
        folder.mkdir()
        for path in made:
            (folder / path.name).symlink_to(path)
        return watching.run(
            home, "ingest", folder, *options, env={"FACEFIND_THREADS": str(workers)}
        )


def ledger(figures: dict[str, Any]) -> str:
    """Where the time of the ingest of `MAIN` faces went, with two workers."""
    (kind,) = (k for k in figures["kinds"] if (k["faces"], k["workers"]) == (MAIN, 2))
    rows = [
        [stage, f"{row['seconds']:.2f}", f"{row['share'] or 0:.1%}", row["ms_per_photo"]]
        for stage, row in kind["ledger"]["stages"].items()
    ]
    return table(["stage", "seconds", "share", "ms a photo"], rows)


def over_limits(figures: dict[str, Any]) -> list[str]:
    """Ratios beyond their limits."""
    return arithmetic.over_limits("ingest", figures)


def render(figures: dict[str, Any]) -> str:
    """A row for each kind of photo and number of workers."""
    head = ["faces a photo", "found", "workers", "photos/s", "start, s", "after the start"]
    head += ["alone", "share", "CPU s a photo", "peak, MB"]
    titles = [(peer.name, peer.title) for peer in peers.PEERS]
    rows = []
    for kind in figures["kinds"]:
        row = [kind["faces"], f"{kind['found']:.1f}", kind["workers"], shown(kind["rate"])]
        row += [shown(kind[name]) for name in ("start", "after_start", "alone")]
        row += [f"{kind['ratios']['share_of_alone']:.0%}", shown(kind["cpu"], 3)]
        row.append(f"{kind['peak']['high'] / 1e6:.0f}")
        for name, _ in titles:
            ratio = kind["ratios"].get(f"over_{name}")
            row.append("" if ratio is None else f"{shown(kind[name], 3)}: {ratio:.1f}x")
        rows.append(row)
    peers_left = f"\n\nPeers: {figures['peers']}." if figures["peers"] else ""
    return table(head + [title for _, title in titles], rows) + peers_left
