"""Where one label ends and another begins: what every meter of boundaries stands on.

Void is a region of its own. It is blanked in the prediction as it is in the truth, so that what is predicted
under void changes nothing; a class has an outline where it meets void, in both alike, as in the evaluation of
DAVIS (Perazzi et al. 2016) and in MONAI's. No void pixel belongs to any outline, band or object.

Shapes: H and W of one image, K classes.
"""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import DataError, RequestError

if TYPE_CHECKING:
    from terrazzo.core.labels import LabelMap
    from terrazzo.metrics.meter import Judged

Ids = NDArray[Any]
Mask = NDArray[np.bool_]


def blanked(judged: "Judged", labels: "LabelMap") -> tuple[Ids, Ids]:
    """Return truth and prediction (H, W) of one dtype, both void where the truth is.

    Args:
        judged: one image.
        labels: its label map.

    Raises:
        RequestError: a volume was given; distances need the size of its voxels, which is not known here.
        DataError: prediction and truth differ in size, or either holds an id that is no class.
    """
    if judged.truth.ndim != 2:
        raise RequestError(
            f"{judged.id}: boundaries, distances and sizes are measured on images, in pixels; this is a "
            f"volume of shape {judged.truth.shape}, and the size of its voxels is unknown. Score volumes by "
            "the confusion counts and the fine-grained IoU."
        )
    if judged.truth.shape != judged.ids.shape:
        raise DataError(
            f"{judged.id}: prediction {judged.ids.shape} and truth {judged.truth.shape} differ in shape; "
            "score a prediction against the mask of the same image at the mask's own size."
        )
    valid = judged.truth != labels.ignore_index
    for what, part in (("truth", judged.truth), ("prediction", judged.ids)):
        outside = valid & ((part < 0) | (part >= labels.num_classes))
        if outside.any():
            raise DataError(
                f"{judged.id}: the {what} holds id {int(part[outside][0])} on valid pixels; expected "
                f"0..{labels.num_classes - 1}. Check that the model and the label map have the same classes."
            )
    truth = judged.truth.astype(labels.mask_dtype, copy=False)
    void = truth.dtype.type(labels.ignore_index)
    return truth, np.where(valid, judged.ids.astype(truth.dtype, copy=False), void)


def outline(ids_HW: Ids, *, frame: bool = True) -> Mask:
    """Return the pixels that have another label right above, below, left or right of them.

    Of the pixels of one class these are the ones that an erosion with a cross takes away.

    Args:
        ids_HW: labels, void among them.
        frame: whether the outside of the image is another label too.
    """
    edge = np.zeros(ids_HW.shape, dtype=np.bool_)
    for axis in (0, 1):
        here, there = edge.swapaxes(0, axis), ids_HW.swapaxes(0, axis)
        differs = there[1:] != there[:-1]
        here[1:] |= differs
        here[:-1] |= differs
        if frame:
            here[0] = here[-1] = True
    return edge


def diagonal(shape: tuple[int, ...]) -> float:
    """Return the length of an image's diagonal, sqrt(H^2 + W^2), in pixels."""
    return math.hypot(*shape)
