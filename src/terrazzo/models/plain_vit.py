"""Any plain vision transformer of timm, as maps of one size at chosen depths.

Dosovitskiy et al. 2021, An Image is Worth 16x16 Words, https://arxiv.org/abs/2010.11929.

Shapes: B images, C channels, H x W image size, p patch side, h x w = H / p x W / p, N tokens, D width.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from terrazzo.core.errors import RequestError
from terrazzo.models.encoder import create, pixel_statistics, weight_arguments
from terrazzo.models.layers import initialise


class PlainViT(nn.Module):
    """A timm VisionTransformer without its classifier.

    Args:
        body: built with `dynamic_img_size`, so that position embeddings follow the image.
        mean: per channel in pixel units, where the weights expect one.
        std: per channel in pixel units, where the weights expect one.
    """

    def __init__(
        self, body: Any, *, mean: tuple[float, ...] | None = None, std: tuple[float, ...] | None = None
    ) -> None:
        super().__init__()
        self.body = body
        self.mean = mean
        self.std = std
        self.width = int(body.embed_dim)
        self.depth = len(body.blocks)
        self.patch = int(body.patch_embed.patch_size[0])
        self.prefix_tokens = int(body.num_prefix_tokens)

    def tokens(self, image_BCHW: Tensor) -> Tensor:
        """Return (B, N, D) as they enter the first block: prefix tokens, then patches row by row."""
        patches_BhwD = self.body.patch_embed(image_BCHW)
        tokens_BND: Tensor = self.body.norm_pre(self.body.patch_drop(self.body._pos_embed(patches_BhwD)))
        return tokens_BND

    def map(self, tokens_BND: Tensor, image_BCHW: Tensor) -> Tensor:
        """Return the patches as (B, D, h, w), prefix tokens left out."""
        h, w = (side // self.patch for side in image_BCHW.shape[-2:])
        patches_BND = tokens_BND[:, self.prefix_tokens :]
        return patches_BND.transpose(1, 2).reshape(len(patches_BND), self.width, h, w)

    def after(self, image_BCHW: Tensor, blocks: Sequence[int]) -> list[Tensor]:
        """Return (B, N, D) after each of the chosen blocks (counted from 0, rising), before the last norm."""
        tokens_BND = self.tokens(image_BCHW)
        chosen: list[Tensor] = []
        for number, block in enumerate(self.body.blocks[: blocks[-1] + 1]):
            tokens_BND = block(tokens_BND)
            if number in blocks:
                chosen.append(tokens_BND)
        return chosen


def build_plain_vit(
    name: str,
    *,
    in_channels: int,
    pretrained: bool | str = False,
    options: Mapping[str, Any] | None = None,
) -> PlainViT:
    """Build a plain vision transformer by its timm name; arguments as for `build_encoder`.

    Raises:
        RequestError: an unknown name, a network that is no plain vision transformer, a wrong option, or
            weights that cannot be had.
    """
    arguments = {
        "in_chans": in_channels,
        "num_classes": 0,
        "dynamic_img_size": True,
        **(options or {}),
        **weight_arguments(name, pretrained),
    }
    _require_plain(name)
    body = create(name, arguments)
    if not pretrained:
        initialise(body.patch_embed)
    mean, std = pixel_statistics(body.pretrained_cfg, in_channels) if pretrained else (None, None)
    return PlainViT(body, mean=mean, std=std)


def _require_plain(name: str) -> None:
    """Refuse networks that timm does not build as its VisionTransformer."""
    from timm.models import model_entrypoint

    if not model_entrypoint(name).__module__.endswith("vision_transformer"):
        raise RequestError(
            f"Encoder {name!r} is no plain vision transformer, which this model stands on. "
            "Choose one of timm's vit_* networks, such as vit_small_patch16_224 or vit_base_patch14_dinov2."
        )
