"""The page that shows an album in a browser: people as faces, and the photos of each.

One HTML file with its style, script and data inside. It needs no server and no network: only the
thumbnails, faces and originals that it points at, by addresses relative to it. Without a script it
is a list of people that leads to lists of links.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from facefind.resources import resource_dir

_USUAL_RATIO = 1.5
_RATIOS = (0.4, 4.0)
"""Of a thumbnail's place, width to height; a panorama's is cut at the sides."""

_COVER_SIDE = 200

_UNSHOWABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_LANGUAGE = re.compile("[a-z]{2,3}(-[a-z]{4})?(-([a-z]{2}|[0-9]{3}))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PagePhoto:
    """A photo on the page.

    Attributes:
        key: Tells it from the page's other photos.
        href: URL of the original: relative, from `url_of`, or a file:// URL.
        thumbnail: Relative URL of its thumbnail, from `url_of`.
        name: The file name to show.
        taken_at: Shown as it is, in no other time zone.
        people: The numbers of the people on it; those whom the page does not show are left out.
        width, height: Of the upright photo or its thumbnail, to keep its place; 0 if not known.
    """

    key: str
    href: str
    thumbnail: str
    name: str
    taken_at: datetime | None
    people: tuple[int, ...]
    width: int = 0
    height: int = 0


@dataclass(frozen=True, slots=True)
class PagePerson:
    """A person on the page.

    Attributes:
        number: Tells them from others; their address is ``#person-NUMBER``.
        title: Their name, or what stands for one.
        named: Whether somebody gave the name.
        cover: Relative URL of the face's picture, from `url_of`; "" shows a blank.
        photos: Keys of their photos.
        folder: Path of their folder, relative to the page, not yet a URL; "" if there is none.
    """

    number: int
    title: str
    named: bool
    cover: str
    photos: tuple[str, ...]
    folder: str


def render(
    people: Sequence[PagePerson],
    photos: Sequence[PagePhoto],
    unsorted: Sequence[str] = (),
    *,
    heading: str,
    lang: str = "en",
) -> str:
    """The page as one HTML text, to be saved as UTF-8.

    The named come first, by name, then the others, those with most photos first; photos by time,
    those without one last. Characters that no page may hold appear as U+FFFD.

    Args:
        unsorted: Keys of the photos that show nobody.
        heading: The album's title.
        lang: Language tag ("en", "pt-BR") of heading and names; it also shapes dates.

    Raises:
        KeyError: A key that none of the photos has.
        ValueError: No language tag.
    """
    if not _LANGUAGE.fullmatch(lang):
        raise ValueError(f"{lang!r} is no language tag")
    people = sorted(people, key=_rank)
    photos = sorted(photos, key=_age)
    script = _template("page.js")
    return _filled(
        _template("page.html"),
        {
            "lang": lang,
            "heading": _text(heading),
            "summary": f"{_people_text(len(people))} · {_photos_text(len(photos))}",
            "style": _template("page.css"),
            "script": script,
            "script_hash": _script_hash(script),
            "unsorted_link": _unsorted_link(len(unsorted)),
            "faces": _faces(people),
            "lists": _lists(people, photos, unsorted),
            "album": _album(people, photos, unsorted),
        },
    )


def url_of(relative: str) -> str:
    """The URL of a path relative to the page, "/" between its parts, as any browser reads it.

    Names that are not UTF-8 keep their bytes; a colon does not make a scheme.
    """
    return quote(os.fsencode(relative), safe="/")


# --- order ---------------------------------------------------------------------------------------


def _rank(person: PagePerson) -> tuple[bool, str, int, int]:
    decomposed = unicodedata.normalize("NFKD", person.title) if person.named else ""
    letters = "".join(sign for sign in decomposed if not unicodedata.combining(sign))
    return not person.named, letters.casefold(), -len(person.photos), person.number


def _age(photo: PagePhoto) -> tuple[bool, str, str]:
    return photo.taken_at is None, _taken(photo), photo.name


def _taken(photo: PagePhoto) -> str:
    """The camera's own clock, "2024-06-01T14:32:10"; "" if not known."""
    when = photo.taken_at
    return "" if when is None else when.replace(tzinfo=None).isoformat(timespec="seconds")


def _numbers(keys: Iterable[str], places: Mapping[str, int]) -> list[int]:
    return sorted({places[key] for key in keys})


# --- text ----------------------------------------------------------------------------------------


