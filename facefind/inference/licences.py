"""Remembers, beside a weight file, that the terms of its licence were accepted."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

from facefind.errors import WeightsError
from facefind.inference.weight_records import WeightRecord


def is_accepted(record: WeightRecord, models_dir: Path) -> bool:
    """Whether a file may be downloaded: it asks for nothing, or these very terms were accepted."""
    if not record.terms:
        return True
    try:
        note = json.loads(_note(record, models_dir).read_text("utf-8"))
    except FileNotFoundError:
        return False
    except OSError as error:
        raise WeightsError(f"{_note(record, models_dir)} cannot be read: {error}.") from error
    except ValueError:
        return False  # asked again, it is written anew
    return isinstance(note, dict) and note.get("terms") == record.terms


def accept(record: WeightRecord, models_dir: Path) -> None:
    """Notes that the terms were accepted now.

    Raises:
        WeightsError: The note cannot be written.
    """
    if not record.terms:
        return
    note = {
        "licence": record.licence,
        "licence_url": record.licence_url,
        "terms": record.terms,
        "accepted_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    path = _note(record, models_dir)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(note, indent=2) + "\n", "utf-8")
    except OSError as error:
        raise WeightsError(f"{path} cannot be written: {error}.") from error


def refusal(record: WeightRecord) -> WeightsError:
    """What to say to who has not accepted."""
    return WeightsError(
        f"The weights {record.name} are for {record.licence}, which has not been accepted, "
        "so nothing was downloaded.",
        f"Read {record.licence_url}; if that fits what you do, run "
        f"`facefind models pull {record.pulled_as} --accept-licence`.",
    )


def _note(record: WeightRecord, models_dir: Path) -> Path:
    return models_dir / f"{record.file}.licence.json"
