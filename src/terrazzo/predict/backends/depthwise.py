"""Depthwise 3x3 convolutions of a wide dilation, as a sum of shifted images.

On a CPU PyTorch's library has fast loops for depthwise convolutions, but not where the padding is wider than
the few columns that these keep in registers: from a dilation of about 8 on it falls back to others that take
twenty times as long. DeepLab's atrous pyramid has dilations of 12 to 36 (Chen et al. 2017, Rethinking Atrous
Convolution for Semantic Image Segmentation, section 3.3). Many of their taps lie outside of the map, too;
here these cost nothing.

Shapes: B images, D channels, h x w feature size.
"""

from torch import Tensor, nn

WIDE = 8
"""Dilation from which on shifting is faster, measured with 2048 channels of 32 x 64."""


class ShiftedDepthwise(nn.Module):
    """What a depthwise 3x3 convolution computes that keeps the size; for prediction on a CPU.

    Args:
        conv: the convolution, as `is_wide` wants it; its weights are shared.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.weight = conv.weight
        self.bias = conv.bias
        self.dilation = int(conv.dilation[0])

    def forward(self, features_BDhw: Tensor) -> Tensor:
        """Return (B, D, h, w)."""
        taps_33D11 = self.weight[:, 0].permute(1, 2, 0)[..., None, None].contiguous()
        out_BDhw = features_BDhw * taps_33D11[1, 1]
        if self.bias is not None:
            out_BDhw += self.bias[:, None, None]
        for row in range(3):
            for column in range(3):
                if (row, column) != (1, 1):
                    there, here = self._overlap(features_BDhw, row - 1, column - 1)
                    out_BDhw[here].addcmul_(features_BDhw[there], taps_33D11[row, column])
        return out_BDhw

    def _overlap(self, features_BDhw: Tensor, down: int, right: int) -> tuple[tuple[slice, ...], ...]:
        """Return where a tap reads inside of the map, and where that goes."""
        everything = (slice(None), slice(None))
        pairs = [
            _overlap_1d(int(side), step * self.dilation)
            for side, step in zip(features_BDhw.shape[-2:], (down, right), strict=True)
        ]
        return (*everything, *(there for there, _ in pairs)), (*everything, *(here for _, here in pairs))


def is_wide(module: nn.Module) -> bool:
    """Say whether a module is a depthwise 3x3 convolution of a wide dilation that keeps the size."""
    return (
        type(module) is nn.Conv2d
        and module.groups == module.in_channels == module.out_channels
        and module.kernel_size == (3, 3)
        and module.stride == (1, 1)
        and module.dilation[0] == module.dilation[1] >= WIDE
        and module.padding == module.dilation
        and module.padding_mode == "zeros"
    )


def _overlap_1d(side: int, shift: int) -> tuple[slice, slice]:
    """Return the places i + shift that exist along a side, and their i."""
    count = max(0, side - abs(shift))
    there, here = max(0, shift), max(0, -shift)
    there, here = min(there, side), min(here, side)
    return slice(there, there + count), slice(here, here + count)
