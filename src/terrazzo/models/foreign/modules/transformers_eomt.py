"""EoMT of transformers -> ours.

Its network is that of the official repository (tue-mps/eomt, MIT) with names of its own: attention with three
projections, a gated MLP in two halves, position embeddings as a table.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from terrazzo.core.errors import RequestError
from terrazzo.models.eomt import upscalings
from terrazzo.models.foreign.translation import Rule, Translation, rename

_SOURCE = "transformers EomtForUniversalSegmentation"
_NORM_EPS = 1e-6
_ENCODERS = {
    384: "vit_small_patch14_reg4_dinov2",
    768: "vit_base_patch14_reg4_dinov2",
    1024: "vit_large_patch14_reg4_dinov2",
}
_GATED_ENCODER = "vit_giant_patch14_reg4_dinov2"

_RULES: list[Rule] = [
    (r"^criterion\.", None),
    (r"^embeddings\.cls_token$", "encoder.body.cls_token"),
    (r"^embeddings\.register_tokens$", "encoder.body.reg_token"),
    (r"^embeddings\.patch_embeddings\.projection\.", "encoder.body.patch_embed.proj."),
    (r"^embeddings\.position_embeddings\.weight$", "encoder.body.pos_embed"),
    (r"^layernorm\.", "encoder.body.norm."),
    (r"^layers\.", "encoder.body.blocks."),
    (r"\.attention\.out_proj\.", ".attn.proj."),
    (r"\.layer_scale([12])\.lambda1$", r".ls\1.gamma"),
    (r"\.mlp\.down_proj\.", ".mlp.fc2."),
    (r"^query\.", "queries."),
    (r"^class_predictor\.", "classify."),
    (r"^mask_head\.fc1\.", "embed_masks.0."),
    (r"^mask_head\.fc2\.", "embed_masks.2."),
    (r"^mask_head\.fc3\.", "embed_masks.4."),
    (r"^upscale_block\.block\.(\d+)\.conv1\.", r"upscale.\1.widen."),
    (r"^upscale_block\.block\.(\d+)\.conv2\.", r"upscale.\1.smooth."),
    (r"^upscale_block\.block\.(\d+)\.layernorm2d\.", r"upscale.\1.norm."),
]


def translate_eomt(module: nn.Module) -> Translation:
    """Translate an `EomtForUniversalSegmentation`, read off its `config` and its weights.

    It masks attention in evaluation where `attn_mask_probs` is above 0, which ours does on request alone; so
    the probabilities decide on `masked_evaluation`.

    Raises:
        RequestError: another activation, epsilon or number of upscaling blocks than EoMT has, sides that are
            not square, or masks that are half annealed, with which its output is drawn at random.
    """
    config: Any = module.config
    state = module.state_dict()
    _check_config(config)
    probabilities = state["attn_mask_probs"].tolist()
    _check_probabilities(probabilities)
    encoder = _ENCODERS.get(config.hidden_size, _ENCODERS[768])  # its sizes are given anyway
    arguments = {
        "num_classes": len(state["class_predictor.weight"]) - 1,
        "in_channels": config.num_channels,
        "encoder": _GATED_ENCODER if config.use_swiglu_ffn else encoder,
        "encoder_options": _encoder_options(config, state),
        "num_queries": config.num_queries,
        "query_blocks": config.num_blocks,
        "masked_evaluation": max(probabilities) > 0,
    }
    return Translation(_SOURCE, "eomt", arguments, _renamed(state))


def _encoder_options(config: Any, state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return what makes timm's DINOv2 network the module's."""
    hidden = len(state["layers.0.mlp.gate_proj.weight"]) * 2 if config.use_swiglu_ffn else None
    return {
        "img_size": config.image_size,
        "patch_size": config.patch_size,
        "embed_dim": config.hidden_size,
        "depth": config.num_hidden_layers,
        "num_heads": config.num_attention_heads,
        # timm rounds width * ratio down; the half keeps it from falling one short.
        "mlp_ratio": (hidden + 0.5) / config.hidden_size if hidden else config.mlp_ratio,
        "reg_tokens": config.num_register_tokens,
    }


def _renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    renamed = rename(state, _RULES)
    renamed["encoder.body.pos_embed"] = renamed["encoder.body.pos_embed"][None]
    if renamed["encoder.body.reg_token"].shape[1] == 0:
        del renamed["encoder.body.reg_token"]
    projections = [f".attention.{letter}_proj." for letter in "qkv"]
    joined = _joined(renamed, projections, ".attn.qkv.")
    return _joined(joined, [".mlp.gate_proj.", ".mlp.up_proj."], ".mlp.fc1.")


def _joined(state: Mapping[str, Tensor], parts: Sequence[str], whole: str) -> dict[str, Tensor]:
    """Return the state with tensors that differ in `parts` alone put one below the other, named `whole`."""
    joined = {name: tensor for name, tensor in state.items() if not any(part in name for part in parts)}
    for name in state:
        if parts[0] in name:
            below = [state[name.replace(parts[0], part)] for part in parts]
            joined[name.replace(parts[0], whole)] = torch.cat(below)
    return joined


def _check_config(config: Any) -> None:
    sides = {"image_size": config.image_size, "patch_size": config.patch_size}
    for name, side in sides.items():
        if not isinstance(side, int):
            raise RequestError(f"{_SOURCE} with {name} = {side}: expected one number, for squares.")
    expected = {
        "hidden_act": "gelu",
        "layer_norm_eps": _NORM_EPS,
        "num_upscale_blocks": upscalings(config.patch_size),
    }
    for name, value in expected.items():
        if getattr(config, name) != value:
            raise RequestError(
                f"{_SOURCE} with {name} = {getattr(config, name)!r}: our eomt has {value!r}, as in the paper."
            )


def _check_probabilities(probabilities: Sequence[float]) -> None:
    """Refuse what the other library draws at random, and masks that outlast the block they are for."""
    allowed = set(probabilities) <= {0.0, 1.0} and list(probabilities) == sorted(probabilities)
    if not allowed:
        raise RequestError(
            f"{_SOURCE} with attn_mask_probs = {[round(value, 4) for value in probabilities]}: expected 0 in "
            "the first blocks and 1 in the others. Between them its masks are drawn at random even in "
            "evaluation; fill the buffer with 0, as at the end of training, or with 1."
        )
