"""transformers' DPTForSemanticSegmentation, on a plain vision transformer, as our `dpt`.

Its auxiliary head stands on the last fusion, where the paper's stands on the penultimate one; the translation
keeps what the module does, and its weight.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from terrazzo.core.errors import RequestError
from terrazzo.models.dpt import SCALES
from terrazzo.models.foreign.modules.transformers_vit import timm_vit, vit_encoder
from terrazzo.models.foreign.translation import Rule, Translation, rename

HALF = 127.5

_RULES: list[Rule] = [
    (r"^neck\.reassemble_stage\.readout_projects\.(\d)\.0\.", r"read.\1.project.0."),
    (r"^neck\.reassemble_stage\.layers\.(\d)\.projection\.", r"reassemble.\1.0."),
    (r"^neck\.reassemble_stage\.layers\.(\d)\.resize\.", r"reassemble.\1.1."),
    (r"^neck\.convs\.(\d)\.", r"lateral.\1."),
    (r"\.residual_layer1\.", ".adapt.layers."),
    (r"\.residual_layer2\.", ".refine.layers."),
    (r"\.projection\.", ".project."),
    (r"^(auxiliary_head|head)\.head\.0\.", r"\1.0.0."),
    (r"^(auxiliary_head|head)\.head\.1\.", r"\1.0.1."),
    (r"^(auxiliary_head|head)\.head\.4\.", r"\1.2."),
]


def translate_dpt(module: nn.Module) -> Translation:
    """Return a transformers DPTForSemanticSegmentation in our words.

    Raises:
        RequestError: DPT-Hybrid or another backbone, or options that our network does not have.
    """
    config: Any = module.config
    _require_ours(config)
    state = module.state_dict()
    vit = timm_vit(_below(state, "dpt."))
    vit = {name: tensor for name, tensor in vit.items() if not name.startswith("norm.")}  # it feeds nothing
    decoder = rename(_fusions(state), _RULES)
    arguments = {
        "num_classes": config.num_labels,
        "in_channels": config.num_channels,
        **_statistics(config.num_channels),
        **vit_encoder(config, vit, resampling="bilinear"),
        **_options(config, decoder),
    }
    last = int(max(config.backbone_out_indices))
    kept = {name: tensor for name, tensor in vit.items() if _block(name) <= last}
    weights = {f"encoder.body.{name}": tensor for name, tensor in kept.items()} | decoder
    return Translation("transformers DPTForSemanticSegmentation", "dpt", arguments, weights)


def _statistics(channels: int) -> dict[str, Any]:
    """Return mean and std of DPTImageProcessor, which are one half of 0..1, in pixel units."""
    return {"mean": (HALF,) * channels, "std": (HALF,) * channels}


def _options(config: Any, decoder: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the options of our `dpt`."""
    return {
        "features": config.fusion_hidden_size,
        "reassemble_channels": tuple(config.neck_hidden_sizes),
        "blocks": tuple(sorted(config.backbone_out_indices)),
        "readout": config.readout_type,
        "batch_norm": bool(config.use_batch_norm_in_fusion_residual),
        "dropout": float(config.semantic_classifier_dropout),
        "auxiliary": "auxiliary_head.2.weight" in decoder,
        "auxiliary_at": "last",
        "auxiliary_weight": float(config.auxiliary_loss_weight),
        "align_corners": True,
    }


def _require_ours(config: Any) -> None:
    if config.is_hybrid or config.backbone_config is not None:
        kind = getattr(config.backbone_config, "model_type", "none")
        raise RequestError(
            f"This DPT stands on a backbone of its own ({kind!r}; DPT-Hybrid has a BiT); ours stands on a "
            "plain vision transformer. Only modules with is_hybrid=False and no backbone_config can be "
            "translated."
        )
    levels = len(SCALES)
    expected = {"reassemble_factors": list(SCALES), "hidden_act": "gelu"}
    for option, value in expected.items():
        given = getattr(config, option)
        if (list(given) if isinstance(given, list | tuple) else given) != value:
            raise RequestError(f"This DPT has {option} = {given!r}; only {value!r} can be translated.")
    if config.head_in_index not in (-1, levels - 1):
        raise RequestError(
            f"This DPT has its head at fusion {config.head_in_index}; "
            "only the last one (-1) can be translated."
        )


def _below(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def _block(name: str) -> int:
    """Return which block a tensor belongs to; -1 before the blocks."""
    parts = name.split(".")
    return int(parts[1]) if parts[0] == "blocks" else -1


def _fusions(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the decoder's tensors, the fusions finest first, each with its residual units as sequences."""
    norms = any("batch_norm1" in name for name in state)
    places = {"convolution1": 1, "batch_norm1": 2, "convolution2": 4 if norms else 3, "batch_norm2": 5}
    units: dict[str, Tensor] = {}
    for name, tensor in state.items():
        parts = name.split(".")
        if parts[0] == "dpt":
            continue
        if parts[1] == "fusion_stage":
            level = len(SCALES) - 1 - int(parts[3])
            if level == len(SCALES) - 1 and parts[4] == "residual_layer1":
                continue  # takes a coarser level, which the coarsest fusion never gets
            inner = [str(places.get(part, part)) for part in parts[4:]]
            units[".".join(["fusions", str(level), *inner])] = tensor
        else:
            units[name] = tensor
    return _with_our_biases(units, norms=norms)


def _with_our_biases(units: dict[str, Tensor], *, norms: bool) -> dict[str, Tensor]:
    """Take biases off the running mean of a norm that follows; else let every convolution have one."""
    convs = [name for name, tensor in units.items() if ".residual_layer" in name and tensor.ndim == 4]
    for weight in convs:
        unit, place, _ = weight.rsplit(".", 2)
        bias = units.pop(f"{unit}.{place}.bias", units[weight].new_zeros(len(units[weight])))
        if norms:
            mean = f"{unit}.{int(place) + 1}.running_mean"
            units[mean] = units[mean] - bias
        else:
            units[f"{unit}.{place}.bias"] = bias
    return units
