"""Any plain vision transformer of timm, as maps of one size at chosen depths.

Dosovitskiy et al. 2021, An Image is Worth 16x16 Words, https://arxiv.org/abs/2010.11929. Images of any size:
position embeddings are resized to the image's patches (section 3.2, fine-tuning and higher resolution).

Shapes: B images, C channels, H x W image size, p patch side, h x w = H / p x W / p, N tokens, D width.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn import functional as F

from terrazzo.core.errors import RequestError
from terrazzo.models.encoder import create, pixel_statistics, weight_arguments

Resampling = Literal["bicubic", "bilinear"]

_PLAIN_MODULES = ("timm.models.vision_transformer", "timm.models.deit")


class PlainViT(nn.Module):
    """A timm VisionTransformer without its classifier and without the pooling before it.

    Args:
        body: built with `dynamic_img_size`, so that the patches come as a map.
        resampling: of the position embeddings; "bicubic" with antialiasing as timm does it, or "bilinear"
            without, for weights that were trained so.
        mean: per channel in pixel units, where the weights expect one.
        std: per channel in pixel units, where the weights expect one.
    """

    def __init__(
        self,
        body: Any,
        *,
        resampling: Resampling = "bicubic",
        mean: tuple[float, ...] | None = None,
        std: tuple[float, ...] | None = None,
    ) -> None:
        super().__init__()
        self.body = body
        self.resampling = resampling
        self.mean = mean
        self.std = std
        self.width = int(body.embed_dim)
        self.depth = len(body.blocks)
        self.patch = int(body.patch_embed.patch_size[0])
        self.prefix_tokens = int(body.num_prefix_tokens)

    def tokens(self, image_BCHW: Tensor) -> Tensor:
        """Return (B, N, D) as they enter the first block: prefix tokens, then patches row by row.

        Prefix tokens are the class token, the distillation token and the registers, as far as there are any.
        """
        patches_BhwD = self.body.patch_embed(image_BCHW)
        h, w = patches_BhwD.shape[1:3]
        tokens_BND = patches_BhwD.flatten(1, 2)
        prefix_1PD = self._prefix()
        if self.body.pos_embed is not None:
            placed = 0 if self.body.no_embed_class else self.prefix_tokens
            if placed:
                prefix_1PD = prefix_1PD + self.body.pos_embed[:, :placed]
            tokens_BND = tokens_BND + self._positions(self.body.pos_embed[:, placed:], h, w)
        if self.prefix_tokens:
            tokens_BND = torch.cat([prefix_1PD.expand(tokens_BND.shape[0], -1, -1), tokens_BND], dim=1)
        entering_BND: Tensor = self.body.norm_pre(self.body.patch_drop(self.body.pos_drop(tokens_BND)))
        return entering_BND

    def map(self, tokens_BND: Tensor, image_BCHW: Tensor) -> Tensor:
        """Return the patches as (B, D, h, w), prefix tokens left out."""
        return self.map_patches(tokens_BND[:, self.prefix_tokens :], image_BCHW)

    def map_patches(self, patches_BND: Tensor, image_BCHW: Tensor) -> Tensor:
        """Return (B, D, h, w) of tokens that are patches already, of any width D."""
        h, w = (side // self.patch for side in image_BCHW.shape[-2:])
        return patches_BND.transpose(1, 2).reshape(patches_BND.shape[0], -1, h, w)

    def after(self, image_BCHW: Tensor, blocks: Sequence[int]) -> list[Tensor]:
        """Return (B, N, D) after each of the chosen blocks (counted from 0, rising), before the last norm."""
        tokens_BND = self.tokens(image_BCHW)
        chosen: list[Tensor] = []
        for number, block in enumerate(self.body.blocks[: blocks[-1] + 1]):
            tokens_BND = block(tokens_BND)
            if number in blocks:
                chosen.append(tokens_BND)
        return chosen

    def blocks_at(self, layers: Sequence[int], *, of: int) -> list[int]:
        """Return the blocks, from 0 and rising, at the same shares of the depth as layers 1..of of a paper.

        Layers 6, 12, 18, 24 of 24 are blocks 2, 5, 8, 11 of 12; two layers may meet in a shallow encoder.
        """
        return sorted({max(1, (2 * self.depth * layer + of) // (2 * of)) - 1 for layer in layers})

    def end_after(self, block: int) -> None:
        """Leave out the blocks after this one, and the last norm: nothing would train them."""
        self.body.blocks = self.body.blocks[: block + 1]
        self.body.norm = nn.Identity()
        self.depth = len(self.body.blocks)

    def _prefix(self) -> Any:
        """Return the prefix tokens (1, P, D), or None without any."""
        names = ("cls_token", "dist_token", "reg_token")
        tokens = [getattr(self.body, name, None) for name in names]
        present = [token_1PD for token_1PD in tokens if token_1PD is not None]
        return torch.cat(present, dim=1) if present else None

    def _positions(self, embedding_1ND: Tensor, h: int, w: int) -> Tensor:
        """Return the position embeddings of h x w patches, (1, h * w, D)."""
        trained = tuple(self.body.patch_embed.grid_size)
        # An exported graph must serve every size, the one it was trained at included.
        if not torch.compiler.is_exporting() and (h, w) == trained:
            return embedding_1ND
        map_1Dhw = embedding_1ND.float().reshape(1, *trained, self.width).permute(0, 3, 1, 2)
        resized_1Dhw = F.interpolate(
            map_1Dhw,
            size=(h, w),
            mode=self.resampling,
            antialias=self.resampling == "bicubic",
            align_corners=False,
        )
        return resized_1Dhw.flatten(2).transpose(1, 2).to(embedding_1ND.dtype)


def build_plain_vit(
    name: str,
    *,
    in_channels: int,
    pretrained: bool | str = False,
    options: Mapping[str, Any] | None = None,
) -> PlainViT:
    """Build a plain vision transformer by its timm name; arguments as for `build_encoder`.

    Random weights are drawn as timm does it, those of the patches' projection included.

    Two options are ours, for weights of other libraries: `norm_eps`, of every layer norm (timm's are 1e-6,
    some of PyTorch's 1e-5), and `resampling` (see `PlainViT`). The others go to timm: `img_size` for the
    size of the position embeddings, `drop_path_rate`, or `embed_dim`, `depth`, `num_heads` of a smaller one.

    Raises:
        RequestError: an unknown name, a network that is no plain vision transformer, a wrong option, or
            weights that cannot be had.
    """
    given = dict(options or {})
    norm_eps, resampling = _checked_eps(given.pop("norm_eps", None)), given.pop("resampling", "bicubic")
    if resampling not in ("bicubic", "bilinear"):
        raise RequestError(f"Encoder option resampling = {resampling!r}: give 'bicubic' or 'bilinear'.")
    loading = _strict(weight_arguments(name, pretrained))
    _require_plain(name)
    body = create(name, {"in_chans": in_channels, "dynamic_img_size": True, **given, **loading})
    body = _without_classifier(body)
    _require_square(name, body)
    _set_eps(body, norm_eps)
    mean, std = pixel_statistics(body.pretrained_cfg, in_channels) if pretrained else (None, None)
    return PlainViT(body, resampling=resampling, mean=mean, std=std)


def _checked_eps(eps: Any) -> float | None:
    if eps is not None and (not isinstance(eps, int | float) or not 0 < eps < 1):
        raise RequestError(f"Encoder option norm_eps = {eps!r}: give a small positive number, such as 1e-6.")
    return eps


def _set_eps(body: nn.Module, eps: float | None) -> None:
    for module in body.modules():
        if eps is not None and isinstance(module, nn.LayerNorm):
            module.eps = eps


def _strict(loading: dict[str, Any]) -> dict[str, Any]:
    """Let timm build the classifier that the weights have: it takes incomplete ones where theirs differs."""
    overlay = loading.get("pretrained_cfg_overlay", {})
    if loading["pretrained"] and not ("file" in overlay and _lacks_classifier(overlay["file"])):
        return loading
    return {**loading, "num_classes": 0, "pretrained_cfg_overlay": {**overlay, "num_classes": 0}}


def _lacks_classifier(file: str) -> bool:
    """Return whether a file in timm's own layout has no classifier; timm makes one for other layouts."""
    with safe_open(file, framework="pt") as weights:
        names = set(weights.keys())
    return "patch_embed.proj.weight" in names and "head.weight" not in names


def _without_classifier(body: Any) -> Any:
    """Drop the classifier and its pooling; a norm that followed the pooling becomes the last norm."""
    body.reset_classifier(0)
    if isinstance(body.norm, nn.Identity):
        body.norm, body.fc_norm = body.fc_norm, nn.Identity()
    body.attn_pool = None
    return body


def _require_plain(name: str) -> None:
    """Refuse networks that timm does not build as its VisionTransformer."""
    from timm.models import model_entrypoint

    if model_entrypoint(name).__module__ not in _PLAIN_MODULES:
        raise RequestError(
            f"Encoder {name!r} is no plain vision transformer, which this model stands on. "
            "Choose one of timm's vit_* networks, such as vit_small_patch16_224 or vit_base_patch14_dinov2."
        )


def _require_square(name: str, body: Any) -> None:
    height, width = body.patch_embed.patch_size
    if height != width:
        raise RequestError(
            f"Encoder {name!r} has patches of {height} x {width} pixels; give patch_size as one number."
        )
