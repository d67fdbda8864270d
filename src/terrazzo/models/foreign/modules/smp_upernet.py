"""segmentation_models_pytorch's UPerNet as ours.

https://github.com/qubvel-org/segmentation_models.pytorch, MIT; read for version 0.6. It norms every level of
any encoder, has no second head, and widens the logits, and only these, with align_corners=True.
"""

from typing import Any

from torch import nn

from terrazzo.core.errors import RequestError
from terrazzo.models.foreign.modules.smp_encoder import require_batch_norm, smp_state
from terrazzo.models.foreign.modules.smp_mit import encoder_and_rules
from terrazzo.models.foreign.translation import Rule, Translation, rename

_STRIDE = 4


def translate_upernet(module: nn.Module) -> Translation:
    """Return segmentation_models_pytorch's UPerNet in our words.

    Raises:
        RequestError: an encoder that is not timm's network, norms other than batch norm in the decoder, an
            activation, or logits of another size.
    """
    network: Any = module
    decoder = network.decoder
    require_batch_norm(network, decoder.fusion_block)
    require_stride_four(network)
    encoder, encoder_rules = encoder_and_rules(network)
    arguments = {
        "num_classes": network.segmentation_head[0].out_channels,
        "in_channels": encoder.in_channels,
        "encoder": encoder.name,
        "encoder_options": encoder.options,
        "channels": decoder.fusion_block[0].out_channels,
        "level_norm": True,
        "dropout": 0.0,
        "auxiliary": False,
        "align_corners": True,
    }
    state = rename(smp_state(module), [*encoder_rules, *_decoder_rules(len(decoder.fpn_conv_blocks))])
    return Translation("segmentation_models_pytorch UPerNet", "upernet", arguments, state)


def require_stride_four(network: Any) -> None:
    """Refuse logits that are widened by another factor than their stride.

    Raises:
        RequestError: `upsampling` is not 4.
    """
    factor = getattr(network.segmentation_head[1], "scale_factor", 1)
    if factor != _STRIDE:
        raise RequestError(
            f"This {type(network).__name__} has upsampling = {factor:g}, so its masks are not of the image's "
            f"size. Build it with upsampling={_STRIDE} and load its weights there: they are the same."
        )


def _decoder_rules(laterals: int) -> list[Rule]:
    """Return the rules for the decoder, which counts its lateral levels from the coarsest."""
    rules: list[Rule] = [
        (r"^decoder\.feature_norms\.", "level_norms."),
        (r"^decoder\.psp\.blocks\.(\d+)\.1\.", r"context.0.branches.\1."),
        (r"^decoder\.psp\.out_conv\.", "context.1."),
        (r"^decoder\.fusion_block\.", "fuse."),
        (r"^segmentation_head\.0\.", "classify."),
    ]
    for i in range(laterals):
        theirs = laterals - 1 - i
        rules.append((rf"^decoder\.fpn_lateral_blocks\.{theirs}\.conv_norm_relu\.", f"lateral.{i}."))
        rules.append((rf"^decoder\.fpn_conv_blocks\.{theirs}\.", f"smooth.{i}."))
    return rules
