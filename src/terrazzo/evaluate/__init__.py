"""A model and labelled data in; one number with its interval and protocol out, and pages about it."""

from terrazzo.evaluate.calibrate import calibrate, store
from terrazzo.evaluate.compare import Comparison, compare
from terrazzo.evaluate.evaluation import Evaluation
from terrazzo.evaluate.explorer import Contender, write_explorer
from terrazzo.evaluate.gain import Gain, tta_gain
from terrazzo.evaluate.protocol import Protocol
from terrazzo.evaluate.report import write_report
from terrazzo.evaluate.run import check_classes, check_labels, evaluate, evaluate_with
from terrazzo.evaluate.scaling import TemperatureScaling
from terrazzo.evaluate.speed import Stopwatch
from terrazzo.evaluate.stored import load_evaluation, save_evaluation
from terrazzo.evaluate.tune_postprocess import tune
from terrazzo.evaluate.tuning import Tuning

__all__ = [
    "Comparison",
    "Contender",
    "Evaluation",
    "Gain",
    "Protocol",
    "Stopwatch",
    "TemperatureScaling",
    "Tuning",
    "calibrate",
    "check_classes",
    "check_labels",
    "compare",
    "evaluate",
    "evaluate_with",
    "load_evaluation",
    "save_evaluation",
    "store",
    "tta_gain",
    "tune",
    "write_explorer",
    "write_report",
]
