"""MODELS: every architecture by name. Nothing here imports torch until a network is built."""

from terrazzo.models.catalogue.classic import CLASSIC
from terrazzo.models.catalogue.entry import Architecture
from terrazzo.models.catalogue.realtime import REAL_TIME
from terrazzo.models.catalogue.transformers import TRANSFORMERS

MODELS: dict[str, Architecture] = dict(sorted((CLASSIC | REAL_TIME | TRANSFORMERS).items()))
"""Name -> what it is; the names are what `build_model` and recipes take."""

__all__ = ["MODELS", "Architecture"]
