"""Image in, labels out: the one path from an image to a label map, and its uses on files and folders."""

from terrazzo.predict.backend import Backend, TorchBackend
from terrazzo.predict.files import PredictedFile, predict_files
from terrazzo.predict.inference import Inference, Method, WholeImage
from terrazzo.predict.predictor import Predictor, load
from terrazzo.predict.segment import Answer, answer, infer, probabilities, segment, to_ids, to_probabilities
from terrazzo.predict.tempered import Tempered

__all__ = [
    "Answer",
    "Backend",
    "Inference",
    "Method",
    "PredictedFile",
    "Predictor",
    "Tempered",
    "TorchBackend",
    "WholeImage",
    "answer",
    "infer",
    "load",
    "predict_files",
    "probabilities",
    "segment",
    "to_ids",
    "to_probabilities",
]
