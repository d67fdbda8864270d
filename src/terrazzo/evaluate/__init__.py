"""A model and labelled data in; one number with its interval and protocol out, and a page about it."""

from terrazzo.evaluate.compare import Comparison, compare
from terrazzo.evaluate.evaluation import Evaluation
from terrazzo.evaluate.protocol import Protocol
from terrazzo.evaluate.report import write_report
from terrazzo.evaluate.run import check_classes, check_labels, evaluate, evaluate_with
from terrazzo.evaluate.stored import load_evaluation, save_evaluation

__all__ = [
    "Comparison",
    "Evaluation",
    "Protocol",
    "check_classes",
    "check_labels",
    "compare",
    "evaluate",
    "evaluate_with",
    "load_evaluation",
    "save_evaluation",
    "write_report",
]
