"""A model and labelled data in; one number with its interval and protocol out, and pages about it."""

from terrazzo.evaluate.calibrate import calibrate, store
from terrazzo.evaluate.evaluation import Evaluation
from terrazzo.evaluate.explorer import Contender, write_explorer
from terrazzo.evaluate.gain import Gain, tta_gain
from terrazzo.evaluate.protocol import Protocol
from terrazzo.evaluate.report import write_report
from terrazzo.evaluate.run import check_classes, check_labels, evaluate, evaluate_with
from terrazzo.evaluate.scaling import TemperatureScaling

__all__ = [
    "Contender",
    "Evaluation",
    "Gain",
    "Protocol",
    "TemperatureScaling",
    "calibrate",
    "check_classes",
    "check_labels",
    "evaluate",
    "evaluate_with",
    "store",
    "tta_gain",
    "write_explorer",
    "write_report",
]
