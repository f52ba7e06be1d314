"""Opens a pipeline's models in a thread, while the program still imports what will use them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from facefind.flow import begun
from facefind.inference import weights
from facefind.inference.forest import Forest
from facefind.inference.session import Session, loads_quietly
from facefind.settings import Device


def open_model(record: str, models_dir: Path, threads: int, device: Device) -> Session | Forest:
    """The network of a weight record, verified; it loads at its first run.

    Raises:
        WeightsError: The file is missing or damaged.
    """
    path = weights.locate(record, models_dir)
    return Forest(path) if path.suffix == ".npz" else Session(path, threads, device)


class Ahead:
    """The models of a pipeline, which a thread begins to open at once.

    Neither hashing files nor loading networks holds Python's lock, so that they cost no time beside
    imports, which do.

    Args:
        pipeline: Its name. Of one that nobody knows there is nothing to open.
        models_dir, threads, device: As `facefind.inference.pipeline.load_pipeline` takes them.
    """

    def __init__(self, pipeline: str, models_dir: Path, threads: int, device: Device) -> None:
        self.pipeline = pipeline
        self._place = models_dir, threads, device
        self._opened = begun(self._open)

    def open(self, record: str) -> Session | Forest:
        """The model of a weight record; waits until the files are verified.

        Raises:
            WeightsError: One of the pipeline's files is missing or damaged.
        """
        return self._opened.result().get(record) or open_model(record, *self._place)

    def _open(self) -> Mapping[str, Session | Forest]:
        names = [record.name for record in weights.chosen(self.pipeline)]
        opened = {name: open_model(name, *self._place) for name in names}
        begun(lambda: self._load(list(opened.values())))
        return opened

    def _load(self, models: Sequence[Session | Forest]) -> None:
        """Loads networks; from the first that cannot be, they are left to their first runs."""
        *_, device = self._place
        for model in models if loads_quietly(device) else ():
            model.load()
