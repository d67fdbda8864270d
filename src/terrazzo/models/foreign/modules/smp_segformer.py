"""segmentation_models_pytorch's Segformer as ours.

https://github.com/qubvel-org/segmentation_models.pytorch, MIT; read for version 0.6. On an encoder with maps
at stride 2 it uses these, too; it widens the logits, and only these, with align_corners=True.
"""

from typing import Any

from torch import nn

from terrazzo.models.foreign.modules.smp_encoder import smp_state
from terrazzo.models.foreign.modules.smp_mit import encoder_and_rules
from terrazzo.models.foreign.modules.smp_upernet import require_stride_four
from terrazzo.models.foreign.modules.transformers_segformer import with_kernel
from terrazzo.models.foreign.translation import Rule, Translation, rename


def translate_segformer(module: nn.Module) -> Translation:
    """Return segmentation_models_pytorch's Segformer in our words.

    Raises:
        RequestError: an encoder that is not timm's network, an activation, or logits of another size.
    """
    network: Any = module
    require_stride_four(network)
    encoder, encoder_rules = encoder_and_rules(network)
    coarsest = len(network.decoder.mlp_stage) - 1
    rules: list[Rule] = [
        *((rf"^decoder\.mlp_stage\.{coarsest - i}\.linear\.", f"project.{i}.") for i in range(coarsest + 1)),
        (r"^decoder\.fuse_stage\.", "fuse."),
        (r"^segmentation_head\.0\.", "classify."),
    ]
    arguments = {
        "num_classes": network.segmentation_head[0].out_channels,
        "in_channels": encoder.in_channels,
        "encoder": encoder.name,
        "encoder_options": encoder.options,
        "decoder_channels": network.decoder.fuse_stage[0].out_channels,
        "dropout": 0.0,
        "finer_levels": True,
        "align_corners": True,
    }
    state = with_kernel(rename(smp_state(module), [*encoder_rules, *rules]))
    return Translation("segmentation_models_pytorch Segformer", "segformer", arguments, state)
