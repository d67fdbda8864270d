"""What all networks of segmentation_models_pytorch share: the encoder, and what is no part of the masks.

https://github.com/qubvel-org/segmentation_models.pytorch, MIT; read for version 0.6. Its `resnet*` and
`resnext*` encoders are torchvision's networks, whose tensors timm names alike; its `tu-*` encoders are
timm's own. All is read off the live module: nothing is imported from there.
"""

from collections.abc import Mapping
from inspect import signature
from typing import Any, NamedTuple

from torch import Tensor, nn

from terrazzo.core.errors import RequestError
from terrazzo.models.foreign.translation import Rule

_WHOLE_DEPTH = 5
_FULL_STRIDE = 32
_WIDEST_RESNEXT = 32

_RESNETS = {
    ("BasicBlock", (2, 2, 2, 2)): "18",
    ("BasicBlock", (3, 4, 6, 3)): "34",
    ("Bottleneck", (3, 4, 6, 3)): "50",
    ("Bottleneck", (3, 4, 23, 3)): "101",
    ("Bottleneck", (3, 8, 36, 3)): "152",
}
"""Kind and number of blocks per stage -> layers, as in the names."""


class SmpEncoder(NamedTuple):
    """The encoder of a segmentation_models_pytorch network in timm's words."""

    name: str
    """Of the timm network."""

    options: dict[str, Any]
    """For timm: `out_indices` where the encoder ends early, `output_stride` where it is dilated, and more."""

    in_channels: int


def smp_encoder(module: Any, *, dilated: bool = False) -> SmpEncoder:
    """Return which timm network the encoder of a module is.

    Args:
        module: a network of segmentation_models_pytorch, with `encoder` and `name`.
        dilated: allow a torchvision ResNet with an output stride of 8 or 16, given as `output_stride`.
            Beware: it dilates every convolution of a stage, where timm's first block has the dilation of the
            stage before.

    Raises:
        RequestError: an encoder that is not timm's network with other names.
    """
    encoder = module.encoder
    kinds = {kind.__name__ for kind in type(encoder).__mro__}
    if "ResNetEncoder" in kinds:
        return _torchvision_resnet(encoder, dilated=dilated)
    if "TimmUniversalEncoder" in kinds and not encoder._is_vgg_style:
        return _timm_network(module)
    raise RequestError(
        f"The encoder of this {type(module).__name__} is {_encoder_name(module)!r}, which "
        "segmentation_models_pytorch builds otherwise than timm does, so its weights have no place in our "
        "encoders. There is a translation for resnet*, resnext* and tu-* (but those whose first map is as "
        "large as the image); train with one of these, for instance 'tu-efficientnet_b0'."
    )


def smp_arguments(module: Any, *, dilated: bool = False) -> dict[str, Any]:
    """Return what `build_model` needs for every such network: classes, channels and the encoder.

    Args:
        module: a network of segmentation_models_pytorch.
        dilated: as for `smp_encoder`.

    Raises:
        RequestError: as `smp_encoder`.
    """
    name, options, in_channels = smp_encoder(module, dilated=dilated)
    arguments = {
        "num_classes": module.segmentation_head[0].out_channels,
        "in_channels": in_channels,
        "encoder": name,
    }
    return arguments | ({"encoder_options": options} if options else {})


def smp_rules(module: Any) -> list[Rule]:
    """Return the rules for what every such network has: encoder names, and tensors without a use for masks.

    Left out are the stages of a ResNet beyond `encoder_depth`, and the classification head of `aux_params`:
    it judges the image as a whole and the masks do not depend on it.
    """
    unused = range(getattr(module.encoder, "_depth", _WHOLE_DEPTH), _WHOLE_DEPTH)
    beyond: list[Rule] = [(rf"^encoder\.layer{stage}\.", None) for stage in unused]
    return [*beyond, (r"^classification_head\.", None), (r"^encoder\.(?:model\.)?", "encoder.body.")]


