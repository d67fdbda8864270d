"""The plain vision transformers of transformers, as timm's VisionTransformer: shared by DPT and EoMT.

Two families of names are known: that of its ViT (`layer.0.attention.attention.query`, `intermediate.dense`)
and that of its DINOv2 (`layers.0.attention.q_proj`, `layer_scale1.lambda1`, `mlp.fc1`).
"""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from terrazzo.core.errors import RequestError
from terrazzo.models.foreign.translation import Rule, rename

_QKV = re.compile(r"attention\.(?:attention\.)?(query|key|value|q_proj|k_proj|v_proj)\.(weight|bias)$")
_SWIGLU = re.compile(r"mlp\.(gate_proj|up_proj)\.(weight|bias)$")
_ORDER = {
    "query": 0,
    "key": 1,
    "value": 2,
    "q_proj": 0,
    "k_proj": 1,
    "v_proj": 2,
    "gate_proj": 0,
    "up_proj": 1,
}

_RULES: list[Rule] = [
    (r"^embeddings\.mask_token$", None),
    (r"^pooler\.", None),
    (r"^embeddings\.cls_token$", "cls_token"),
    (r"^embeddings\.register_tokens$", "reg_token"),
    (r"^embeddings\.position_embeddings(\.weight)?$", "pos_embed"),
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^(?:encoder\.)?layers?\.(\d+)\.", r"blocks.\1."),
    (r"^layernorm\.", "norm."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"\.attention\.(?:output\.dense|out_proj)\.", ".attn.proj."),
    (r"\.layer_scale([12])\.lambda1$", r".ls\1.gamma"),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"(blocks\.\d+)\.output\.dense\.", r"\1.mlp.fc2."),
    (r"\.mlp\.weights_in\.", ".mlp.fc1."),
    (r"\.mlp\.(?:weights_out|down_proj)\.", ".mlp.fc2."),
    (r"\.attention\.qkv\.", ".attn.qkv."),
]


def timm_vit(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a vision transformer under timm's names ("blocks.0.attn.qkv.weight").

    Args:
        state: `embeddings.*`, `encoder.layer.*` or `layers.*`, and `layernorm.*`, without a prefix. Names of
            anything else stay as they are.
    """
    joined = _joined(_joined(dict(state), _QKV, "attention.qkv"), _SWIGLU, "mlp.fc1")
    renamed = rename(joined, _RULES)
    if "pos_embed" in renamed and renamed["pos_embed"].ndim == 2:
        renamed["pos_embed"] = renamed["pos_embed"].unsqueeze(0)
    return renamed


def _joined(state: dict[str, Tensor], pattern: re.Pattern[str], name: str) -> dict[str, Tensor]:
    """Concatenate what matches the pattern in one layer, in the order of _ORDER, to one tensor."""
    parts: dict[str, dict[int, Tensor]] = {}
    rest: dict[str, Tensor] = {}
    for key, tensor in state.items():
        if match := pattern.search(key):
            whole = f"{key[: match.start()]}{name}.{match[2]}"
            parts.setdefault(whole, {})[_ORDER[match[1]]] = tensor
        else:
            rest[key] = tensor
    return rest | {key: torch.cat([part[place] for place in sorted(part)]) for key, part in parts.items()}


def vit_encoder(config: Any, vit: Mapping[str, Tensor], *, resampling: str = "bicubic") -> dict[str, Any]:
    """Return `encoder` and `encoder_options` for `build_model` of a transformers vision transformer.

    Args:
        config: of the module; the heads, the image size, the activation, the norms' eps and the dropouts are
            read off it.
        vit: its tensors, as `timm_vit` returns them; widths and parts are read off their shapes.
        resampling: how the library resizes position embeddings.

    Raises:
        RequestError: an activation that timm's network does not have.
    """
    fc1, patch = vit["blocks.0.mlp.fc1.weight"], vit["patch_embed.proj.weight"]
    gated = fc1.shape[0] == 2 * vit["blocks.0.mlp.fc2.weight"].shape[1]
    if not gated and config.hidden_act != "gelu":
        raise RequestError(
            f"The {config.model_type} has the activation {config.hidden_act!r} in its transformer; "
            "only 'gelu' can be translated."
        )
    options = {
        "img_size": _plain(config.image_size),
        "patch_size": patch.shape[-1],
        "embed_dim": patch.shape[0],
        "depth": len([name for name in vit if name.endswith(".norm1.weight")]),
        "num_heads": config.num_attention_heads,
        "mlp_ratio": _ratio(fc1),
        "qkv_bias": "blocks.0.attn.qkv.bias" in vit,
        "norm_eps": config.layer_norm_eps,
        "resampling": resampling,
        **_parts(vit, _plain(config.image_size)),
        **_dropouts(config),
    }
    # One network of timm per kind of MLP; all else is said by the options.
    return {
        "encoder": "vit_giant_patch14_dinov2" if gated else "vit_base_patch16_224",
        "encoder_options": options,
    }


def _ratio(fc1: Tensor) -> float:
    """Return the ratio that timm's truncation turns into the hidden width again."""
    hidden, width = fc1.shape
    return hidden / width if hidden % width == 0 else (hidden + 0.5) / width


def _plain(size: Any) -> Any:
    return list(size) if isinstance(size, list | tuple) else size


def _parts(vit: Mapping[str, Tensor], image_size: Any) -> dict[str, Any]:
    """Return the options for layer scale, registers, and whether prefix tokens have a place."""
    patch = vit["patch_embed.proj.weight"].shape[-1]
    height, width = image_size if isinstance(image_size, list) else (image_size, image_size)
    registers = vit["reg_token"].shape[1] if "reg_token" in vit else 0
    return {
        "init_values": 1.0 if "blocks.0.ls1.gamma" in vit else None,
        "reg_tokens": registers,
        "no_embed_class": vit["pos_embed"].shape[1] == (height // patch) * (width // patch),
    }


def _dropouts(config: Any) -> dict[str, float]:
    """Return the options for dropout in training, where there is any."""
    hidden = getattr(config, "hidden_dropout_prob", 0.0)
    attention = getattr(config, "attention_probs_dropout_prob", getattr(config, "attention_dropout", 0.0))
    rates = {
        "pos_drop_rate": hidden,
        "proj_drop_rate": hidden,
        "attn_drop_rate": attention,
        "drop_path_rate": getattr(config, "drop_path_rate", 0.0),
    }
    return {name: float(rate) for name, rate in rates.items() if rate}
