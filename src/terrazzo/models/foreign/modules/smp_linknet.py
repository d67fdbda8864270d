"""Linknet of segmentation_models_pytorch."""

from typing import Any

from terrazzo.models.foreign.modules.smp_encoder import (
    require_batch_norm,
    smp_arguments,
    smp_rules,
    smp_state,
)
from terrazzo.models.foreign.translation import Rule, Translation, rename


def translate_linknet(module: Any) -> Translation:
    """Return a Linknet as our `linknet` with decoder "smp".

    Raises:
        RequestError: another norm than ours, or an encoder that timm lacks.
    """
    require_batch_norm(module, module.decoder)
    rules: list[Rule] = [
        *smp_rules(module),
        (r"^decoder\.blocks\.(\d+)\.block\.", r"decoder.\1."),
        (r"^segmentation_head\.0\.", "classify."),
    ]
    return Translation(
        source="segmentation_models_pytorch Linknet",
        architecture="linknet",
        arguments=smp_arguments(module) | {"decoder": "smp"},
        state=rename(smp_state(module), rules),
    )
