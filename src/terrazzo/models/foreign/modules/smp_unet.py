"""Unet and UnetPlusPlus of segmentation_models_pytorch; their blocks are the same."""

from typing import Any

from terrazzo.core.errors import RequestError
from terrazzo.models.foreign.modules.smp_encoder import (
    require_batch_norm,
    require_nearest,
    smp_arguments,
    smp_rules,
    smp_state,
)
from terrazzo.models.foreign.translation import Rule, Translation, rename


def translate_unet(module: Any) -> Translation:
    """Return a Unet as our `unet-timm`.

    Raises:
        RequestError: another norm, attention or interpolation than ours, or an encoder that timm lacks.
    """
    blocks = list(module.decoder.blocks)
    _require_plain(module, blocks)
    rules: list[Rule] = [
        *smp_rules(module),
        (r"^decoder\.blocks\.", "decoder."),
        (r"^segmentation_head\.0\.", "classify."),
    ]
    return Translation(
        source="segmentation_models_pytorch Unet",
        architecture="unet-timm",
        arguments=smp_arguments(module) | {"decoder_channels": [_width(block) for block in blocks]},
        state=rename(smp_state(module), rules),
    )


def translate_unet_plus_plus(module: Any) -> Translation:
    """Return a UnetPlusPlus as our `unetplusplus`, without heads for deep supervision: it has none.

    Raises:
        RequestError: as above.
    """
    named = {name: block for name, block in module.decoder.blocks.items() if not block.is_empty}
    _require_plain(module, list(named.values()))
    widths = [_width(block) for name, block in named.items() if name.startswith("x_0_")]
    rules: list[Rule] = [*smp_rules(module), *_nodes(module), (r"^segmentation_head\.0\.", "classify.")]
    return Translation(
        source="segmentation_models_pytorch UnetPlusPlus",
        architecture="unetplusplus",
        arguments=smp_arguments(module) | {"decoder_channels": widths, "deep_supervision": False},
        state=rename(smp_state(module), rules),
    )


def _nodes(module: Any) -> list[Rule]:
    """Return one rule per node: x_<distance to the last node>_<level from the coarsest> there, X^{i,j} here.

    Levels finer than the encoder's have a single node, which is a block without skips here.
    """
    depth = sum(width > 0 for width in module.encoder.out_channels[1:]) - 1
    rules: list[Rule] = []
    for name in module.decoder.blocks:
        before_last, level = (int(number) for number in name.split("_")[1:])
        ours = f"skips.nodes.{depth - 1 - level}_{level + 1 - before_last}"
        if level >= depth:
            ours = f"up.{level - depth}"
        rules.append((rf"^decoder\.blocks\.{name}\.", f"{ours}."))
    return rules


def _require_plain(module: Any, blocks: list[Any]) -> None:
    """Refuse what our decoder blocks do not have."""
    require_batch_norm(module, module.decoder)
    require_nearest(module, blocks[0].interpolation_mode)
    attention = type(blocks[0].attention2.attention).__name__
    if attention != "Identity":
        raise RequestError(
            f"The decoder of this {type(module).__name__} has attention ({attention}), which ours has not. "
            "There is a translation for decoder_attention_type=None only."
        )


def _width(block: Any) -> int:
    return int(block.conv2[0].out_channels)
