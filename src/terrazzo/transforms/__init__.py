"""Transforms: image and mask together to a crop of one size, from a counted generator. No normalisation."""

from terrazzo.transforms.catalogue import OPERATIONS
from terrazzo.transforms.crops import CROPS
from terrazzo.transforms.pipeline import Pipeline
from terrazzo.transforms.presets import PRESETS, CropTransform, Strength, Transform, build_transform

__all__ = [
    "CROPS",
    "OPERATIONS",
    "PRESETS",
    "CropTransform",
    "Pipeline",
    "Strength",
    "Transform",
    "build_transform",
]
