"""From a name and plain options to a network."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from terrazzo.core.errors import RequestError, unknown_name
from terrazzo.core.options import checked_options
from terrazzo.models.catalogue import MODELS, Architecture
from terrazzo.models.convention import Convention

if TYPE_CHECKING:
    from terrazzo.models.base import SegmentationModel
    from terrazzo.models.encoder import Encoder
    from terrazzo.models.plain_vit import PlainViT

_RESERVED = frozenset({"num_classes", "in_channels", "encoder", "pretrained"})
_CONVENTION = tuple(field.name for field in fields(Convention))


def build_model(
    name: str,
    *,
    num_classes: int,
    in_channels: int = 3,
    encoder: str | None = None,
    pretrained: bool | str = False,
    encoder_options: Mapping[str, Any] | None = None,
    **options: Any,
) -> "SegmentationModel":
    """Build a network by its name in MODELS.

    Random weights are drawn from torch's global generator: seed it before.

    Args:
        name: one of MODELS.
        num_classes: K, void not counted.
        in_channels: C, channels of the images.
        encoder: name of a timm network, where the architecture stands on one; None for its default.
        pretrained: True for timm's weights of the encoder, or the path of a .safetensors file with them.
        encoder_options: further arguments for timm, for instance `output_stride`.
        options: the architecture's own, and those of `Convention` (`mean`, `std`, `bgr`, `void_outputs`).

    Returns:
        The network in training mode; its `architecture` and `arguments` say how to build it again.

    Raises:
        RequestError: an unknown name, or weights that cannot be had (ConfigError: a wrong option).
    """
    if name not in MODELS:
        raise unknown_name("model", name, MODELS)
    architecture = MODELS[name]
    network = architecture.load()
    given = _checked(network, options, name)
    own, convention = _split(given)
    arguments: dict[str, Any] = {"num_classes": num_classes, "in_channels": in_channels}
    stand = {"encoder": encoder, "encoder_options": encoder_options}
    if architecture.encoder is None:
        _refuse_encoder(name, {**stand, "pretrained": pretrained})
    else:
        arguments |= {key: value for key, value in stand.items() if value is not None}
        arguments.setdefault("encoder", architecture.encoder)
        own["encoder"] = body = _encoder(architecture, arguments, pretrained)
        convention = replace(convention, mean=convention.mean or body.mean, std=convention.std or body.std)
    outputs = num_classes + len(convention.void_outputs)
    model: SegmentationModel = network(num_classes=outputs, in_channels=in_channels, **own)
    model.adopt(convention)
    model.architecture = name
    if pretrained:  # the statistics that came with the weights: rebuilding then needs no weights
        given |= {"mean": convention.mean, "std": convention.std}
    model.arguments = _plain(arguments | given)
    return model


def _checked(network: Any, options: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the options of the network and of the convention, each checked by its own signature."""
    owner = f"model {name!r}"
    shared = {key: value for key, value in options.items() if key in _CONVENTION and value is not None}
    own = {key: value for key, value in options.items() if key not in _CONVENTION}
    return checked_options(network, own, owner=owner, reserved=_RESERVED) | checked_options(
        Convention, shared, owner=owner
    )


def _split(given: Mapping[str, Any]) -> tuple[dict[str, Any], Convention]:
    """Return the network's own options, and the convention."""
    own = {key: value for key, value in given.items() if key not in _CONVENTION}
    return own, Convention(**{key: value for key, value in given.items() if key in _CONVENTION})


def _encoder(
    architecture: Architecture, arguments: Mapping[str, Any], pretrained: bool | str
) -> "Encoder | PlainViT":
    from terrazzo.models.encoder import build_encoder
    from terrazzo.models.plain_vit import build_plain_vit

    build = build_encoder if architecture.encoder_kind == "pyramid" else build_plain_vit
    return build(
        arguments["encoder"],
        in_channels=arguments["in_channels"],
        pretrained=pretrained,
        options={**architecture.encoder_options, **arguments.get("encoder_options", {})},
    )


def _refuse_encoder(name: str, given: Mapping[str, Any]) -> None:
    """Refuse arguments for an encoder where the network has its own."""
    for key, value in given.items():
        if value:
            raise RequestError(
                f"{key} = {value!r}: model {name!r} has its own encoder without pretrained weights. "
                f"Leave it out, or choose one of: {', '.join(_with_encoder())}."
            )


def _with_encoder() -> list[str]:
    return [name for name, architecture in MODELS.items() if architecture.encoder is not None]


def _plain(value: Any) -> Any:
    """Return the same in JSON's types: tuples become lists."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value
