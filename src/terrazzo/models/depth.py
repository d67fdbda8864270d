"""How deep in its encoder a parameter lies, counted in layers as timm groups them.

timm knows of every network which parameters form a layer (`group_matcher`): for vision transformers, Swin and
ConvNeXt a block each, for PVT v2 and Mix Transformers a whole stage. The last norm belongs to the last layer.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from terrazzo.core.errors import RequestError
from terrazzo.models.base import SegmentationModel
from terrazzo.models.catalogue import MODELS
from terrazzo.models.encoder import Encoder, create
from terrazzo.models.mit import in_timm
from terrazzo.models.plain_vit import PlainViT

_NOT_OF_THE_NETWORK = ("dilate_first", "out_indices")
"""Encoder options that concern the pyramid alone."""


def encoder_depths(model: nn.Module) -> dict[int, int]:
    """Return the layer of each encoder parameter, by `id`: 0 for the stem, rising without gaps.

    Raises:
        RequestError: the network has no encoder of timm, or one that timm does not divide into layers.
    """
    encoder = getattr(model, "encoder", None)
    if not isinstance(model, SegmentationModel) or not isinstance(encoder, Encoder | PlainViT):
        name = getattr(model, "architecture", "") or type(model).__name__
        raise RequestError(
            f"Layer-wise decay needs an encoder of timm that is kept whole; {name!r} has none. "
            "Leave optimizer.layer_decay at 1, or choose an architecture such as setr, segformer or upernet."
        )
    layers = _layers_by_name(model, encoder)
    found = {
        id(parameter): layers.get(_plain(name), -1) for name, parameter in encoder.body.named_parameters()
    }
    if -1 in found.values():
        raise _no_layers(str(model.arguments["encoder"]))
    rank = {layer: position for position, layer in enumerate(sorted(set(found.values())))}
    return {parameter: rank[layer] for parameter, layer in found.items()}


def _layers_by_name(model: SegmentationModel, encoder: Encoder | PlainViT) -> Mapping[str, int]:
    """Return parameter name -> layer, for the whole timm network."""
    from timm.models import group_parameters

    name = str(model.arguments["encoder"])
    network: Any = encoder.body if isinstance(encoder, PlainViT) else _whole(model, name)
    if not hasattr(network, "group_matcher"):
        raise _no_layers(name)
    found: dict[str, int] = group_parameters(network, network.group_matcher(coarse=False), reverse=True)
    return {_plain(parameter): layer for parameter, layer in found.items()}


def _whole(model: SegmentationModel, name: str) -> Any:
    """Return the timm network that the pyramid was cut out of, as shapes alone."""
    options = {
        **MODELS[model.architecture].encoder_options,
        **model.arguments.get("encoder_options", {}),
    }
    own = {key: value for key, value in options.items() if key not in _NOT_OF_THE_NETWORK}
    timm_name, arguments = in_timm(name, own)
    with torch.device("meta"):
        return create(timm_name, {"in_chans": model.in_channels, **arguments})


def _plain(name: str) -> str:
    """Return a name that pyramid and whole network share: timm's pyramids join stages by underscores."""
    return name.removeprefix("model.").replace(".", "_")


def _no_layers(name: str) -> RequestError:
    return RequestError(
        f"timm does not say how the encoder {name!r} divides into layers, which layer-wise decay needs. "
        "Leave optimizer.layer_decay at 1, or choose another encoder."
    )
