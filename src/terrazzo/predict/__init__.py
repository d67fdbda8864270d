"""Image in, labels out: the one path from an image to a label map, and its uses on files and folders."""

from terrazzo.core.prediction import to_probabilities
from terrazzo.predict.backends import Backend, TorchBackend
from terrazzo.predict.confidence import confidence_map, write_confidence
from terrazzo.predict.files import PredictedFile, predict_files
from terrazzo.predict.inference import Inference, Method, WholeImage
from terrazzo.predict.members import Ensemble, ensemble_predictor, load_ensemble, monte_carlo, uncertainty
from terrazzo.predict.postprocess import Postprocess, parse_postprocess
from terrazzo.predict.predictor import Predictor, load
from terrazzo.predict.raster import PredictedRaster, predict_raster
from terrazzo.predict.segment import Answer, answer, answer_of, infer, probabilities, segment, to_ids
from terrazzo.predict.settings import PredictSettings, build_predictor, parse_tile
from terrazzo.predict.tempered import Tempered
from terrazzo.predict.tiles import AutoTiled, Plan, Tiled, plan
from terrazzo.predict.views import TestTime, TestTimeSpec, parse_tta, with_tta

__all__ = [
    "Answer",
    "AutoTiled",
    "Backend",
    "Ensemble",
    "Inference",
    "Method",
    "Postprocess",
    "Plan",
    "PredictSettings",
    "PredictedFile",
    "PredictedRaster",
    "Predictor",
    "Tempered",
    "TestTime",
    "TestTimeSpec",
    "Tiled",
    "TorchBackend",
    "WholeImage",
    "answer",
    "answer_of",
    "build_predictor",
    "confidence_map",
    "ensemble_predictor",
    "infer",
    "load",
    "load_ensemble",
    "monte_carlo",
    "parse_postprocess",
    "parse_tile",
    "parse_tta",
    "plan",
    "predict_files",
    "predict_raster",
    "probabilities",
    "segment",
    "to_ids",
    "to_probabilities",
    "uncertainty",
    "with_tta",
    "write_confidence",
]
