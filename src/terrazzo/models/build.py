"""From a name and plain options to a network."""

from typing import TYPE_CHECKING, Any

from terrazzo.core.errors import RequestError, unknown_name
from terrazzo.core.options import checked_options
from terrazzo.models.catalogue import MODELS

if TYPE_CHECKING:
    from terrazzo.models.base import SegmentationModel

_RESERVED = frozenset({"num_classes", "in_channels", "encoder", "pretrained"})


def build_model(
    name: str,
    *,
    num_classes: int,
    in_channels: int = 3,
    encoder: str | None = None,
    pretrained: bool | str = False,
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
        options: the architecture's own, among them `mean` and `std` per channel in pixel units and, with an
            encoder, `encoder_options` for timm.

    Returns:
        The network in training mode; its `architecture` and `arguments` say how to build it again.

    Raises:
        RequestError: an unknown name, or weights that cannot be had (ConfigError: a wrong option).
    """
    if name not in MODELS:
        raise unknown_name("model", name, MODELS)
    architecture = MODELS[name]
    builder = architecture.load()
    arguments: dict[str, Any] = {"num_classes": num_classes, "in_channels": in_channels}
    if architecture.encoder is not None:
        arguments["encoder"] = encoder or architecture.encoder
    elif encoder or pretrained:
        given = f"encoder = {encoder!r}" if encoder else f"pretrained = {pretrained!r}"
        raise RequestError(
            f"{given}: model {name!r} has its own encoder without pretrained weights. "
            f"Leave it out, or choose one of: {', '.join(_with_encoder())}."
        )
    arguments |= checked_options(builder, options, owner=f"model {name!r}", reserved=_RESERVED)
    weights = {"pretrained": pretrained} if pretrained else {}
    model = builder(**arguments, **weights)
    model.architecture = name
    model.arguments = _recorded(model, arguments) if pretrained else _plain(arguments)
    return model


def _with_encoder() -> list[str]:
    return [name for name, architecture in MODELS.items() if architecture.encoder is not None]


def _recorded(model: "SegmentationModel", arguments: dict[str, Any]) -> dict[str, Any]:
    """Add the normalisation that came with pretrained weights, so that rebuilding needs no weights."""
    found = {"mean": model.encoder.mean, "std": model.encoder.std}
    given = {key: value for key, value in arguments.items() if value is not None}
    result: dict[str, Any] = _plain({**found, **given})
    return result


def _plain(value: Any) -> Any:
    """Return the same in JSON's types: tuples become lists."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value
