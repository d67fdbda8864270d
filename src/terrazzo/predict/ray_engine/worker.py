"""What runs on the machines of a cluster: one predictor, built once, that reads, predicts and writes."""

import json
import os
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from terrazzo import __version__
from terrazzo.checkpoint.manifest import file_facts
from terrazzo.core.errors import DataError, TerrazzoError
from terrazzo.predict.confidence import Kind
from terrazzo.predict.files import PredictedFile, predict_one
from terrazzo.predict.predictor import Predictor
from terrazzo.predict.ray_engine.sources import local_file, version_of
from terrazzo.predict.settings import PredictSettings, build_predictor

Row = dict[str, Any]
ATTEMPTS = 4
"""How many workers may die over one image."""

RESULTS = ("mask", "overlay", "probabilities", "confidence")


class Worker(ABC):
    """The part that all workers share: tasks and rows as JSON, and what nobody can go on from.

    Args:
        settings: what to predict with.
        version: of the program that hands out the work.
    """

    def __init__(self, settings: PredictSettings, version: str) -> None:
        self.settings = settings
        self.version = version
        self.name = f"{socket.gethostname()}/{os.getpid()}"

    def __call__(self, batch: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """Answer tasks."""
        return {"row": [json.dumps(self._answer(json.loads(task))) for task in batch["task"]]}

    @cached_property
    def predictor(self) -> Predictor:
        """Built when the first image needs it."""
        return build_predictor(self.settings)

    def _answer(self, task: Row) -> Row:
        try:
            self.check()
            return self.work(task)
        except TerrazzoError as error:
            return {"fatal": f"{error} (Said by a worker on {self.name}.)", "kind": type(error).__name__}

    def check(self) -> None:
        """Refuse what would make all results doubtful.

        Raises:
            TerrazzoError: another version of the program runs here.
        """
        if self.version != __version__:
            raise TerrazzoError(
                f"This machine has terrazzo {__version__}, but the work comes from {self.version}. "
                "Install the same version on all machines."
            )

    @abstractmethod
    def work(self, task: Row) -> Row:
        """Answer one task; errors of this task alone belong into the row.

        Raises:
            TerrazzoError: nothing can go on.
        """


class PredictActor(Worker):
    """Predicts images and writes the results under their final names; only rows of the manifest go back.

    Args:
        settings: what to predict with.
        version: of the program that hands out the work.
        token: a folder in that of the results, by which this is known for the same one everywhere. What an
            image has begun is noted there, so that one that kills its worker is given up in the end.
        kind: of confidence maps; None: "max".
    """

    def __init__(self, settings: PredictSettings, version: str, token: str, kind: Kind | None = None) -> None:
        super().__init__(settings, version)
        self.token = Path(token)
        self.kind: Kind = kind or "max"

    def check(self) -> None:
        """Refuse a folder of results that is not the one all others write to."""
        super().check()
        if not self.token.exists():
            raise TerrazzoError(
                f"{self.token.parent} is not the same folder here as where the work was started. Results "
                "must go to a folder that all machines share under one path."
            )

    def work(self, task: Row) -> Row:
        """Return the row of one image; of one that is finished already the row it had."""
        known = task.pop("known")
        row = {**task, "size": None, "seconds": None, "sha256": None, "error": None, "version": None}
        try:
            version = version_of(task["image"])
            if known and known["version"] == version and _is_finished(task, known):
                return {**known, **task, "skipped": True}
            with self._begun(task):
                predictor, start = self.predictor, time.perf_counter()
                size, digest = self._predict(predictor, task)
        except DataError as error:
            said = str(error)
            return row | {"error": said if task["image"] in said else f"{task['image']}: {said}"}
        seconds = round(time.perf_counter() - start, 4)
        facts = {"size": size, "seconds": seconds, "sha256": digest, "version": version, "worker": self.name}
        return {**row, **facts}

    @contextmanager
    def _begun(self, task: Row) -> Iterator[None]:
        """Count how often an image was begun and never ended.

        Raises:
            DataError: too often.
        """
        note = self.token / Path(task["mask"]).name
        attempts = note.stat().st_size if note.exists() else 0
        if attempts >= ATTEMPTS:
            raise DataError(
                f"{attempts} workers died over it. It may be too large for their memory: try tiles, or fewer "
                "workers on each machine."
            )
        with note.open("ab") as file:
            file.write(b".")
        try:
            yield
        finally:
            note.unlink(missing_ok=True)

    def _predict(self, predictor: Predictor, task: Row) -> tuple[list[int], str]:
        places = {key: Path(task[key]) for key in RESULTS if task[key]}
        with local_file(task["image"]) as path:
            size = predict_one(predictor, PredictedFile(path, **places), self.kind)
        return list(size), file_facts(places["mask"]).sha256


def _is_finished(task: Row, known: Row) -> bool:
    """Tell whether all results asked for are there, and the mask is the one that was written."""
    if not all(known.get(key) and Path(task[key]).is_file() for key in RESULTS if task[key]):
        return False
    return bool(file_facts(Path(task["mask"])).sha256 == known["sha256"])
