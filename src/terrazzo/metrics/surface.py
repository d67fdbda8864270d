"""Distances between outlines, per class and image: 95th percentile, average, and the boundary F1 score.

The outline of a class is its pixels that have another label, void or the image's frame right above, below,
left or right of them. Every pixel of the true outline is as far from the predicted one as from its nearest
pixel, and the other way round: Euclidean, in pixels, exact.

* 95 % Hausdorff distance: the larger of the two 95th percentiles (linear between neighbours), one of each
  direction. Huttenlocher et al. 1993 (the partial distance); Taha, Hanbury 2015.
* Average symmetric surface distance: the mean over the pixels of both outlines together. Both as MONAI has
  them (`compute_hausdorff_distance(percentile=95)`, `compute_average_surface_distance(symmetric=True)`).
* Boundary F1: precision is the share of the predicted outline within a tolerance of the true one, recall the
  reverse. Csurka et al. 2013, What is a good evaluation measure for semantic segmentation?;
  0.75 % of the image's diagonal, as there.

A class in neither truth nor prediction of an image does not count there. A class in one of them only is as
far off as an image allows: its diagonal; and has F1 0. MONAI drops such images from its means, which rewards
a model that finds less; what remains where both have the class is given beside.

Shapes: H and W of one image, K classes, P pixels of an outline.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import RequestError
from terrazzo.core.labels import LabelMap
from terrazzo.metrics.meter import Judged
from terrazzo.metrics.outlines import Ids, blanked, diagonal, outline
from terrazzo.metrics.scores import Floats, plain

TOLERANCE = 0.0075
"""Of the image's diagonal (Csurka et al.)."""

FIELDS = ("hausdorff95", "average_distance", "boundary_f1")


class SurfaceDistances:
    """Means over the images in which a class is, then over classes.

    Args:
        labels: the dataset's label map.
        tolerance: of the boundary F1, in pixels; None: 0.75 % of the image's diagonal.

    Raises:
        RequestError: the tolerance is negative.
    """

    def __init__(self, labels: LabelMap, *, tolerance: float | None = None) -> None:
        if tolerance is not None and tolerance < 0:
            raise RequestError(
                f"The tolerance of the boundary F1 is 0 pixels or more; {tolerance} was given."
            )
        self.labels = labels
        self.tolerance = tolerance
        classes = labels.num_classes
        self._images = 0
        self._sums = np.zeros((classes, len(FIELDS)))  # where both have the class
        self._both, self._missed, self._invented = np.zeros((3, classes), dtype=np.int64)
        self._diagonals = np.zeros(classes)  # where only one has it
        self._f1_per_image: list[float] = []

    def add(self, judged: Judged) -> None:
        """Measure one image."""
        truth, ids = blanked(judged, self.labels)
        far = diagonal(truth.shape)
        tolerance = TOLERANCE * far if self.tolerance is None else self.tolerance
        scores = []
        for k, found, there in outline_distances(ids, truth, self.labels):
            if found is None or there is None:
                self._diagonals[k] += far
                (self._missed if found is None else self._invented)[k] += 1
                scores.append(0.0)
                continue
            row = (
                hausdorff95(found, there),
                average_distance(found, there),
                f1_within(found, there, tolerance),
            )
            self._sums[k] += row
            self._both[k] += 1
            scores.append(row[-1])
        self._images += 1
        if scores:
            self._f1_per_image.append(float(np.mean(scores)))

    def to_json(self) -> dict[str, Any]:
        """Return means over classes, over images, and each class with the images it was counted in."""
        rows = [self._row(k) for k in range(self.labels.num_classes)]
        return {
            **{field: plain(_mean([row[field] for row in rows])) for field in FIELDS},
            "boundary_f1_per_image": plain(_mean(self._f1_per_image)),
            "tolerance": "0.75 % of the diagonal" if self.tolerance is None else self.tolerance,
            "per_class": [{key: plain(value) for key, value in row.items()} for row in rows],
        }

    def _row(self, k: int) -> dict[str, Any]:
        both, missed, invented = (int(n[k]) for n in (self._both, self._missed, self._invented))
        sums = dict(zip(FIELDS, self._sums[k], strict=True))
        # Where only one has the class: the diagonal twice, and an F1 of 0.
        with_rule = {field: sums[field] + (field != "boundary_f1") * self._diagonals[k] for field in FIELDS}
        counted = both + missed + invented
        return {
            "name": self.labels.names[k],
            **{field: _ratio(with_rule[field], counted) for field in FIELDS},
            **{f"{field}_where_both": _ratio(sums[field], both) for field in FIELDS},
            "images_both": both,
            "images_missed": missed,
            "images_invented": invented,
            "images_absent": self._images - counted,
        }


