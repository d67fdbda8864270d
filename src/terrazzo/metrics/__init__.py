"""Count first, score later: confusion counts, the scores that follow from them, and how sure they are.

What counts cannot tell (boundaries, distances, sizes) is measured by meters, `catalogue.METERS` by name.

Importing this room imports neither torch nor a peer library; OpenCV and SciPy are imported by what needs
them, when it does.
"""

from terrazzo.metrics.calibration import Calibration
from terrazzo.metrics.catalogue import METERS, build_meters, fitting_meters
from terrazzo.metrics.confusion import ConfusionCounts
from terrazzo.metrics.counts_file import load_counts, save_counts
from terrazzo.metrics.coverage import Coverage
from terrazzo.metrics.fine_grained import FineGrained, fine_grained
from terrazzo.metrics.intervals import Interval, bootstrap_interval
from terrazzo.metrics.meter import Judged, Meter
from terrazzo.metrics.paired import Paired, paired_difference
from terrazzo.metrics.scores import ClassScore, Scores, score, score_matrix

__all__ = [
    "METERS",
    "Calibration",
    "ClassScore",
    "ConfusionCounts",
    "Coverage",
    "FineGrained",
    "Interval",
    "Judged",
    "Meter",
    "Paired",
    "Scores",
    "bootstrap_interval",
    "build_meters",
    "fitting_meters",
    "fine_grained",
    "load_counts",
    "paired_difference",
    "save_counts",
    "score",
    "score_matrix",
]
