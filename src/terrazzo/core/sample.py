"""The two containers that data travels in, field by field. Nothing here computes.

Shape letters used all over the project: B images in the batch, C image channels, H and W full size in
pixels, h and w feature size, K classes (void is never one of them), D feature width. A volume has a third
side: (D, H, W) wherever (H, W) stands, D slices first.
"""

from typing import TYPE_CHECKING, Any, Final, TypedDict

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

IGNORE: Final = 255
"""The train id of void in masks of label maps with at most 255 classes (see `LabelMap.ignore_index`)."""


class Sample(TypedDict):
    """One image with its mask, after decoding and before any transform."""

    image: NDArray[Any]
    """(H, W, C), uint8 in 0..255 (uint16 in 0..65535 or float32 where the source is); RGB when C is 3.

    (D, H, W, C) of a volume.
    """

    mask: NDArray[np.uint8] | NDArray[np.int16]
    """(H, W), of a volume (D, H, W), train ids 0..K-1; void = the label map's `ignore_index` (255, or -1
    beyond 255 classes).
    """

    id: str
    """Stable and unique within the dataset; masks written for this sample carry it as their stem."""

    group: str | None
    """The scene or video that the image came from, where known: images of one group are not independent."""


class Batch(TypedDict):
    """What a network trains on: raw pixels and train ids, one size for all images of the batch."""

    image: "Tensor"
    """(B, C, H, W), of volumes (B, C, D, H, W), raw pixel values, uint8 (or float in the same units): the
    network normalises itself.
    """

    target: "Tensor"
    """(B, H, W), of volumes (B, D, H, W), train ids, uint8 or int16, void = the map's `ignore_index`."""
