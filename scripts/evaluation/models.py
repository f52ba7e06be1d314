"""Pipelines and detectors to be measured, their weights from where the user keeps them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from facefind.inference.pipeline import (
    CheckedDetector,
    Pipeline,
    load_detector,
    load_pipeline,
    resolve_settings,
)
from facefind.settings import load_settings


def models_dir() -> Path:
    """Where downloaded weights lie."""
    return load_settings({}, os.environ).models_dir


def ready(
    pipeline: str, overrides: Mapping[str, object] | None = None, threads: int = 0
) -> Pipeline:
    """A pipeline, with its default settings but for those given; 0 threads are one per core."""
    settings = resolve_settings(pipeline, overrides or {})
    return load_pipeline(pipeline, models_dir=models_dir(), settings=settings, threads=threads)


def ready_detector(
    pipeline: str, overrides: Mapping[str, object] | None = None, threads: int = 0
) -> CheckedDetector:
    """A pipeline's detector alone, likewise."""
    settings = resolve_settings(pipeline, overrides or {})
    return load_detector(pipeline, models_dir=models_dir(), settings=settings, threads=threads)
