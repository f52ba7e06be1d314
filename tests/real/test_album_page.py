"""The album's page in headless Chromium, opened from disk like a guest would."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage

from facefind.images import face_cover, thumbnail
from facefind.page import PagePerson, PagePhoto, render, url_of
from facefind.types import Box

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--virtual-time-budget=20000",
)
DARK = "--blink-settings=preferredColorScheme=0"

COVER = (200, 30, 120)
PAPER, DARK_PAPER, INK = (252, 251, 249), (21, 20, 19), (31, 29, 26)
HOSTILE = '<script>document.title="owned"</script>'
LONG = "x" * 300
TITLES = ["Ada", HOSTILE, LONG, "Zoë", "محمد", "Person 006", "Person 007", "Person 008"]
PHOTOS = 260
"""More than the page builds at once."""

PROBE = """<script>
addEventListener("load", async () => {
  const root = document.documentElement;
  const pause = () => new Promise((done) => setTimeout(done, 300));
  const press = async (key) => {
    const options = { key, bubbles: true, cancelable: true };
    document.activeElement.dispatchEvent(new KeyboardEvent("keydown", options));
    await pause();
  };
  const width = () => Math.max(root.scrollWidth, document.body.scrollWidth) - innerWidth;
  await pause();
  const found = await (async () => { STEPS })();
  root.dataset.probe = JSON.stringify(found);
  parent.postMessage(root.dataset.probe, "*");
});
</script></body>"""


@dataclass(frozen=True)
class Browser:
    """Chromium, each time with an empty profile; ``folder`` holds the page."""

    program: str
    folder: Path
    profile: Path

    def run(self, address: str, *flags: str) -> str:
        done = subprocess.run(
            [self.program, *FLAGS, f"--user-data-dir={self.profile}", *flags, address],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        shutil.rmtree(self.profile, ignore_errors=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def dom(self, fragment: str = "", page: str = "index.html") -> str:
        return self.run((self.folder / page).as_uri() + fragment, "--dump-dom")

    def probe(self, steps: str, fragment: str = "", width: int = 1280) -> Any:
        """What ``steps``, the body of a script in the page, returns.

        The page is in a frame, because a browser's window cannot be as narrow as a phone's.
        """
        text = (self.folder / "index.html").read_text(encoding="utf-8")
        text, count = re.subn(r"script-src '[^']+'", "script-src 'unsafe-inline'", text)
        assert count == 1
        text = text.replace("</body>", PROBE.replace("STEPS", steps))
        (self.folder / "probe.html").write_text(text, encoding="utf-8")
        frame = (
            "<!doctype html><script>addEventListener('message', (event) => {"
            "document.documentElement.dataset.found = event.data; });</script>"
            f'<iframe src="probe.html{fragment}" style="width:{width}px;height:800px;border:0">'
        )
        (self.folder / "frame.html").write_text(frame, encoding="utf-8")
        found = re.search(r'data-found="([^"]*)"', self.dom(page="frame.html"))
        assert found, "the script in the page did not come to its end"
        return json.loads(html.unescape(found[1]))

    def screenshot(self, *flags: str, page: str = "index.html") -> NDArray[np.uint8]:
        path = self.folder / "screenshot.png"
        path.unlink(missing_ok=True)
        address = (self.folder / page).as_uri()
        self.run(address, "--window-size=1000,1600", f"--screenshot={path}", *flags)
        with PillowImage.open(path) as picture:
            return np.asarray(picture.convert("RGB"))

    def screenshot_without_script(self, fragment: str) -> NDArray[np.uint8]:
        """The page in a frame whose scripts may not run."""
        frame = (
            '<!doctype html><iframe sandbox="allow-same-origin" scrolling="no" '
            f'src="index.html{fragment}" style="width:960px;height:1560px;border:0">'
        )
        (self.folder / "frame.html").write_text(frame, encoding="utf-8")
        return self.screenshot(page="frame.html")


def build(folder: Path) -> None:
    """An album of flat pictures, with everybody on some photos and Ada on most."""
    pixels = np.full((300, 400, 3), COVER, np.uint8)
    for name in ("small", "faces"):
        (folder / name).mkdir()
    (folder / "small" / "#1 100%?.jpg").write_bytes(thumbnail(pixels))
    (folder / "faces" / "a b.jpg").write_bytes(face_cover(pixels, Box(100, 100, 80, 80)))
    start = datetime(2026, 6, 20, 9)
    photos = [
        PagePhoto(
            str(number),
            url_of(f"photos/{number}.jpg"),
            url_of("small/#1 100%?.jpg"),
            f"{HOSTILE} {number}.jpg",
            start + timedelta(minutes=number),
            tuple(range(1, 2 + number % len(TITLES))),
            *((400, 300) if number % 3 else (300, 400)),
        )
        for number in range(PHOTOS)
    ]
    photos.append(PagePhoto("none", "n.jpg", url_of("small/#1 100%?.jpg"), "n.jpg", None, ()))
    people = [
        PagePerson(
            number,
            title,
            not title.startswith("Person"),
            url_of("faces/a b.jpg"),
            tuple(photo.key for photo in photos if number in photo.people),
            title,
        )
        for number, title in enumerate(TITLES, start=1)
    ]
    text = render(people, photos, ["none"], heading=f"Party {LONG}")
    (folder / "index.html").write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def program() -> str:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed")
    return found


@pytest.fixture(scope="module")
def browser(program: str, tmp_path_factory: pytest.TempPathFactory) -> Browser:
    folder = tmp_path_factory.mktemp("100% album #1")
    build(folder)
    return Browser(program, folder, tmp_path_factory.mktemp("browser") / "profile")


def test_its_script_runs_from_disk_under_its_policy(browser: Browser) -> None:
    dom = browser.dom()
    assert re.search(r'<html[^>]* data-view="people"', dom)
    assert f"<title>Party {LONG}</title>" in dom
    assert "data-photos" not in dom


@pytest.mark.parametrize(
    ("fragment", "view", "count"),
    [
        ("#person-1", "person-1", PHOTOS),
        ("#person-2", "person-2", sum(number % len(TITLES) > 0 for number in range(PHOTOS))),
        ("#unsorted", "unsorted", 1),
    ],
)
def test_a_link_opens_a_persons_photos(
    browser: Browser, fragment: str, view: str, count: int
) -> None:
    dom = browser.dom(fragment)
    root = re.search(r"<html[^>]*>", dom)
    assert root
    assert f'data-view="{view}"' in root[0]
    assert f'data-photos="{count}"' in root[0]
    shown = dom.partition('<ul class="photos"')[2].partition("</ul>")[0]
    assert shown.count('class="photo"') == shown.count('src="small/%231%20100%25%3F.jpg"') == count
    assert "<title>owned</title>" not in dom


@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize("fragment", ["", "#person-1", "#person-3"])
def test_nothing_is_wider_than_the_window(browser: Browser, width: int, fragment: str) -> None:
    found = browser.probe("return [innerWidth, width(), root.dataset.view]", fragment, width)
    assert found == [width, 0, fragment[1:] or "people"]


def test_pictures_are_found_and_keep_their_place(browser: Browser) -> None:
    steps = """
      const images = [...document.querySelectorAll("#detail img")];
      const before = images.slice(0, 8).map((image) => image.getBoundingClientRect().height);
      await Promise.all(images.slice(0, 8).map((image) => image.decode()));
      const after = images.slice(0, 8).map((image) => image.getBoundingClientRect().height);
      return { before, after, lazy: images.every((image) => image.loading === "lazy"),
        sized: images.every((image) => image.width && image.height),
        loaded: images.slice(0, 8).every((image) => image.naturalWidth > 0) };
    """
    found = browser.probe(steps, "#person-1")
    assert len(found["before"]) == 8
    assert found["before"] == found["after"]
    assert min(found["before"]) > 20
    assert found["lazy"]
    assert found["sized"]
    assert found["loaded"]


def test_keys_lead_everywhere_and_back(browser: Browser) -> None:
    steps = """
      const seen = [];
      const note = () => seen.push(root.dataset.view + " " +
        (document.activeElement.getAttribute("href") || document.activeElement.id));
      document.querySelector(".face").focus();
      await press("ArrowRight"); note();
      await press("End"); note();
      await press("Home"); note();
      document.activeElement.click(); await pause(); note();
      await press("ArrowDown"); note();
      await press("ArrowRight"); note();
      await press("ArrowLeft"); note();
      document.querySelector(".chip").click(); await pause(); note();
      await press("Escape"); note();
      await press("Escape"); note();
      await press("/"); note();
      return seen;
    """
    assert browser.probe(steps) == [
        "people #person-1",
        "people #person-8",
        "people #person-2",
        "person-2 title",
        "person-2 photos/1.jpg",
        "person-2 photos/2.jpg",
        "person-2 photos/1.jpg",
        "person-1 title",
        "person-2 title",
        "people #person-2",
        "people filter",
    ]


def test_rows_are_crossed_upwards_and_downwards(browser: Browser) -> None:
    steps = """
      const at = () => document.activeElement.getBoundingClientRect();
      document.querySelectorAll(".photo")[1].focus();
      const start = at();
      await press("ArrowDown");
      const below = at();
      await press("ArrowUp");
      return [below.top + scrollY >= start.bottom, Math.abs(at().left - start.left)];
    """
    assert browser.probe(steps, "#person-1") == [True, 0]


def test_filter_ignores_accents_and_case(browser: Browser) -> None:
    steps = """
      const filter = document.getElementById("filter");
      const type = (text) => {
        filter.value = text;
        filter.dispatchEvent(new Event("input", { bubbles: true }));
        const faces = [...document.querySelectorAll(".faces li:not([hidden]) .face")];
        return [faces.map((face) => face.hash), document.getElementById("found").textContent];
      };
      const found = [type("ZOE"), type("on 6"), type("nobody"), type("")[0].length];
      filter.focus(); type("ada"); await press("Enter");
      return [...found, root.dataset.view];
    """
    assert browser.probe(steps) == [
        [["#person-4"], "1 of 8"],
        [["#person-6"], "1 of 8"],
        [[], "Nobody of that name"],
        8,
        "person-1",
    ]


def test_others_on_a_photo_are_all_reached(browser: Browser) -> None:
    steps = """
      const row = document.querySelectorAll(".photos > li")[7].querySelector(".with");
      const hashes = () => [...row.querySelectorAll("a")].map((link) => link.hash);
      const few = hashes().length;
      row.querySelector("button").click();
      return { few, all: hashes(), focus: document.activeElement.hash };
    """
    found = browser.probe(steps, "#person-1")
    assert found["few"] == 6
    assert sorted(found["all"]) == [f"#person-{number}" for number in range(2, 9)]
    assert found["focus"] == found["all"][6]


def test_back_returns_to_the_place_left(browser: Browser) -> None:
    steps = """
      scrollTo(0, 3000); await pause();
      document.querySelectorAll(".chip")[150].click(); await pause();
      const top = scrollY;
      history.back(); await pause();
      return [top, scrollY, root.dataset.view];
    """
    assert browser.probe(steps, "#person-1", 390) == [0, 3000, "person-1"]


def share(picture: NDArray[np.uint8], colour: tuple[int, int, int]) -> float:
    """Of the pixels, how many have about that colour."""
    near = np.abs(picture.astype(int) - colour).max(axis=-1) < 12
    return float(near.mean())


@pytest.mark.parametrize(("flags", "paper"), [((), PAPER), ((DARK,), DARK_PAPER)])
def test_faces_are_seen_in_light_and_dark(
    browser: Browser, flags: tuple[str, ...], paper: tuple[int, int, int]
) -> None:
    picture = browser.screenshot(*flags)
    assert share(picture, paper) > 0.5
    assert share(picture, COVER) > 0.02


def test_without_a_script_faces_lead_to_lists_of_links(browser: Browser) -> None:
    overview = browser.screenshot_without_script("")
    assert share(overview, PAPER) > 0.5
    assert share(overview, COVER) > 0.02
    # The person's list is scrolled to: no face is left in sight.
    listed = browser.screenshot_without_script("#person-3")
    assert share(listed, PAPER) > 0.5
    assert share(listed, INK) > 0.005
    assert share(listed, COVER) == 0
