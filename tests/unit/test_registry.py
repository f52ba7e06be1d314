"""The registry of pipelines agrees with the weight records and with the database's indexes."""

from __future__ import annotations

import re
from collections import defaultdict

import pytest

from facefind.inference import weights
from facefind.inference.pipeline import PIPELINES
from facefind.resources import resource_dir

NAMES = list(PIPELINES)


def test_there_are_pipelines() -> None:
    assert {"dlib", "clip", "sface", "arcface"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_records_name_the_pipelines_that_need_them(name: str) -> None:
    needing = {record.name for record in weights.records().values() if name in record.used_by}
    assert needing == set(PIPELINES[name].weights)
    assert {record.name for record in weights.chosen(name)} == needing


@pytest.mark.parametrize("name", NAMES)
def test_each_pipeline_has_an_index_of_its_dimension(name: str) -> None:
    created = f"CREATE INDEX faces_hnsw_{name.replace('-', '_')} ON faces"
    files = sorted(resource_dir("sql").glob("*.sql"))
    statements = [text for file in files for text in file.read_text("utf-8").split(";")]
    made = [text for text in statements if created in text]
    # The last one holds.
    dimension = PIPELINES[name].dimension
    assert f"((embedding::halfvec({dimension})) halfvec_l2_ops)" in made[-1]
    assert made[-1].rstrip().endswith(f"WHERE pipeline = '{name}'")


def test_thresholds_of_publishers_are_theirs() -> None:
    # A cosine c is an L2 distance of sqrt(2 - 2 c) on the sphere.
    assert PIPELINES["sface"].threshold == pytest.approx((2 - 2 * 0.363) ** 0.5, abs=1e-3)
    assert PIPELINES["arcface"].threshold == pytest.approx((2 - 2 * 0.4) ** 0.5, abs=1e-3)


def test_what_may_not_be_used_for_everything_asks_before_it_is_downloaded() -> None:
    known = weights.records().values()
    asking = {record.name for record in known if record.terms}
    assert asking == {record.name for record in known if "non-commercial" in record.licence}
    assert asking == set(PIPELINES["arcface"].weights)


def test_files_of_one_archive_agree_about_it() -> None:
    archived = [record for record in weights.records().values() if record.archive]
    about = {
        (r.url, r.archive.file, r.archive.sha256, r.archive.size) for r in archived if r.archive
    }
    assert len(archived) == 2
    assert len(about) == 1
    assert all(re.fullmatch(r"[0-9a-f]{64}", record.sha256 or "") for record in archived)
    assert all(record.url.endswith(record.archive.file) for record in archived if record.archive)


def test_files_that_come_by_one_download_have_one_licence() -> None:
    # Who accepts the terms of one accepts those of all that comes with it.
    agreed = defaultdict(set)
    downloaded = [record for record in weights.records().values() if record.url]
    for record in downloaded:
        agreed[record.url].add((record.licence, record.licence_url, record.terms))
    assert 0 < len(agreed) < len(downloaded)
    assert {url: terms for url, terms in agreed.items() if len(terms) > 1} == {}
