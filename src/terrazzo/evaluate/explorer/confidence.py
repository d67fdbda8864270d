"""How sure a model was at the pixels of a picture, without ever making its probabilities at full size.

Shapes: K classes, H x W the image, h x w its logits at stride s, P x Q the picture.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from terrazzo.core.prediction import Prediction


def picture_confidence(prediction: "Prediction", size: Sequence[int]) -> NDArray[np.float32]:
    """Return the largest softmax probability (P, Q) at the centres of a picture's pixels, in 0..1.

    At the image's own size these are the probabilities of `core.prediction.upsample`, pixel by pixel; a
    smaller picture reads the same surface at fewer points.

    Args:
        prediction: of one image.
        size: (P, Q) of the picture.
    """
    import torch
    from torch.nn import functional

    with torch.inference_mode():
        logits_1Khw = prediction.logits.float()
        places = [
            _place(pixels, side, given, prediction.stride, align=prediction.align_corners)
            for pixels, side, given in zip(size, prediction.size, logits_1Khw.shape[2:], strict=True)
        ]
        rows, columns = (torch.from_numpy(place).to(logits_1Khw) for place in places)
        grid_1PQ2 = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)[None]
        sampled = functional.grid_sample(
            logits_1Khw, grid_1PQ2, mode="bilinear", padding_mode="border", align_corners=False
        )
        sure: NDArray[np.float32] = sampled[0].softmax(dim=0).amax(dim=0).cpu().numpy()
    return sure


def _place(pixels: int, side: int, given: int, stride: int, *, align: bool) -> NDArray[np.float64]:
    """Return where the picture's pixels lie on one axis of the logits, in `grid_sample`'s -1..1."""
    full = (np.arange(pixels) + 0.5) * side / pixels - 0.5
    corners = full * (given - 1) / max(1, given * stride - 1)
    centres = (full + 0.5) / stride - 0.5
    place: NDArray[np.float64] = 2 * ((corners if align else centres) + 0.5) / given - 1
    return place
