"""The cost model: costs that were drawn are found again, and none is ever below nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scripts.benchmarks import costs, model, paper

TRUE: costs.Costs = {
    "read": {"megabytes": 1.1},
    "decode": {"megapixels": 3.7, "decoded_megapixels": 8.0},
    "detect": {"network_megapixels": 160.0, "decoded_megapixels": 9.0},
    "align": {"faces": 4.0, "peopled": 2.5},
    "embed": {"faces": 15.0},
}


def work(
    random: np.random.Generator, megapixels: float, faces: float, noise: float = 0.0
) -> dict[str, Any]:
    """A mix of 12 photos, and what it takes by the true costs, off by some noise."""
    photos = 12
    done: dict[str, Any] = {
        "photos": photos,
        "megabytes": 0.27 * megapixels * photos,
        "megapixels": megapixels * photos,
        "decoded_megapixels": photos * megapixels / random.choice([1, 4]),
        "network_megapixels": photos * random.uniform(0.3, 1.0),
        "faces": photos * faces,
        "peopled": photos * (faces > 0),
    }
    done["cpu"] = {
        stage: (1 + noise * random.standard_normal())
        * sum(cost * done[unit] for unit, cost in units.items())
        for stage, units in TRUE.items()
    }
    return done


def mixes(seed: int, noise: float) -> list[dict[str, Any]]:
    """The mixes that costs are fitted to, twice each."""
    random = np.random.default_rng(seed)
    return [work(random, size, faces, noise) for size, faces in (*model.FITTED, *model.FITTED)]


def values(found: costs.Costs) -> list[float]:
    return [found[stage][unit] for stage, units in TRUE.items() for unit in units]


def test_costs_are_found_again() -> None:
    assert values(costs.fit(mixes(1, 0.0))) == pytest.approx(values(TRUE))


@pytest.mark.parametrize("seed", range(8))
def test_predictions_hold_where_measurements_are_off_by_a_tenth(seed: int) -> None:
    found = costs.fit(mixes(seed, 0.1))
    assert min(values(found)) >= 0
    for megapixels, faces in model.PREDICTED:
        other = work(np.random.default_rng(100 + seed), megapixels, faces)
        assert costs.predicted(found, other) == pytest.approx(sum(other["cpu"].values()), rel=0.15)


@pytest.mark.parametrize("seed", range(8))
def test_no_cost_is_below_nothing_whatever_was_measured(seed: int) -> None:
    random = np.random.default_rng(seed)
    done = mixes(seed, 0.1)
    for mix in done:
        mix["cpu"] = {stage: random.exponential(100.0) for stage in TRUE}
    assert min(values(costs.fit(done))) >= 0


def test_a_stage_that_took_no_time_costs_nothing() -> None:
    done = mixes(1, 0.0)
    for mix in done:
        del mix["cpu"]["align"]
    assert costs.fit(done)["align"] == {"faces": 0.0, "peopled": 0.0}


def test_a_factor_that_would_be_below_nothing_is_left_out() -> None:
    x = np.arange(6.0)
    found = costs.nonnegative((x, np.ones(6)), 3 * x - 2)
    assert found[1] == 0
    assert 2 < found[0] < 3


def test_what_was_fitted_is_told_beside_what_was_measured() -> None:
    told = costs.all_told(mixes(1, 0.0))
    assert told["fitted"] == pytest.approx(told["measured"])


def test_a_photo_costs_its_work_and_its_rows() -> None:
    one = costs.each(work(np.random.default_rng(2), 12.0, 5.0))
    assert (one["photos"], one["faces"], one["megapixels"]) == (1.0, 5.0, 12.0)
    rows = {"ms_photo": 0.5, "ms_face": 0.25}
    assert model._photo(TRUE, rows, one) == pytest.approx(costs.predicted(TRUE, one) + 1.75)


def test_the_start_the_walk_and_the_grouping_are_no_part_of_the_rate() -> None:
    stages = {"start": 2.0, "walk": 0.5, "read": 9.0, "group": 1.5}
    rows = {name: {"seconds": seconds} for name, seconds in stages.items()}
    assert model.after_start({"wall_seconds": 10.0, "stages": rows}) == 6.0


def test_the_worst_is_the_furthest_off_in_either_direction() -> None:
    assert model.worst([(1.0, 1.1), (2.0, 1.0), (1.0, 1.5)]) == 2.0
    assert model.worst([(1.0, 3.0), (1.0, 1.0)]) == 3.0
    assert model.worst([(1.0, 1.0), (1.0, -0.5)]) == float("inf")


FIGURES = {
    "cpu": 360.0,
    "photo": 1000.0,
    "face": 1600.0,
    "index": 600.0,
    "who": 0.8,
    "search": 5.0,
    "searched": 100_000,
}


def test_paper_figures_are_products() -> None:
    row = paper.scale(10**6, FIGURES)
    assert row["hours"] == {
        "2": pytest.approx(360_000 / 2 / 3600),
        "16": pytest.approx(360_000 / 16 / 3600),
    }
    assert row["database"] == 10**6 * (1000 + paper.FACES * 1600)
    assert row["index"] == 10**6 * paper.FACES * 600
    assert 0.8 + 0.005 < row["who"] < 0.8 + 0.008


def test_the_time_of_one_search_is_left_out_where_none_was_measured() -> None:
    rows = [paper.scale(count, {**FIGURES, "search": None}) for count in paper.SCALES]
    assert [row["who"] for row in rows] == [None] * len(paper.SCALES)
    assert "`who`" not in paper.render(rows)
    told = [paper.scale(count, FIGURES) for count in paper.SCALES]
    rendered = paper.render(told)
    assert "| one `who`, s |" in rendered
    assert paper.WHO in rendered
    table = [line for line in rendered.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in table} == {8}


def test_one_search_is_that_of_the_largest_library_of_such_vectors() -> None:
    def library(faces: int, dimension: int, p50: float) -> dict[str, Any]:
        rows = {"ten photos, by the index": {"p50": p50}}
        return {"faces": faces, "dimension": dimension, "rows": rows}

    libraries = [library(10, 128, 1.0), library(1000, 128, 3.0), library(5000, 768, 9.0)]
    figures = {"libraries": {str(nth): each for nth, each in enumerate(libraries)}}
    assert model.search_of(figures) == (3.0, 1000)
    assert model.search_of({}) == (None, 0)


@pytest.mark.parametrize(
    ("value", "text"),
    [(4666.9, "4,700"), (46.67, "47"), (0.4667, "0.47"), (0.0288, "0.029"), (0.0, "0")],
)
def test_what_is_calculated_is_rounded(value: float, text: str) -> None:
    assert paper._rounded(value) == text


def test_the_page_says_what_is_calculated() -> None:
    one = costs.each(work(np.random.default_rng(2), 12.0, 5.0))
    rows = dict.fromkeys(("ms_photo", "ms_face", "bytes_photo", "bytes_face", "bytes_index"), 1.0)
    mix = {"megapixels": 12.0, "faces": 5, "work": one, "predicted": 361.4, "measured": 372.6}
    page = model.render(
        {
            "costs": TRUE,
            "rows": rows,
            "fitted": {"measured": 100.0, "fitted": 99.0},
            "mixes": [{**mix, "predicted_rate": 4.98, "rate": 4.83}],
            "scales": [paper.scale(10**4, FIGURES)],
        }
    )
    assert "calculated, not measured" in page
    assert "| 361 | 373 | 4.98 | 4.83 |" in page
    assert "they give 99.0%" in page
