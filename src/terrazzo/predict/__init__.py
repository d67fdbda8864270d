"""Image in, labels out: the one path from an image to a label map, and its uses on files and folders."""

from terrazzo.predict.auto import AutoTiled, Plan, plan
from terrazzo.predict.backend import Backend, TorchBackend
from terrazzo.predict.files import PredictedFile, predict_files
from terrazzo.predict.inference import Inference, Method, WholeImage
from terrazzo.predict.predictor import Predictor, load
from terrazzo.predict.raster import PredictedRaster, predict_raster
from terrazzo.predict.segment import Answer, answer, infer, probabilities, segment, to_ids, to_probabilities
from terrazzo.predict.tiled import Tiled

__all__ = [
    "Answer",
    "AutoTiled",
    "Backend",
    "Inference",
    "Method",
    "Plan",
    "PredictedFile",
    "PredictedRaster",
    "Predictor",
    "Tiled",
    "TorchBackend",
    "WholeImage",
    "answer",
    "infer",
    "load",
    "plan",
    "predict_files",
    "predict_raster",
    "probabilities",
    "segment",
    "to_ids",
    "to_probabilities",
]
