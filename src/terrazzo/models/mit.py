"""The Mix Transformer encoders mit_b0 .. mit_b5, built from timm's PVT v2.

Xie et al. 2021, SegFormer, section 3.1 and table 6, https://arxiv.org/abs/2105.15203. timm has no such
network, but its pvt_v2_* are made of the same pieces, down to the epsilons of the norms: overlapping patches
(7 x 7 by 4, then 3 x 3 by 2), attention over spatially reduced keys, a depthwise 3 x 3 between the layers of
the MLP. Only the numbers differ; ours are those of the official code (its file mix_transformer.py in
https://github.com/NVlabs/SegFormer), including its stochastic depth of 0.1. Table 6 gives expansion ratios
of 8 for the first two stages of B0 to B4; the code has 4 throughout, and so have the published weights.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import nn

from terrazzo.core.errors import RequestError

_NARROW = (32, 64, 160, 256)
_WIDE = (64, 128, 320, 512)

_STAGES = {
    "mit_b0": ((2, 2, 2, 2), _NARROW),
    "mit_b1": ((2, 2, 2, 2), _WIDE),
    "mit_b2": ((3, 4, 6, 3), _WIDE),
    "mit_b3": ((3, 4, 18, 3), _WIDE),
    "mit_b4": ((3, 8, 27, 3), _WIDE),
    "mit_b5": ((3, 6, 40, 3), _WIDE),
}
"""Name -> blocks and width of each stage."""

MIT: dict[str, dict[str, Any]] = {
    name: {
        "depths": depths,
        "embed_dims": widths,
        "num_heads": (1, 2, 5, 8),
        "mlp_ratios": (4, 4, 4, 4),
        "sr_ratios": (8, 4, 2, 1),
        "drop_path_rate": 0.1,
    }
    for name, (depths, widths) in _STAGES.items()
}
"""Name -> timm's options for a pvt_v2 that make it this network."""


def in_timm(name: str, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the timm network that an encoder's name means, and the options it takes.

    Args:
        name: one of MIT, or any other, which stays as it is.
        options: of the user; they win. A MiT has one that timm lacks: `norm_eps`, the epsilon of the norms in
            and after the blocks (1e-6, as in the official code; transformers has 1e-5).
    """
    if name not in MIT:
        return name, dict(options)
    merged = {**MIT[name], **options}
    if "norm_eps" in merged:
        merged["norm_layer"] = partial(nn.LayerNorm, eps=merged.pop("norm_eps"))
    return name.replace("mit", "pvt_v2"), merged


def refuse_download(name: str) -> None:
    """Refuse to look for pretrained weights that timm does not have.

    Raises:
        RequestError: the name is one of MIT.
    """
    if name in MIT:
        raise RequestError(
            f"timm has no pretrained weights for {name!r}. Give a local file of them as pretrained = "
            "'path/to/file.safetensors' (names as in the official repository), take a whole trained "
            "SegformerForSemanticSegmentation over from transformers with models.foreign.from_module, or "
            f"choose {name.replace('mit', 'pvt_v2')!r}, made of the same pieces, which timm has weights for."
        )
