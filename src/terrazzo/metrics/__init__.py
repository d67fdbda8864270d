"""Count first, score later: confusion counts, the scores that follow from them, and how sure they are.

Numpy only: importing this room imports neither torch nor a peer library.
"""

from terrazzo.metrics.calibration import Calibration
from terrazzo.metrics.confusion import ConfusionCounts
from terrazzo.metrics.coverage import Coverage
from terrazzo.metrics.intervals import Interval, bootstrap_interval
from terrazzo.metrics.meter import Judged, Meter
from terrazzo.metrics.scores import ClassScore, Scores, score, score_matrix

__all__ = [
    "Calibration",
    "ClassScore",
    "ConfusionCounts",
    "Coverage",
    "Interval",
    "Judged",
    "Meter",
    "Scores",
    "bootstrap_interval",
    "score",
    "score_matrix",
]