def hausdorff95(found_P: Floats, there_P: Floats) -> float:
    """Return the larger of the 95th percentiles of both directions, in pixels."""
    return float(max(np.percentile(found_P, 95), np.percentile(there_P, 95)))


def average_distance(found_P: Floats, there_P: Floats) -> float:
    """Return the mean over the pixels of both outlines, in pixels."""
    return float((found_P.sum() + there_P.sum()) / (found_P.size + there_P.size))


def f1_within(found_P: Floats, there_P: Floats, tolerance: float) -> float:
    """Return the boundary F1: the harmonic mean of both shares within the tolerance, 0..1."""
    precision, recall = float((found_P <= tolerance).mean()), float((there_P <= tolerance).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def outline_distances(
    ids_HW: Ids, truth_HW: Ids, labels: LabelMap
) -> Iterator[tuple[int, Floats | None, Floats | None]]:
    """Give, per class that is in either map, the distances from one outline to the other.

    Args:
        ids_HW: prediction, blanked (`outlines.blanked`).
        truth_HW: truth.
        labels: names the classes and void.

    Yields:
        Class, distances from each pixel of the predicted outline (P,), and of the true one; None for a side
        that lacks the class.
    """
    edges = outline(ids_HW), outline(truth_HW)
    shared = (edges[0] & edges[1] & (ids_HW == truth_HW)).ravel()  # at distance 0: most need no search
    sides = [
        _pixels_by_class(part, edge, labels) for part, edge in zip((ids_HW, truth_HW), edges, strict=True)
    ]
    for k, (found, there) in enumerate(zip(*sides, strict=True)):
        if found.size and there.size:
            yield k, *_between(found, there, shared, truth_HW.shape[1])
        elif found.size or there.size:
            nothing = np.zeros(0)
            yield k, nothing if found.size else None, nothing if there.size else None


def _pixels_by_class(ids_HW: Ids, edge_HW: NDArray[np.bool_], labels: LabelMap) -> list[NDArray[np.intp]]:
    """Return, per class, the places (P,) of its outline in the flattened image."""
    places = np.flatnonzero(edge_HW & (ids_HW != labels.ignore_index))
    classes = ids_HW.ravel()[places]
    order = np.argsort(classes, kind="stable")
    starts = np.searchsorted(classes[order], np.arange(1, labels.num_classes))
    return np.split(places[order], starts)


def _between(
    found: NDArray[np.intp], there: NDArray[np.intp], shared: NDArray[np.bool_], width: int
) -> tuple[Floats, Floats]:
    from scipy.spatial import KDTree

    points = [np.stack(np.divmod(places, width), axis=1).astype(np.float64) for places in (found, there)]
    distances = []
    for mine, places, theirs in ((points[0], found, points[1]), (points[1], there, points[0])):
        apart = ~shared[places]
        distance = np.zeros(len(places))
        if apart.any():
            # Compact but not balanced: for pixels in rows, five times as quick as the default, as exact.
            tree = KDTree(theirs, balanced_tree=False, compact_nodes=True)
            distance[apart] = tree.query(mine[apart])[0]
        distances.append(distance)
    return distances[0], distances[1]


def _ratio(whole: float, count: int) -> float:
    return float(whole) / count if count else float("nan")


def _mean(values: list[float]) -> float:
    known = np.array([value for value in values if not np.isnan(value)])
    return float(known.mean()) if known.size else float("nan")
