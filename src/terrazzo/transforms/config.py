"""The `transforms` section of a recipe."""

from typing import Annotated, Any

from pydantic import Field

from terrazzo.core.config import Config

Crop = Annotated[tuple[int, ...], Field(min_length=2, max_length=3)]
"""Pixels along each side: two of an image, three of a volume."""


class TransformConfig(Config):
    """How a training sample is made from a whole image."""

    preset: str = "standard"
    """`light`, `standard` or `strong`."""

    crop: Crop = (256, 256)
    """(height, width) in pixels of the images the network trains on; (depth, height, width) of volumes."""

    options: dict[str, Any] = Field(default_factory=dict)
    """Overrides of the preset's numbers, for instance `scale: [0.5, 2.0]`."""