def _showable(text: str) -> str:
    return _UNSHOWABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def _text(text: str) -> str:
    return html.escape(_showable(text))


def _photos_text(count: int) -> str:
    return f"{count:,} photo" if count == 1 else f"{count:,} photos"


def _people_text(count: int) -> str:
    return "1 person" if count == 1 else f"{count:,} people"


# --- parts of the page ---------------------------------------------------------------------------


def _template(name: str) -> str:
    return (resource_dir("templates") / name).read_text(encoding="utf-8")


def _filled(template: str, values: Mapping[str, str]) -> str:
    """The template with each {{name}} replaced; what replaces it is not looked at again."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], template)


def _script_hash(script: str) -> str:
    """What lets the page's own script run and no other, even if a name were to hold one."""
    digest = hashlib.sha256(script.encode()).digest()
    return "sha256-" + base64.b64encode(digest).decode()


def _unsorted_link(count: int) -> str:
    if not count:
        return ""
    return f'<a class="way" href="#unsorted">Photos with nobody ({count:,})</a>'


def _faces(people: Sequence[PagePerson]) -> str:
    """The named and the others, under headings that are seen where there are both."""
    named = [person for person in people if person.named]
    others = [person for person in people if not person.named]
    if named and others:
        return _group("People", named, "named") + _group("Without a name", others, "others")
    if people:
        return _group("People", people, "named", "unseen")
    return '<p class="group quiet">No people here.</p>'


def _group(title: str, people: Iterable[PagePerson], id_: str, look: str = "") -> str:
    faces = "\n".join(map(_face, people))
    return (
        f'<section class="group" aria-labelledby="{id_}"><h2 id="{id_}" class="{look}">{title}</h2>'
        f'\n<ul class="faces">\n{faces}\n</ul></section>\n'
    )


def _face(person: PagePerson) -> str:
    title = _text(person.title)
    picture = '<span class="round"></span>'
    if person.cover:
        picture = (
            f'<img class="round" src="{_text(person.cover)}" alt="" loading="lazy" '
            f'decoding="async" width="{_COVER_SIDE}" height="{_COVER_SIDE}">'
        )
    return (
        f'<li><a class="face" href="#person-{person.number}" title="{title}">{picture}'
        f'<span class="name" dir="auto">{title}</span> '
        f'<span class="quiet">{_photos_text(len(set(person.photos)))}</span></a></li>'
    )


def _lists(
    people: Sequence[PagePerson], photos: Sequence[PagePhoto], unsorted: Sequence[str]
) -> str:
    """Everybody's photos as links, for browsers without a script."""
    places = {photo.key: place for place, photo in enumerate(photos)}
    links = [
        f'<li><a href="{_text(photo.href)}" dir="auto">{_text(photo.name)}</a></li>'
        for photo in photos
    ]
    sections = [(f"person-{p.number}", p.title, p.photos) for p in people]
    if unsorted:
        sections.append(("unsorted", "Photos with nobody", tuple(unsorted)))
    return "\n".join(
        f'<section id="{id_}"><h2 dir="auto">{_text(title)}</h2><ul>'
        + "".join(links[number] for number in _numbers(keys, places))
        + "</ul></section>"
        for id_, title, keys in sections
    )


def _album(
    people: Sequence[PagePerson], photos: Sequence[PagePhoto], unsorted: Sequence[str]
) -> str:
    """What the script shows, as JSON that cannot end the element it stands in.

    People and photos are lists in the page's order, and mention each other by their place in it.
    """
    places = {photo.key: place for place, photo in enumerate(photos)}
    ranks = {person.number: rank for rank, person in enumerate(people)}
    data = {
        "people": [
            [p.number, p.title, p.named, p.cover, _numbers(p.photos, places), _folder_url(p)]
            for p in people
        ],
        "photos": [
            [
                photo.href,
                photo.thumbnail,
                photo.name,
                _taken(photo),
                _ratio(photo),
                sorted({ranks[number] for number in photo.people if number in ranks}),
            ]
            for photo in photos
        ],
        "unsorted": _numbers(unsorted, places),
    }
    written = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return _showable(written).replace("<", "\\u003c")


def _folder_url(person: PagePerson) -> str:
    return url_of(person.folder.rstrip("/") + "/") if person.folder else ""


def _ratio(photo: PagePhoto) -> float:
    if photo.width <= 0 or photo.height <= 0:
        return _USUAL_RATIO
    low, high = _RATIOS
    return round(min(max(photo.width / photo.height, low), high), 3)
