"""The meters by name: what can be measured beside the counts. A new one is a file and a line here."""

from collections.abc import Callable, Iterable

from terrazzo.core.errors import RequestError, unknown_name
from terrazzo.core.labels import LabelMap
from terrazzo.metrics.boundary_iou import BoundaryIou
from terrazzo.metrics.calibration import Calibration
from terrazzo.metrics.categories import CategoryIou
from terrazzo.metrics.coverage import Coverage
from terrazzo.metrics.fine_grained import FineGrainedMeter
from terrazzo.metrics.meter import Meter
from terrazzo.metrics.object_size import SizeRecall
from terrazzo.metrics.road import RoadMaxF
from terrazzo.metrics.surface import SurfaceDistances
from terrazzo.metrics.trimap import Trimap

METERS: dict[str, Callable[[LabelMap], Meter]] = {
    "boundary-iou": BoundaryIou,
    "calibration": lambda labels: Calibration(labels.num_classes, labels.ignore_index),
    "categories": CategoryIou,
    "coverage": lambda labels: Coverage(labels.num_classes, labels.ignore_index),
    "coverage-entropy": lambda labels: Coverage(labels.num_classes, labels.ignore_index, by="entropy"),
    "coverage-margin": lambda labels: Coverage(labels.num_classes, labels.ignore_index, by="margin"),
    "fine-grained": FineGrainedMeter,
    "road-maxf": RoadMaxF,
    "size-recall": SizeRecall,
    "surface": SurfaceDistances,
    "trimap": Trimap,
}


def build_meters(names: Iterable[str], labels: LabelMap) -> dict[str, Meter]:
    """Build meters by name, ready for `evaluate`.

    Args:
        names: out of `METERS`.
        labels: the dataset's label map.

    Raises:
        RequestError: an unknown name, or labels on which a meter makes no sense.
    """
    names = list(names)
    for name in names:
        if name not in METERS:
            raise unknown_name("metric", name, METERS)
    return {name: METERS[name](labels) for name in names}


def fitting_meters(labels: LabelMap) -> list[str]:
    """Return the names of all meters that make sense for a label map."""
    fitting = []
    for name, build in METERS.items():
        try:
            build(labels)
        except RequestError:  # for instance the road score, of data without a road
            continue
        fitting.append(name)
    return fitting
