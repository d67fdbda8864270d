"""Count first, score later: confusion counts, the scores that follow from them, and how sure they are.

NumPy, and SciPy where an interval is made: importing this room imports neither torch nor a peer library.
"""

from terrazzo.metrics.confusion import ConfusionCounts
from terrazzo.metrics.counts_file import load_counts, save_counts
from terrazzo.metrics.intervals import Interval, bootstrap_interval
from terrazzo.metrics.meter import Judged, Meter
from terrazzo.metrics.paired import Paired, paired_difference
from terrazzo.metrics.scores import ClassScore, Scores, score, score_matrix

__all__ = [
    "ClassScore",
    "ConfusionCounts",
    "Interval",
    "Judged",
    "Meter",
    "Paired",
    "Scores",
    "bootstrap_interval",
    "load_counts",
    "paired_difference",
    "save_counts",
    "score",
    "score_matrix",
]
