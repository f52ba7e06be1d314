"""The one thing setup.cfg cannot say: collect the bundled weights before building."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent


class BuildWithWeights(build_py):  # type: ignore[misc, unused-ignore]
    """Brings ``facefind/weights/`` up to date, then builds as usual.

    The folder lies in the checkout, so an editable install finds it there.
    """

    def run(self) -> None:
        sys.path.insert(0, str(HERE))
        from models.collect import CollectError, collect

        try:
            collect()
        except CollectError as error:
            # Not an Exception: setuptools would swallow that in an editable install.
            raise SystemExit(f"error: {error}") from error
        super().run()

    def find_package_modules(self, package: str, package_dir: str) -> list[tuple[str, str, str]]:
        """Leaves ``models/*.py`` out: they serve the build; what is installed is data."""
        if package == "facefind.models":
            return []
        parent: Any = super()
        return list(parent.find_package_modules(package, package_dir))


setup(cmdclass={"build_py": BuildWithWeights})
