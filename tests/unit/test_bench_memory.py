"""The memory benchmark's arithmetic and its curve."""

from __future__ import annotations

import csv
import xml.etree.ElementTree as Xml
from pathlib import Path

import pytest

from scripts.benchmarks import memory, watching
from scripts.benchmarks.curve import curve

SVG = "{http://www.w3.org/2000/svg}"


def samples(*megabytes: int, every: float = 1.0) -> list[watching.Sample]:
    return [
        watching.Sample(nth * every, value * 10**6, 10**6) for nth, value in enumerate(megabytes)
    ]


def row(photos: int, peak: float, **more: object) -> dict[str, object]:
    plain = {"large": False, "seconds": 60.0, "own": peak, "database": 0, "growth": 1.0}
    return {"photos": photos, "peak": peak, **plain, **more}


def watched(*at: float, seconds: float) -> watching.Watch:
    """A run that was seen at these times, with more held each time."""
    seen = [watching.Sample(each, (100 + nth) * 10**6, 10**6) for nth, each in enumerate(at)]
    return watching.Watch(seconds, seen, answer={"photos": 9})


def test_growth_is_the_last_quarter_over_the_second() -> None:
    found = memory.quarters(samples(1, 5, 99, 99, 99, 109, 119, 119, 119))
    assert found == {"all": (100e6, 120e6), "own": (99e6, 119e6), "database": (1e6, 1e6)}
    assert memory.grown(found["all"]) == pytest.approx(1.2)


def test_the_growth_of_a_run_with_holes_is_not_told() -> None:
    whole = [9.0 * nth for nth in range(100)]
    usual = memory._row(9, watched(*whole, seconds=891.0))
    assert usual["holes"] == []
    assert usual["growth"] == pytest.approx((100 + 87 + 1) / (100 + 37 + 1), rel=0.01)
    assert memory.compared([usual])["growth"] == usual["growth"]
    broken = memory._row(9, watched(*whole[:10], *whole[30:], seconds=920.0))
    assert broken["holes"] == [(81.0, 270.0), (891.0, 920.0)]
    assert broken["growth"] is None
    assert "growth" not in memory.compared([broken])
    (said,) = memory.over_limits({"rows": [broken], "ratios": memory.compared([broken])})
    assert "nothing was seen for 189 s from 1.4 minutes on and 29 s from 14.8 minutes on" in said
    page = memory.render({"rows": [broken]})
    assert said[1:] in page
    assert "| not told | not told | not told |" in page


def test_a_curve_is_broken_where_nothing_was_seen() -> None:
    picture = Xml.fromstring(curve(samples(100, 200, 300, 400, every=10.0), 1e9, [(10.0, 20.0)]))
    lines = [line.attrib["points"] for line in picture.findall(f"{SVG}polyline")]
    assert [len(points.split()) for points in lines] == [2, 2, 2, 2]
    assert "not seen" in {text.text for text in picture.findall(f"{SVG}text")}


def test_the_run_with_the_most_photos_is_held_against_that_with_the_fewest() -> None:
    rows = [
        row(5000, 6e8, seconds=memory.LONG, growth=1.02),
        row(200, 5e8, growth=3.0),
        row(200, 9e8, large=True),
    ]
    assert memory.compared(rows) == {
        "peak_of_a_gigabyte": 0.9,
        "most_over_fewest": 1.2,
        "growth": 1.02,
    }


def test_of_one_short_run_the_peak_alone_is_told() -> None:
    assert memory.compared([row(16, 4e8, growth=2.0)]) == {"peak_of_a_gigabyte": 0.4}


def test_a_table_names_the_large_photo_and_the_growth_of_long_runs() -> None:
    quarters = {"all": (5e8, 5.1e8), "own": (4e8, 4e8), "database": (1e8, 1.1e8)}
    rows = [
        row(5000, 6e8, seconds=3600.0, growth=1.02, quarters=quarters),
        row(200, 9e8, large=True, growth=None),
    ]
    table = memory.render({"rows": rows})
    assert "memory.svg" not in table
    assert "(memory.svg)" in memory.render({"rows": rows, "curve": True})
    whole, own, database = "1.020", "1.000, 400 to 400", "1.100, 100 to 110"
    assert f"| 5,000 | 600 | 600 | 0 | 60.0 | {whole} | {own} | {database} |" in table
    assert "| 200 and one of 199 megapixels | 900 | 900 | 0 | 1.0 |  |  |  |" in table


def test_of_each_part_of_the_time_the_most_is_shown() -> None:
    found = memory.highest(samples(1, 9, 2, 3, 8, 4, 5, 7, 6), points=2)
    assert [sample.own for sample in found] == [9 * 10**6, 8 * 10**6]


def test_the_curve_s_files_hold_the_same(tmp_path: Path) -> None:
    memory.write_curve(samples(100, 300, 200), tmp_path)
    with (tmp_path / "memory.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [line["facefind_mb"] for line in rows] == ["100", "300", "200"]
    assert [line["database_mb"] for line in rows] == ["1", "1", "1"]
    assert (tmp_path / "memory.svg").read_text("utf-8").startswith("<svg")


@pytest.mark.parametrize(("every", "unit"), [(1.0, "seconds"), (600.0, "minutes")])
def test_the_picture_has_two_curves_inside_its_frame_and_named_axes(
    every: float, unit: str
) -> None:
    picture = Xml.fromstring(curve(samples(100, 1300, 200, every=every), 1e9))
    width, height = map(float, picture.attrib["viewBox"].split()[2:])
    lines = picture.findall(f"{SVG}polyline")
    places = [tuple(map(float, p.split(","))) for x in lines for p in x.attrib["points"].split()]
    assert len(lines) == 2
    assert len(places) == 6
    assert all(0 < x < width and 0 < y < height for x, y in places)
    words = {text.text for text in picture.findall(f"{SVG}text")}
    assert {"MB", unit, "1000", "0", "facefind alone", "facefind and its database"} <= words
