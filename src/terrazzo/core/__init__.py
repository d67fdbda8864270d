"""What every other room speaks: samples, predictions, label maps, counted randomness, configs and errors.

`Prediction` lives in `terrazzo.core.prediction` and is not imported here, because it needs torch.
"""

from terrazzo.core.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    MissingExtraError,
    RequestError,
    TerrazzoError,
)
from terrazzo.core.labels import LabelClass, LabelMap
from terrazzo.core.sample import IGNORE, Batch, Sample

__all__ = [
    "IGNORE",
    "Batch",
    "CheckpointError",
    "ConfigError",
    "DataError",
    "LabelClass",
    "LabelMap",
    "MissingExtraError",
    "RequestError",
    "Sample",
    "TerrazzoError",
]
