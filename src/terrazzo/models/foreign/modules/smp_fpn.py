"""FPN of segmentation_models_pytorch, which widens with align_corners=True."""

from typing import Any

from terrazzo.core.errors import RequestError
from terrazzo.models.foreign.modules.smp_encoder import (
    require_nearest,
    smp_arguments,
    smp_rules,
    smp_state,
)
from terrazzo.models.foreign.translation import Rule, Translation, rename

_DEPTH = 5
_STRIDE = 4


def translate_fpn(module: Any) -> Translation:
    """Return an FPN as our `fpn`.

    Raises:
        RequestError: branches that are concatenated, masks of another size than the image, a shallow encoder,
            another interpolation than ours, or an encoder that timm lacks.
    """
    _require_ours(module)
    decoder = module.decoder
    rules: list[Rule] = [
        *smp_rules(module),
        (r"^decoder\.p5\.", "lateral.3."),
        *[(rf"^decoder\.p{level + 2}\.skip_conv\.", f"lateral.{level}.") for level in range(3)],
        *[(rf"^decoder\.seg_blocks\.{3 - level}\.block\.", f"branches.{level}.convs.") for level in range(4)],
        (r"^(branches\.\d+\.convs\.\d+)\.block\.", r"\1."),
        (r"^segmentation_head\.0\.", "classify."),
    ]
    options = {
        "pyramid_channels": decoder.p5.out_channels,
        "segmentation_channels": decoder.seg_blocks[0].block[0].block[0].out_channels,
        "dropout": decoder.dropout.p,
        "align_corners": True,
    }
    return Translation(
        source="segmentation_models_pytorch FPN",
        architecture="fpn",
        arguments=smp_arguments(module) | options,
        state=rename(smp_state(module), rules),
    )


def _require_ours(module: Any) -> None:
    """Refuse what our network does not do."""
    require_nearest(module, module.decoder.p4.interpolation_mode)
    widening = getattr(module.segmentation_head[1], "scale_factor", 1)
    policy, depth = module.decoder.merge.policy, module.encoder._depth
    if policy != "add" or depth != _DEPTH or widening != _STRIDE:
        raise RequestError(
            f"This FPN has decoder_merge_policy={policy!r}, encoder_depth={depth} and "
            f"upsampling={widening:g}; ours is the one with 'add', {_DEPTH} and {_STRIDE}."
        )
