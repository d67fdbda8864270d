"""transformers' UPerNet on a ConvNeXt as ours.

https://github.com/huggingface/transformers, Apache-2.0; read for version 5.23. Its backbone norms the maps it
gives out, which is our `level_norm`; the norms are a part of ours, not of the encoder.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from terrazzo.core.errors import RequestError
from terrazzo.models.foreign.translation import Rule, Translation, rename

_SOURCE = "transformers UperNetForSemanticSegmentation"

_SIZES = {
    "convnext_tiny": {"depths": [3, 3, 9, 3], "dims": [96, 192, 384, 768]},
    "convnext_small": {"depths": [3, 3, 27, 3], "dims": [96, 192, 384, 768]},
    "convnext_base": {"depths": [3, 3, 27, 3], "dims": [128, 256, 512, 1024]},
    "convnext_large": {"depths": [3, 3, 27, 3], "dims": [192, 384, 768, 1536]},
    "convnext_xlarge": {"depths": [3, 3, 27, 3], "dims": [256, 512, 1024, 2048]},
}
"""timm's networks; they differ in nothing else."""

_ENCODER: list[Rule] = [
    (r"^backbone\.embeddings\.patch_embeddings\.", "encoder.body.stem_0."),
    (r"^backbone\.embeddings\.layernorm\.", "encoder.body.stem_1."),
    (r"^backbone\.encoder\.stages\.(\d)\.downsampling_layer\.", r"encoder.body.stages_\1.downsample."),
    (r"^backbone\.encoder\.stages\.(\d)\.layers\.", r"encoder.body.stages_\1.blocks."),
    (r"\.layer_scale_parameter$", ".gamma"),
    (r"\.dwconv\.", ".conv_dw."),
    (r"\.layernorm\.", ".norm."),
    (r"\.pwconv(\d)\.", r".mlp.fc\1."),
    *((rf"^backbone\.hidden_states_norms\.stage{i + 1}\.", f"level_norms.{i}.") for i in range(4)),
]

_DECODER: list[Rule] = [
    (r"^decode_head\.psp_modules\.(\d+)\.1\.", r"context.0.branches.\1."),
    (r"^decode_head\.bottleneck\.", "context.1."),
    (r"^decode_head\.lateral_convs\.", "lateral."),
    (r"^decode_head\.fpn_convs\.", "smooth."),
    (r"^decode_head\.fpn_bottleneck\.", "fuse."),
    (r"^decode_head\.classifier\.", "classify."),
    (r"^auxiliary_head\.convs\.0\.", "auxiliary.0."),
    (r"^auxiliary_head\.classifier\.", "auxiliary.2."),
    (r"^((?:context|lateral|smooth|fuse|auxiliary)\..*)\bconv\.", r"\g<1>0."),
    (r"^((?:context|lateral|smooth|fuse|auxiliary)\..*)\bbatch_norm\.", r"\g<1>1."),
]


def translate_upernet(module: nn.Module) -> Translation:
    """Return transformers' UperNetForSemanticSegmentation on a ConvNeXt in our words.

    Raises:
        RequestError: another backbone, maps other than those of its four stages, or a second head that is
            not one convolution and the classes.
    """
    config: Any = module.config
    _require(config)
    state = _with_layer_scale(rename(module.state_dict(), [*_ENCODER, *_DECODER]))
    name, different = _convnext(config.backbone_config)
    arguments = {
        "num_classes": state["classify.weight"].shape[0],
        "in_channels": config.backbone_config.num_channels,
        "encoder": name,
        "encoder_options": different,
        "channels": config.hidden_size,
        "bins": list(config.pool_scales),
        "level_norm": True,
        "auxiliary": bool(config.use_auxiliary_head),
        "auxiliary_channels": config.auxiliary_channels,
    }
    return Translation(_SOURCE, "upernet", arguments, state)


def _with_layer_scale(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors with a layer scale of 1 in every block that has none; timm always builds one."""
    scales = {
        name.replace(".conv_dw.bias", ".gamma"): torch.ones_like(tensor)
        for name, tensor in state.items()
        if name.endswith(".conv_dw.bias")
    }
    return {**scales, **state}


def _convnext(backbone: Any) -> tuple[str, dict[str, Any]]:
    """Return timm's name for a ConvNeXt, and what else timm has to be told."""
    options: dict[str, Any] = {"depths": list(backbone.depths), "dims": list(backbone.hidden_sizes)}
    name = next((name for name, sizes in _SIZES.items() if sizes == options), None)
    different = {} if name else options
    if backbone.drop_path_rate:
        different["drop_path_rate"] = float(backbone.drop_path_rate)
    return name or "convnext_tiny", different


def _require(config: Any) -> None:
    """Refuse what ours cannot do otherwise."""
    backbone = config.backbone_config
    if backbone.model_type != "convnext":
        raise RequestError(
            f"The backbone of this {_SOURCE} is a {backbone.model_type}; there is a translation for convnext."
        )
    wanted: list[tuple[Any, str, Any]] = [
        (backbone, "patch_size", 4),
        (backbone, "hidden_act", "gelu"),
        (backbone, "out_features", ["stage1", "stage2", "stage3", "stage4"]),
    ]
    if config.use_auxiliary_head:
        wanted += [(config, "auxiliary_num_convs", 1), (config, "auxiliary_concat_input", False)]
    for owner, key, value in wanted:
        given = getattr(owner, key)
        if given != value:
            raise RequestError(f"This {_SOURCE} has {key} = {given!r}; ours has {value!r} and no other.")
