"""Who is who: faces grouped into people, and what users decide about them."""

from __future__ import annotations

from facefind.people.decisions import (
    confirm,
    cover,
    delete,
    hide,
    hide_unnamed,
    merge,
    name_person,
    reject,
    split,
    unhide,
)
from facefind.people.drafting import Conflict, Done, NamedFaces
from facefind.people.groups import GroupReport, can_be_grouped, group_people, kinds_of
from facefind.people.name_faces import name_faces
from facefind.people.naming import checked_name, find_person, name_key

__all__ = [
    "Conflict",
    "Done",
    "GroupReport",
    "NamedFaces",
    "can_be_grouped",
    "checked_name",
    "confirm",
    "cover",
    "delete",
    "find_person",
    "group_people",
    "hide",
    "hide_unnamed",
    "kinds_of",
    "merge",
    "name_faces",
    "name_key",
    "name_person",
    "reject",
    "split",
    "unhide",
]
