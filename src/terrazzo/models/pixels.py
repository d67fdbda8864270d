"""What happens to an image before a network and to its logits after: normalise, pad, crop.

Shapes: B images, C channels, H x W image size (or any number of sides: a volume is padded and cropped alike).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from terrazzo.core.errors import RequestError

IMAGENET_MEAN = (123.675, 116.28, 103.53)
"""RGB mean in 0..255, the usual ImageNet value times 255."""

IMAGENET_STD = (58.395, 57.12, 57.375)
"""RGB standard deviation in 0..255, the usual ImageNet value times 255."""

OTHER_MEAN = 127.5
"""Mean per channel where the image is not RGB: the middle of 0..255."""

OTHER_STD = 64.0
"""Standard deviation per channel where the image is not RGB: a quarter of 0..255."""


class Normalize(nn.Module):
    """Raw pixel values -> (x - mean) / std, in the dtype of the network's parameters.

    The mean and std are buffers in *pixel units*, so they are saved with the weights and travel with every
    export. Images may be uint8, uint16 or float in the same units. For 16-bit or float images give values
    that fit the data: the defaults are for 0..255.

    Args:
        in_channels: C.
        mean: one value per channel, pixel units; default ImageNet's for RGB, else 127.5.
        std: one value per channel, pixel units, above 0; default ImageNet's for RGB, else 64.
        bgr: turn the channels around afterwards, for weights that want blue first; mean and std stay in the
            order of the image.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        in_channels: int,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        *,
        bgr: bool = False,
    ) -> None:
        super().__init__()
        self.bgr = bgr
        rgb = in_channels == 3
        mean = mean if mean is not None else IMAGENET_MEAN if rgb else (OTHER_MEAN,) * in_channels
        std = std if std is not None else IMAGENET_STD if rgb else (OTHER_STD,) * in_channels
        for name, values in (("mean", mean), ("std", std)):
            if len(values) != in_channels:
                raise RequestError(
                    f"Normalisation {name} has {len(values)} values for {in_channels} channels; "
                    "give one per channel."
                )
        if min(std) <= 0:
            raise RequestError(f"Normalisation std is {list(std)}; every value must be above 0.")
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(-1, 1, 1))

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Return (B, C, H, W) of about zero mean and unit spread; the arithmetic is at least float32."""
        wide = torch.promote_types(self.mean.dtype, torch.float32)
        per_channel = (-1, *(1,) * (image_BCHW.ndim - 2))
        mean, std = (values.to(wide).view(per_channel) for values in (self.mean, self.std))
        normal_BCHW = (image_BCHW.to(wide) - mean) / std
        ordered_BCHW = normal_BCHW.flip(1) if self.bgr else normal_BCHW
        return ordered_BCHW.to(self.mean.dtype)


def pad_to_multiple(image_BCHW: Tensor, multiple: int) -> Tensor:
    """Pad zeros at the end of every side until it is a multiple; after `Normalize` 0 is the mean."""
    sides = image_BCHW.shape[2:]
    missing = [(side + multiple - 1) // multiple * multiple - side for side in sides]
    # An exported graph must serve sizes with and without padding, so it always pads.
    if not torch.compiler.is_exporting() and not any(missing):
        return image_BCHW
    return F.pad(image_BCHW, [amount for last in reversed(missing) for amount in (0, last)])


def crop(features_BDhw: Tensor, size: Sequence[int]) -> Tensor:
    """Return the start of every side, (B, D, *size): a view, but for a copy in an exported graph.

    Whether a view is contiguous depends on how much was cut off; torch.export would fix that for all sizes.
    """
    for dim, side in enumerate(size, start=2):
        if torch.compiler.is_exporting():
            kept = torch.arange(side, device=features_BDhw.device)
            features_BDhw = features_BDhw.index_select(dim, kept)
        else:
            features_BDhw = features_BDhw.narrow(dim, 0, side)
    return features_BDhw
