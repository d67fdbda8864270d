"""The Mix Transformers of segmentation_models_pytorch in timm's words.

https://github.com/qubvel-org/segmentation_models.pytorch, read for version 0.6. Their code there (and the
weights it loads) is that of the official repository, under the NVIDIA Source Code License: research only.
"""

from typing import Any

from terrazzo.models.foreign.modules.smp_encoder import SmpEncoder, smp_encoder, smp_rules
from terrazzo.models.foreign.modules.transformers_segformer import closest_mit
from terrazzo.models.foreign.translation import Rule

_STAGES = (1, 2, 3, 4)


def encoder_and_rules(module: Any) -> tuple[SmpEncoder, list[Rule]]:
    """Return the encoder of a module, be it a MiT or one that `smp_encoder` knows, and how it is renamed.

    Raises:
        RequestError: an encoder that is not timm's network with other names.
    """
    if not any(kind.__name__ == "MixVisionTransformer" for kind in type(module.encoder).__mro__):
        return smp_encoder(module), smp_rules(module)
    return _mit(module.encoder), [*_rules(module.encoder._depth - 1), *smp_rules(module)]


def _mit(encoder: Any) -> SmpEncoder:
    """Return timm's options, read off the layers."""
    stages = [getattr(encoder, f"block{stage}") for stage in _STAGES]
    first = [stage[0] for stage in stages]
    rates = [getattr(block.drop_path, "drop_prob", 0.0) for block in stages[-1]]
    options = {
        "depths": [len(stage) for stage in stages],
        "embed_dims": [block.attn.dim for block in first],
        "num_heads": [block.attn.num_heads for block in first],
        "mlp_ratios": [block.mlp.fc1.out_features // block.attn.dim for block in first],
        "sr_ratios": [block.attn.sr_ratio for block in first],
        "drop_path_rate": round(rates[-1], 6),
    }
    name, different = closest_mit(options)
    used = encoder._depth - 1
    if used < len(_STAGES):
        different["out_indices"] = list(range(used))
    return SmpEncoder(name, different, encoder.patch_embed1.proj.in_channels)


def _rules(used: int) -> list[Rule]:
    """Return how the tensors of the first stages are named; those of the others have no use."""
    rules: list[Rule] = []
    for stage in _STAGES:
        if stage > used:
            rules.append((rf"^encoder\.(?:patch_embed|block|norm){stage}\.", None))
        patches = "patch_embed" if stage == 1 else f"stages_{stage - 1}.downsample"
        rules += [
            (rf"^encoder\.patch_embed{stage}\.", f"encoder.{patches}."),
            (rf"^encoder\.block{stage}\.", f"encoder.stages_{stage - 1}.blocks."),
            (rf"^encoder\.norm{stage}\.", f"encoder.stages_{stage - 1}.norm."),
        ]
    return [*rules, (r"\.dwconv\.dwconv\.", ".dwconv.")]
