"""From logits at output stride to labels at full size, one image at a time.

Shapes: B images, K classes, h x w logits, H x W full size (d x h x w and D x H x W of volumes).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from terrazzo.core.prediction import channels_last, upsample

MAX_UINT8_CLASSES = 255  # 255 itself stays free for void


@torch.no_grad()
def upsample_argmax(
    logits_BKhw: Tensor, size: Sequence[int], *, stride: int, align_corners: bool = False
) -> Tensor:
    """Return the class with the largest upsampled logit at every pixel.

    Args:
        logits_BKhw: (B, K, h, w), any float type; widened in float32.
        size: (H, W) of the image, or (D, H, W) of a volume, pixels; h = ceil(H / stride) and so on.
        stride: full-size pixels per logit.
        align_corners: how the logits are widened, as in `core.prediction.upsample`.

    Returns:
        (B, *size) labels 0..K-1 on the logits' device, uint8 (int16 beyond 255 classes). An image's
        labels do not depend on the others in its batch.

    Raises:
        ValueError: the logits do not belong to an image of this size.
    """
    batch, num_classes = logits_BKhw.shape[:2]
    dtype = torch.uint8 if num_classes <= MAX_UINT8_CLASSES else torch.int16
    labels_BHW = torch.empty((batch, *size), dtype=dtype, device=logits_BKhw.device)
    for image in range(batch):
        # channels-last: both the interpolation and the maximum then run along memory (7x on CPU).
        logits_1Khw = channels_last(logits_BKhw[image : image + 1].float())
        full_1KHW = upsample(logits_1Khw, size, stride=stride, align_corners=align_corners)
        labels_BHW[image] = full_1KHW[0].argmax(dim=0)
    return labels_BHW
