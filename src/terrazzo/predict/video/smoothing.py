"""Temporal smoothing: an exponential mean of class probabilities that follows what moves.

Shapes: K classes, H x W the frame, h x w the logits at their own stride.
"""

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from terrazzo.core.errors import RequestError
from terrazzo.core.prediction import Prediction
from terrazzo.predict.video.motion import Motion


class Smoother:
    """Averages each prediction with those before it: p = alpha * new + (1 - alpha) * before, moved along.

    The mean before is fetched from where the optical flow says that each point was. Where the flow is not
    trusted (see `measure_motion`), and in the first frame, the new probabilities stand alone.

    Args:
        alpha: share of the new frame, above 0 and below 1; small is smooth and slow to follow.

    Raises:
        RequestError: an alpha outside of that.
    """

    def __init__(self, alpha: float) -> None:
        if not 0 < alpha < 1:
            raise RequestError(
                f"Smoothing by {alpha} is impossible; expected the share of the new frame, above 0 and "
                "below 1, for instance 0.5. Leave it out to smooth nothing."
            )
        self.alpha = alpha
        self._before_1Khw: Tensor | None = None

    def __call__(self, prediction: Prediction, motion: Motion | None) -> Prediction:
        """Return the mean as a prediction, its logits being logarithms.

        Args:
            prediction: of this frame.
            motion: since the frame of the last call; None forgets what was before.
        """
        with torch.inference_mode():
            new_1Khw = prediction.logits.float().softmax(dim=1)
            before_1Khw = self._before_1Khw
            if motion is not None and before_1Khw is not None and before_1Khw.shape == new_1Khw.shape:
                grid_1hw2, trusted_hw = _sources(prediction, motion)
                moved_1Khw = F.grid_sample(
                    before_1Khw,
                    torch.from_numpy(grid_1hw2).to(new_1Khw.device),
                    padding_mode="border",
                    align_corners=False,
                )
                mixed_1Khw = self.alpha * new_1Khw + (1 - self.alpha) * moved_1Khw
                trusted = torch.from_numpy(trusted_hw).to(new_1Khw.device)
                new_1Khw = torch.where(trusted, mixed_1Khw, new_1Khw)
            self._before_1Khw = new_1Khw
            logits_1Khw = new_1Khw.clamp_min(torch.finfo(torch.float32).tiny).log()
        return replace(prediction, logits=logits_1Khw)


def _sources(prediction: Prediction, motion: Motion) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return where each logit was in the frame before, (1, h, w, 2) in -1..1, and where that is trusted."""
    lengths = prediction.logits.shape[2], prediction.logits.shape[3]
    height, width = motion.size
    y_h, x_w = (_centres(length, prediction) for length in lengths)
    y_hw, x_hw = np.meshgrid(y_h, x_w, indexing="ij")
    rows, columns = motion.trusted_nm.shape
    row_hw = ((y_hw + 0.5) * rows / height - 0.5).clip(0, rows - 1).astype(np.float32)
    column_hw = ((x_hw + 0.5) * columns / width - 0.5).clip(0, columns - 1).astype(np.float32)
    flow_hw2 = _at(motion.flow_nm2, column_hw, row_hw, cv2.INTER_LINEAR)
    trusted_hw = _at(motion.trusted_nm.astype(np.uint8), column_hw, row_hw, cv2.INTER_NEAREST)
    grid_hw2 = np.stack(
        [
            _normalised(x_hw + flow_hw2[..., 0], lengths[1], prediction),
            _normalised(y_hw + flow_hw2[..., 1], lengths[0], prediction),
        ],
        axis=-1,
    )
    return grid_hw2[None].astype(np.float32), trusted_hw > 0


def _at(
    field: NDArray[Any], x: NDArray[np.float32], y: NDArray[np.float32], interpolation: int
) -> NDArray[Any]:
    return np.asarray(cv2.remap(field, x, y, interpolation, borderMode=cv2.BORDER_REPLICATE))


def _centres(length: int, prediction: Prediction) -> NDArray[Any]:
    """Return the places of logits along one side, pixels; see `upsample` for the grid."""
    if prediction.align_corners:
        return np.linspace(0, length * prediction.stride - 1, length)
    return (np.arange(length) + 0.5) * prediction.stride - 0.5


def _normalised(place: NDArray[Any], length: int, prediction: Prediction) -> NDArray[Any]:
    """Turn pixels along one side into what `grid_sample` calls -1..1."""
    if prediction.align_corners:
        logit = place * (length - 1) / max(length * prediction.stride - 1, 1)
    else:
        logit = (place + 0.5) / prediction.stride - 0.5
    return np.asarray((2 * logit + 1) / length - 1)
