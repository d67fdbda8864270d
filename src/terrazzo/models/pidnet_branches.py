"""How the branches of PIDNet work and meet; see pidnet.py for the paper.

Shapes: B images, h x w feature size, D feature width.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from terrazzo.models.dual_resolution import NormActConv, PooledContext, residual_stage, widen
from terrazzo.models.layers import ConvNormAct


class Pag(nn.Module):
    """Pixel-attention guidance: where context and detail agree, take the context.

    Args:
        channels: width of both inputs and of the output.
        middle: width in which they are compared.
    """

    def __init__(self, channels: int, middle: int) -> None:
        super().__init__()
        self.embed_detail = ConvNormAct(channels, middle, kernel_size=1, activation=None)
        self.embed_context = ConvNormAct(channels, middle, kernel_size=1, activation=None)

    def forward(self, detail_BDhw: Tensor, context_BDhw: Tensor) -> Tensor:
        """Return (B, D, h, w) of the detail's size; the context may be coarser."""
        guide_BDhw = widen(self.embed_context(context_BDhw), detail_BDhw)
        share_B1hw = (self.embed_detail(detail_BDhw) * guide_BDhw).sum(dim=1, keepdim=True).sigmoid()
        out_BDhw: Tensor = (1 - share_B1hw) * detail_BDhw + share_B1hw * widen(context_BDhw, detail_BDhw)
        return out_BDhw


class Level(nn.Module):
    """One stage of the three branches: P takes from I what agrees, D what differs.

    Args:
        channels: width of the P branch, in and out.
        context_in: width of the I branch's input.
        context_out: width of its output, at half the size.
        blocks: of the P and of the I branch.
        boundary: the block of the D branch.
        boundary_channels: its width.
    """

    def __init__(
        self,
        channels: int,
        context_in: int,
        context_out: int,
        *,
        blocks: tuple[int, int],
        boundary: nn.Module,
        boundary_channels: int,
    ) -> None:
        super().__init__()
        self.detail = residual_stage(channels, channels, blocks[0])
        self.context = residual_stage(context_in, context_out, blocks[1], stride=2)
        self.boundary = boundary
        self.compress = ConvNormAct(context_out, channels, kernel_size=1, activation=None)
        self.guide = Pag(channels, channels // 2)
        self.differ = ConvNormAct(context_out, boundary_channels, activation=None)

    def forward(
        self, detail_BDhw: Tensor, context_BDhw: Tensor, boundary_BDhw: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the three branches after their ReLU."""
        context_BDhw = F.relu(self.context(context_BDhw))
        detail_BDhw = self.guide(self.detail(detail_BDhw), self.compress(context_BDhw))
        boundary_BDhw = self.boundary(boundary_BDhw)
        boundary_BDhw = boundary_BDhw + widen(self.differ(context_BDhw), boundary_BDhw)
        return F.relu(detail_BDhw), context_BDhw, F.relu(boundary_BDhw)


class PAPPM(PooledContext):
    """Parallel aggregation pyramid pooling: the averages go through one grouped convolution.

    Args:
        in_channels: width of the input.
        channels: width of each scale.
        out_channels: width of the output.
    """

    def __init__(self, in_channels: int, channels: int, out_channels: int) -> None:
        super().__init__(in_channels, channels, out_channels)
        groups = len(self.pools)
        self.process = NormActConv(channels * groups, channels * groups, kernel_size=3, groups=groups)

    def forward(self, features_BDhw: Tensor) -> Tensor:
        """Return (B, out_channels, h, w)."""
        same_BDhw, averages = self.pooled(features_BDhw)
        added_BDhw = torch.cat([average_BDhw + same_BDhw for average_BDhw in averages], dim=1)
        return self.joined([same_BDhw, self.process(added_BDhw)], features_BDhw)


class Bag(nn.Module):
    """Boundary-attention guidance: detail at boundaries, context elsewhere.

    Args:
        channels: width of the three inputs and of the output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = NormActConv(channels, channels, kernel_size=3)

    def forward(self, detail_BDhw: Tensor, context_BDhw: Tensor, boundary_BDhw: Tensor) -> Tensor:
        """Return (B, D, h, w)."""
        share_BDhw = boundary_BDhw.sigmoid()
        out_BDhw: Tensor = self.conv(share_BDhw * detail_BDhw + (1 - share_BDhw) * context_BDhw)
        return out_BDhw


class LightBag(nn.Module):
    """Bag with a 1x1 convolution per branch instead of one 3x3.

    Args:
        channels: width of the three inputs and of the output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.detail = ConvNormAct(channels, channels, kernel_size=1, activation=None)
        self.context = ConvNormAct(channels, channels, kernel_size=1, activation=None)

    def forward(self, detail_BDhw: Tensor, context_BDhw: Tensor, boundary_BDhw: Tensor) -> Tensor:
        """Return (B, D, h, w)."""
        share_BDhw = boundary_BDhw.sigmoid()
        out_BDhw: Tensor = self.detail(detail_BDhw + (1 - share_BDhw) * context_BDhw) + self.context(
            context_BDhw + share_BDhw * detail_BDhw
        )
        return out_BDhw
