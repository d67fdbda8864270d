"""Transforms: image and mask together to a crop of one size, from a counted generator. No normalisation."""

from terrazzo.transforms.presets import PRESETS, CropTransform, Strength, Transform, build_transform

__all__ = ["PRESETS", "CropTransform", "Strength", "Transform", "build_transform"]
