"""What can be measured beside the counts, by name: each entry builds a meter for a label map."""

from collections.abc import Callable, Mapping
from typing import Final

from terrazzo.core import LabelMap
from terrazzo.metrics.calibration import Calibration
from terrazzo.metrics.coverage import Coverage
from terrazzo.metrics.meter import Meter

METERS: Final[Mapping[str, Callable[[LabelMap], Meter]]] = {
    "calibration": lambda labels: Calibration(labels.num_classes, labels.ignore_index),
    "coverage": lambda labels: Coverage(labels.num_classes, labels.ignore_index),
    "coverage-entropy": lambda labels: Coverage(labels.num_classes, labels.ignore_index, by="entropy"),
    "coverage-margin": lambda labels: Coverage(labels.num_classes, labels.ignore_index, by="margin"),
}
"""Name -> from the labels of a dataset to an empty meter."""
