"""The `transforms` section of a recipe."""

from typing import Annotated, Any

from pydantic import Field

from terrazzo.core.config import Config

Crop = Annotated[tuple[int, ...], Field(min_length=2, max_length=3)]
"""Pixels along each side: two of an image, three of a volume."""


class OperationConfig(Config):
    """One operation on top of the preset."""

    kind: str
    """`rain`, `rotate`, `cutmix`, ...; `terrazzo augment preview` shows them all."""

    strength: float | tuple[float, float] | None = None
    """0 to 1, or a range to draw from: a share of the mean image change at strength 1. None: 0.5."""

    probability: float | None = Field(None, ge=0.0, le=1.0)
    """How often it happens. None: 0.5. A crop has neither: it always happens."""

    options: dict[str, Any] = Field(default_factory=dict)
    """Of this operation, for instance `classes: [car, person]` of `copy_paste`."""


class TransformConfig(Config):
    """How a training sample is made from a whole image."""

    preset: str = "standard"
    """`plain` (crop alone), `light`, `standard` or `strong`."""

    crop: Crop = (256, 256)
    """(height, width) in pixels of the images the network trains on; (depth, height, width) of volumes."""

    options: dict[str, Any] = Field(default_factory=dict)
    """Overrides of the preset's numbers, for instance `scale: [0.5, 2.0]`."""

    operations: tuple[OperationConfig, ...] = ()
    """What more is done, in order; geometry is joined to the crop, and mixing comes last."""
