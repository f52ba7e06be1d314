"""Finds the data files that belong to facefind: SQL, model records, weights.

An installed wheel carries ``sql/`` and ``models/`` inside the package; in a checkout (and an
editable install, which does not map them) they stand beside it.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

_JUDGED_AS = {"dlib-fast": "dlib"}


def judged_as(pipeline: str) -> str:
    """The pipeline whose fitted numbers (``calibration/``) hold for this one: mostly itself.

    The vectors of dlib-fast are so near to those of dlib that probabilities, groups and qualities
    come out the same.
    """
    return _JUDGED_AS.get(pipeline, pipeline)


def resource_dir(name: str) -> Path:
    """The folder ``name`` ("sql", "models", "weights"): in the package, else beside it.

    Raises:
        FileNotFoundError: It is in neither place, so the installation is damaged.
    """
    inside = Path(str(resources.files("facefind").joinpath(name)))
    beside = Path(__file__).parent.parent / name
    for folder in (inside, beside):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"facefind's own folder {name!r} is neither {inside} nor {beside}")
