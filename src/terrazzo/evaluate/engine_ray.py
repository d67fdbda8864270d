"""Scores by the workers of a Ray cluster: each counts its images, and the counts are put in order here.

A confusion matrix per image is all that travels, so every score is the local one to the last pixel.
"""

import contextlib
import os
from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np

from terrazzo import __version__
from terrazzo.core import RequestError
from terrazzo.datasets import SegmentationDataset
from terrazzo.evaluate.evaluation import Evaluation
from terrazzo.evaluate.run import Progress, check_fits, check_some, sum_up
from terrazzo.metrics import ConfusionCounts
from terrazzo.predict import Method, PredictSettings
from terrazzo.predict.ray_engine.run import absolute, checked
from terrazzo.predict.ray_engine.session import Row, crew, map_rows
from terrazzo.predict.ray_engine.worker import Worker


class CountActor(Worker):
    """Predicts images and counts their confusions.

    Args:
        settings: what to predict with.
        version: of the program that hands out the work.
        dataset: images with ground truth.
        folder: where the work was started: paths of the data may be relative to it.
    """

    def __init__(
        self, settings: PredictSettings, version: str, dataset: SegmentationDataset, folder: str
    ) -> None:
        super().__init__(settings, version)
        self.dataset = dataset
        with contextlib.suppress(OSError):
            os.chdir(folder)

    def work(self, task: Row) -> Row:
        """Return the confusion matrix of one image, the size of its truth, and how it was predicted."""
        sample, labels = self.dataset[task["index"]], self.dataset.labels
        ids = self.predictor.answer(sample["image"]).ids
        counts = ConfusionCounts(labels.num_classes, ignore_index=labels.ignore_index)
        matrix = counts.add(ids, sample["mask"], sample["id"], sample["group"])
        method = self.predictor.method.to_json()
        return {**task, "matrix": matrix.tolist(), "size": sample["mask"].shape, "method": method}


def evaluate_with_ray(
    settings: PredictSettings,
    dataset: SegmentationDataset,
    *,
    address: str | None = None,
    workers: int | None = None,
    meters: Collection[str] = (),
    progress: Progress | None = None,
) -> Evaluation:
    """Score a model on every image of a dataset, exactly as `evaluate` does, with workers of a Ray cluster.

    Args:
        settings: what to predict with; model folders must be reachable by all workers under one path.
        dataset: images with ground truth; its files must be reachable by all workers, too.
        address: of a cluster, as `ray://head:10001` or `auto`; None: workers on this machine.
        workers: how many; by default one for each GPU, or for every four CPUs.
        meters: refused: they see pixels, which do not travel.
        progress: called after every image.

    Raises:
        RequestError: Ray is missing, the cluster cannot be joined, the model's classes or channels are not
            the dataset's, there is no image, or meters were asked for.
        DataError: a file is unreadable or holds undeclared labels.
    """
    if meters:
        raise RequestError(
            f"{', '.join(meters)} cannot be measured by the engine ray, which only counts: leave it out, or "
            "evaluate without --engine ray."
        )
    settings = absolute(settings)
    check_fits(checked(settings).model, dataset)
    check_some(dataset)
    rows: dict[int, Row] = {}
    with crew(address, workers, settings.device) as people:
        arguments = {
            "settings": settings,
            "version": __version__,
            "dataset": dataset,
            "folder": str(Path.cwd()),
        }
        for row in map_rows(people, CountActor, arguments, [{"index": i} for i in range(len(dataset))]):
            rows.setdefault(row["index"], row)
            if progress is not None:
                progress(len(rows), len(dataset))
    ordered = [rows[index] for index in range(len(dataset))]
    sizes = {tuple(row["size"]) for row in ordered}
    return sum_up(
        _merged(ordered, dataset), dataset, _common([row["method"] for row in ordered]), sizes=sizes
    )


def _merged(rows: Iterable[Row], dataset: SegmentationDataset) -> ConfusionCounts:
    """Put the matrices of all images in the dataset's order."""
    per_image = np.array([row["matrix"] for row in rows], dtype=np.int64)
    ignore_index = dataset.labels.ignore_index
    return ConfusionCounts.of(per_image, dataset.ids, dataset.groups, ignore_index=ignore_index)


def _common(methods: Iterable[dict[str, str]]) -> Method:
    """Return what all workers did: they differ in the tiles alone, of which `auto` names those it met."""
    *_, last = known = list(methods)
    first = last["tiles"].partition("; ")[0]
    met = {tiles for method in known for tiles in method["tiles"].split("; ")[1:]}
    return Method(**{**last, "tiles": "; ".join([first, *sorted(met)])})
