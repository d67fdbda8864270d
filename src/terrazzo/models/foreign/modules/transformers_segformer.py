"""transformers' SegFormer as ours.

https://github.com/huggingface/transformers, Apache-2.0; read for version 5.23, and for the names that its
modules had before. Its norms in and after the blocks have an epsilon of 1e-5, where the official code has
1e-6: the option `norm_eps` of our encoder.

The weights nvidia/segformer-* and nvidia/mit-* are under the NVIDIA Source Code License: research only.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from terrazzo.core.errors import RequestError
from terrazzo.models.foreign.translation import Rule, Translation, rename
from terrazzo.models.mit import MIT

_SOURCE = "transformers SegformerForSemanticSegmentation"
_FIXED = {
    "num_encoder_blocks": 4,
    "patch_sizes": [7, 3, 3, 3],
    "strides": [4, 2, 2, 2],
    "hidden_act": "gelu",
    "reshape_last_stage": True,
}
"""What ours cannot do otherwise."""

_OPTIONS = {
    "depths": "depths",
    "hidden_sizes": "embed_dims",
    "num_attention_heads": "num_heads",
    "mlp_ratios": "mlp_ratios",
    "sr_ratios": "sr_ratios",
    "drop_path_rate": "drop_path_rate",
    "hidden_dropout_prob": "proj_drop_rate",
    "attention_probs_dropout_prob": "attn_drop_rate",
}
"""transformers' name -> timm's."""

_FORMER_NAMES: list[Rule] = [
    (r"^segformer\.encoder\.patch_embeddings\.(\d)", r"segformer.stages.\1.patch_embeddings"),
    (r"^segformer\.encoder\.block\.(\d)", r"segformer.stages.\1.blocks"),
    (r"^segformer\.encoder\.layer_norm\.(\d)", r"segformer.stages.\1.layer_norm"),
    (r"\.layer_norm_1\.", ".layernorm_before."),
    (r"\.layer_norm_2\.", ".layernorm_after."),
    (r"\.attention\.self\.(query|key|value)\.", r".attention.\1_proj."),
    (r"\.query_proj\.", ".q_proj."),
    (r"\.key_proj\.", ".k_proj."),
    (r"\.value_proj\.", ".v_proj."),
    (r"\.attention\.self\.sr\.", ".attention.sequence_reduction.sequence_reduction."),
    (r"\.attention\.self\.layer_norm\.", ".attention.sequence_reduction.layer_norm."),
    (r"\.attention\.output\.dense\.", ".attention.o_proj."),
    (r"\.mlp\.dense(\d)\.", r".mlp.fc\1."),
    (r"^decode_head\.linear_c\.", "decode_head.linear_projections."),
]
"""Names of earlier versions -> names of today."""

_NAMES: list[Rule] = [
    (r"^segformer\.stages\.0\.patch_embeddings\.", "encoder.body.patch_embed."),
    (r"^segformer\.stages\.(\d)\.patch_embeddings\.", r"encoder.body.stages_\1.downsample."),
    (r"^segformer\.stages\.(\d)\.", r"encoder.body.stages_\1."),
    (r"\.(patch_embed|downsample)\.layer_norm\.", r".\1.norm."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"\.attention\.sequence_reduction\.sequence_reduction\.", ".attn.sr."),
    (r"\.attention\.sequence_reduction\.layer_norm\.", ".attn.norm."),
    (r"\.attention\.q_proj\.", ".attn.q."),
    (r"\.attention\.o_proj\.", ".attn.proj."),
    (r"\.attention\.([kv])_proj\.", r".attn.\1."),
    (r"\.dwconv\.dwconv\.", ".dwconv."),
    (r"(stages_\d)\.layer_norm\.", r"\1.norm."),
    (r"^decode_head\.linear_projections\.(\d)\.proj\.", r"project.\1."),
    (r"^decode_head\.linear_fuse\.", "fuse.0."),
    (r"^decode_head\.batch_norm\.", "fuse.1."),
    (r"^decode_head\.classifier\.", "classify."),
]


def translate_segformer(module: nn.Module) -> Translation:
    """Return transformers' SegformerForSemanticSegmentation in our words.

    Raises:
        RequestError: a shape that the Mix Transformer does not have.
    """
    config: Any = module.config
    _require_mix_transformer(config)
    options = {ours: _plain(getattr(config, theirs)) for theirs, ours in _OPTIONS.items()}
    name, different = closest_mit(options)
    state = with_kernel(_with_keys_and_values(rename(module.state_dict(), [*_FORMER_NAMES, *_NAMES])))
    arguments = {
        "num_classes": state["classify.weight"].shape[0],
        "in_channels": config.num_channels,
        "encoder": name,
        "encoder_options": {**different, "norm_eps": _epsilon(module)},
        "decoder_channels": config.decoder_hidden_size,
        "dropout": float(config.classifier_dropout_prob),
    }
    return Translation(_SOURCE, "segformer", arguments, state)


def closest_mit(options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the MiT that shares most of the options, and those that differ from it."""
    differences = {
        name: {key: value for key, value in options.items() if value != _plain(own.get(key, 0.0))}
        for name, own in MIT.items()
    }
    name = min(differences, key=lambda name: len(differences[name]))
    return name, differences[name]


def with_kernel(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors with those of the linear layers in the decoder as kernels of 1 x 1."""
    return {
        name: tensor[..., None, None] if name.startswith("project.") and name.endswith(".weight") else tensor
        for name, tensor in state.items()
    }


def _with_keys_and_values(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Stack the layers of keys and values, which timm has in one."""
    stacked: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if ".attn.k." in name:
            values = state[name.replace(".attn.k.", ".attn.v.")]
            stacked[name.replace(".attn.k.", ".attn.kv.")] = torch.cat([tensor, values])
        elif ".attn.v." not in name:
            stacked[name] = tensor
    return stacked


def _require_mix_transformer(config: Any) -> None:
    for key, wanted in _FIXED.items():
        given = _plain(getattr(config, key))
        if given != wanted:
            raise RequestError(
                f"This {_SOURCE} has {key} = {given!r}; our Mix Transformer has {wanted!r} and no other."
            )


def _epsilon(module: nn.Module) -> float:
    """Return the epsilon of all layer norms; that of patches and reductions is always 1e-5 in ours."""
    given = {layer.eps for layer in module.modules() if isinstance(layer, nn.LayerNorm)}
    if given != {1e-5}:
        raise RequestError(
            f"The layer norms of this {_SOURCE} have epsilons {sorted(given)}; expected 1e-05 in all of them."
        )
    return 1e-5


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, list | tuple) else value