def smp_state(module: nn.Module) -> Mapping[str, Tensor]:
    """Return the module's tensors.

    Raises:
        RequestError: its masks are no logits, for an activation follows the last convolution.
    """
    activation = module.segmentation_head[-1].activation  # type: ignore[index,union-attr]
    if not isinstance(activation, nn.Identity):
        raise RequestError(
            f"This {type(module).__name__} ends in {type(activation).__name__}; our networks return logits. "
            "Build it with activation=None and load its weights there: they are the same without it."
        )
    return module.state_dict()


def require_batch_norm(module: Any, parts: nn.Module) -> None:
    """Refuse norms in the decoder other than torch's batch norm with its defaults.

    Raises:
        RequestError: built with another `decoder_use_norm`.
    """
    chosen = getattr(module, "_hub_mixin_config", None) or {}
    norms = [part for part in parts.modules() if isinstance(part, nn.BatchNorm2d)]
    if not norms or any(norm.eps != 1e-5 for norm in norms):
        raise RequestError(
            f"This {type(module).__name__} has decoder_use_norm = {chosen.get('decoder_use_norm')!r}; "
            "ours has batch norm with torch's defaults in its decoder, and no other."
        )


def require_nearest(module: nn.Module, mode: str) -> None:
    """Refuse decoders that widen otherwise than our own.

    Raises:
        RequestError: built with another `decoder_interpolation`.
    """
    if mode != "nearest":
        raise RequestError(
            f"This {type(module).__name__} has decoder_interpolation={mode!r}; ours widens by repeating the "
            "nearest, and no other way."
        )


def _encoder_name(module: Any) -> str:
    """Return the name its user gave the encoder, as far as the module still knows."""
    config = getattr(module, "_hub_mixin_config", None) or {}
    return str(config.get("encoder_name", type(module.encoder).__name__))


def _torchvision_resnet(encoder: Any, *, dilated: bool) -> SmpEncoder:
    stages = [encoder.layer1, encoder.layer2, encoder.layer3, encoder.layer4]
    kind = (type(stages[0][0]).__name__, tuple(len(stage) for stage in stages))
    if kind not in _RESNETS:
        raise RequestError(f"A ResNet encoder of {kind[1]} {kind[0]} blocks; timm has none of this shape.")
    name, options = _name_and_width(_RESNETS[kind], encoder.groups, encoder.base_width)
    if encoder._depth < _WHOLE_DEPTH:
        options["out_indices"] = list(range(encoder._depth))
    if encoder._output_stride != _FULL_STRIDE:
        if not dilated:
            raise RequestError(
                f"The encoder has output stride {encoder._output_stride}, by dilating other convolutions "
                "than timm does; weights of this network are translated at the full stride of 32 only."
            )
        options["output_stride"] = encoder._output_stride
    return SmpEncoder(name, options, encoder.conv1.in_channels)


def _name_and_width(layers: str, groups: int, width: int) -> tuple[str, dict[str, Any]]:
    """Return timm's name, and what it has to be told where it has no name for so wide a network."""
    if groups == 1:
        return f"resnet{layers}", {}
    named = min(width, _WIDEST_RESNEXT)
    return f"resnext{layers}_{groups}x{named}d", {} if named == width else {"base_width": width}


def _timm_network(module: Any) -> SmpEncoder:
    """Return a `tu-*` encoder; keywords that the network's class does not know itself went to timm."""
    encoder = module.encoder
    known = signature(type(module).__init__).parameters
    config = getattr(module, "_hub_mixin_config", None) or {}
    options = {
        key: value
        for key, value in config.items()
        if key not in known and not key.startswith("decoder_") and value is not None
    }
    if encoder._output_stride != _FULL_STRIDE:
        options["output_stride"] = encoder._output_stride
    info = encoder.model.feature_info
    if tuple(info.out_indices) != tuple(range(len(info.info))):
        options["out_indices"] = list(info.out_indices)
    return SmpEncoder(encoder.name, options, encoder._in_channels)
