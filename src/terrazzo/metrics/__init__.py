"""Count first, score later: confusion counts, the scores that follow from them, and how sure they are.

What counts cannot tell (boundaries, distances, sizes) is measured by meters, `catalogue.METERS` by name.

Numpy only: importing this room imports neither torch nor a peer library; OpenCV and SciPy are imported by the
meters that need them, when they are fed.
"""

from terrazzo.metrics.calibration import Calibration
from terrazzo.metrics.catalogue import METERS, build_meters
from terrazzo.metrics.confusion import ConfusionCounts
from terrazzo.metrics.coverage import Coverage
from terrazzo.metrics.fine_grained import FineGrained, fine_grained
from terrazzo.metrics.intervals import Interval, bootstrap_interval
from terrazzo.metrics.meter import Judged, Meter
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
    "Scores",
    "bootstrap_interval",
    "build_meters",
    "fine_grained",
    "score",
    "score_matrix",
]
