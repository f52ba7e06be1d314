"""The album's page as text: what is on it, in which order, and that no name can break out of it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest

from facefind.page import PagePerson, PagePhoto, render, url_of
from facefind.resources import resource_dir

NAMES = [
    "<script>alert(1)</script>",
    '</script><img src=x onerror="alert(1)">',
    "</noscript><!-- <script>",
    "\"double\" 'single' & &amp;",
    "Zoë \N{PARTY POPPER} Ångström",
    "محمد بن عبد الله",
    "x" * 300,
    "{{album}} {{lang}}",
    "two\u2028lines",
]


class Page(HTMLParser):
    """The elements of a page that tests ask for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.elements.append((tag, values))
        key = f"{tag}.{values['class']}" if "class" in values else tag
        if tag not in {"img", "meta", "link", "input"}:
            self._open.append(key)
            self.texts.setdefault(key, []).append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().partition(".")[0] == tag

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts[self._open[-1]][-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [values for name, values in self.elements if name == tag]

    def hrefs(self) -> list[str]:
        return [values["href"] or "" for values in self.all("a")]

    @property
    def names(self) -> list[str]:
        """The people's, in the page's order."""
        return self.texts["span.name"]

    @property
    def album(self) -> Any:
        """What the script is given."""
        return json.loads(self.texts["script"][0])


def photo(key: str, *people: int, name: str = "", taken_at: datetime | None = None) -> PagePhoto:
    return PagePhoto(
        key, f"photos/{key}.jpg", f"small/{key}.jpg", name or f"{key}.jpg", taken_at, people
    )


def person(number: int, title: str, photos: Iterable[str], named: bool = True) -> PagePerson:
    return PagePerson(number, title, named, f"faces/{number}.jpg", tuple(photos), title)


def party() -> tuple[list[PagePerson], list[PagePhoto]]:
    photos = [photo("a", 1, 2), photo("b", 1), photo("c", 3), photo("d", 2, 3), photo("e")]
    people = [
        person(1, "Person 001", "ab", named=False),
        person(2, "Zoë", "ad"),
        person(3, "Ada", "cd"),
    ]
    return people, photos


def test_faces_lead_to_people_and_lists_to_their_photos() -> None:
    people, photos = party()
    page = Page(render(people, photos, ["e"], heading="Party"))
    assert page.names == ["Ada", "Zoë", "Person 001"]
    hrefs = page.hrefs()
    assert hrefs[:4] == ["#unsorted", "#person-3", "#person-2", "#person-1"]
    assert hrefs[4:] == [f"photos/{key}.jpg" for key in "cdadabe"]
    sections = [values.get("id") for values in page.all("section")]
    assert sections[2:] == ["person-3", "person-2", "person-1", "unsorted"]


def test_script_is_given_the_same_by_place() -> None:
    people, photos = party()
    album = Page(render(people, photos, ["e"], heading="Party")).album
    assert album["people"] == [
        [3, "Ada", True, "faces/3.jpg", [2, 3], "Ada/"],
        [2, "Zoë", True, "faces/2.jpg", [0, 3], "Zo%C3%AB/"],
        [1, "Person 001", False, "faces/1.jpg", [0, 1], "Person%20001/"],
    ]
    assert album["photos"][3] == ["photos/d.jpg", "small/d.jpg", "d.jpg", "", 1.5, [0, 1]]
    assert album["unsorted"] == [4]


def test_named_come_first_by_name_and_the_others_by_photos() -> None:
    photos = [photo(key) for key in "abc"]
    people = [
        person(7, "Person 007", "a", named=False),
        person(8, "Person 008", "abc", named=False),
        person(9, "Person 009", "a", named=False),
        person(1, "zoe", "a"),
        person(2, "Åsa", "a"),
        person(3, "Bea", "abc"),
    ]
    page = Page(render(people, photos, heading="Party"))
    assert page.names == ["Åsa", "Bea", "zoe", "Person 008", "Person 007", "Person 009"]


def test_photos_are_ordered_by_the_cameras_clock() -> None:
    noon = datetime(2026, 6, 20, 12, tzinfo=timezone(timedelta(hours=9)))
    one = datetime(2026, 6, 20, 13)
    photos = [photo("none"), photo("one", taken_at=one), photo("noon", taken_at=noon)]
    album = Page(render([], photos, heading="Party")).album
    assert [row[2] for row in album["photos"]] == ["noon.jpg", "one.jpg", "none.jpg"]
    assert [row[3] for row in album["photos"]] == ["2026-06-20T12:00:00", "2026-06-20T13:00:00", ""]


@pytest.mark.parametrize("name", NAMES)
def test_no_name_breaks_out(name: str) -> None:
    page = Page(render([person(1, name, "a")], [photo("a", 1, name=name)], heading=name))
    assert page.names == [name]
    assert page.texts["h1"] == [name]
    assert page.album["people"][0][1] == name
    assert page.album["photos"][0][2] == name
    assert len(page.all("script")) == 2
    assert [values["src"] for values in page.all("img")] == ["faces/1.jpg"]
    assert not [values for _, values in page.elements if "onerror" in values]


def test_data_cannot_end_its_element() -> None:
    text = render([person(1, name, "a") for name in NAMES], [photo("a")], heading="Party")
    data = text.partition('id="album">')[2].partition("</script>")[0]
    assert json.loads(data)["people"][0][0] == 1
    assert "<" not in data


def test_what_no_page_may_hold_is_replaced() -> None:
    name = "a\udcffb\x00c\x1bd"
    page_text = render([person(1, name, "a")], [photo("a", name=name)], heading=name)
    page = Page(page_text.encode("utf-8").decode("utf-8"))
    assert page.names == ["a\ufffdb\ufffdc\ufffdd"]
    assert page.album["people"][0][5] == "a%FFb%00c%1Bd/"


def test_only_its_own_script_may_run() -> None:
    text = render(*party(), heading="Party")
    script = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(script) == 1
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    (policy,) = [v["content"] for v in Page(text).all("meta") if "http-equiv" in v]
    assert policy is not None
    assert f"script-src 'sha256-{digest}';" in policy


def test_reaches_for_nothing_elsewhere() -> None:
    text = render(*party(), heading="Party")
    assert "{{" not in text
    assert "://" not in text
    assert not re.search(r"@import|url\(|fetch\(|import\(|XMLHttpRequest", text)


def test_people_whom_the_page_does_not_show_are_left_out() -> None:
    page = Page(render([person(1, "Ada", "a")], [photo("a", 1, 99)], heading="Party"))
    assert page.album["photos"][0][5] == [0]
    assert "99" not in json.dumps(page.album)


def test_a_photo_listed_twice_counts_once() -> None:
    page = Page(render([person(1, "Ada", "aab")], [photo("a"), photo("b")], heading="Party"))
    assert page.album["people"][0][4] == [0, 1]
    assert page.texts["span.quiet"] == ["2 photos"]


def test_unknown_photo_is_refused() -> None:
    with pytest.raises(KeyError):
        render([person(1, "Ada", "b")], [photo("a")], heading="Party")


def test_empty_album_says_so() -> None:
    page = Page(render([], [], heading="Party"))
    assert page.texts["p.group quiet"] == ["No people here."]
    assert page.texts["p.quiet"][0] == "0 people · 0 photos"
    assert page.hrefs() == []


def test_person_without_a_cover_gets_a_blank() -> None:
    blank = PagePerson(1, "Ada", True, "", (), "")
    page = Page(render([blank], [], heading="Party"))
    assert page.all("img") == []
    assert "span.round" in page.texts
    assert page.album["people"][0][5] == ""


@pytest.mark.parametrize(
    ("size", "ratio"),
    [((0, 0), 1.5), ((4000, 3000), 1.333), ((3000, 4000), 0.75), ((9000, 10), 4.0), ((1, 9), 0.4)],
)
def test_place_of_a_thumbnail_follows_its_shape(size: tuple[int, int], ratio: float) -> None:
    wide = PagePhoto("a", "a.jpg", "a.jpg", "a.jpg", None, (), *size)
    assert Page(render([], [wide], heading="Party")).album["photos"][0][4] == ratio


@pytest.mark.parametrize("lang", ["", "x", "english", "en_GB", 'en" onload="x', "en-"])
def test_language_tag_is_checked(lang: str) -> None:
    with pytest.raises(ValueError, match="language tag"):
        render([], [], heading="Party", lang=lang)


@pytest.mark.parametrize("lang", ["en", "pt-BR", "zh-Hant-TW", "es-419"])
def test_language_is_the_pages(lang: str) -> None:
    assert Page(render([], [], heading="Party", lang=lang)).all("html") == [{"lang": lang}]


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("Ada/IMG 1.jpg", "Ada/IMG%201.jpg"),
        ("100%/#1?.jpg", "100%25/%231%3F.jpg"),
        ("javascript:alert(1)", "javascript%3Aalert%281%29"),
        ("Zoë/\udcff.jpg", "Zo%C3%AB/%FF.jpg"),
        ("a\\b\"'<&>.jpg", "a%5Cb%22%27%3C%26%3E.jpg"),
    ],
)
def test_url_of(path: str, url: str) -> None:
    assert url_of(path) == url
    assert unquote_to_bytes(url) == path.encode("utf-8", "surrogateescape")


# --- colours -------------------------------------------------------------------------------------


def palettes() -> dict[str, dict[str, str]]:
    """The colours of the light and the dark page, by name."""
    style = (resource_dir("templates") / "page.css").read_text(encoding="utf-8")
    light, dark = re.findall(r":root \{([^}]*--paper[^}]*)\}", style)
    return {
        name: dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", block))
        for name, block in (("light", light), ("dark", dark))
    }


def luminance(colour: str) -> float:
    """Relative, as WCAG 2.2 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("front", "back", "least"),
    [
        ("ink", "paper", 7.0),
        ("ink", "raised", 4.5),
        ("quiet", "paper", 4.5),
        ("quiet", "raised", 4.5),
        ("edge", "paper", 3.0),
        ("focus", "paper", 3.0),
    ],
)
def test_contrast(scheme: str, front: str, back: str, least: float) -> None:
    colours = palettes()[scheme]
    assert contrast(colours[front], colours[back]) >= least
