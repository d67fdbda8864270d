"""Parameter groups: which parameters learn at which rate, and which are decayed.

Weight decay falls on the weights of convolutions and linear layers only: decaying a norm's scale or a bias
pulls activations towards zero without regularising anything (He et al., Bag of Tricks, 2019, section 3.1).
"""

from typing import Any, NamedTuple

from torch import nn

from terrazzo.models.classifiers import LAYERS, classifiers
from terrazzo.models.depth import encoder_depths

Group = dict[str, Any]
"""What torch's optimisers take: `params`, `lr`, `weight_decay`; and for us `name`, `part` ("encoder",
"classifier" or "decoder"), `decayed`, and `base_lr`, the rate before the schedule's factor."""

PARTS = ("encoder", "classifier", "decoder")
"""In the order of the groups: the decoder's rate, the last, is the one that is logged."""


class Place(NamedTuple):
    """Where a parameter belongs; parameters of one place form a group."""

    part: int
    """Position in PARTS."""

    layer: int
    """Of the encoder, from 0 at the stem, where layers differ in their rates; else 0."""

    decayed: bool


def parameter_groups(
    model: nn.Module,
    *,
    lr: float,
    encoder_factor: float = 1.0,
    decoder_factor: float = 1.0,
    last_layer_factor: float = 1.0,
    layer_decay: float = 1.0,
    weight_decay: float = 0.0,
    tell_classifiers: bool = False,
) -> list[Group]:
    """Split a model's trainable parameters by learning rate and weight decay.

    The encoder's rate is lr * encoder_factor * layer_decay ** (layers up to the decoder): its last layer has
    the power 1, as in BEiT. The decoder's is lr * decoder_factor; that of the layers that turn features into
    class scores is last_layer_factor times the decoder's.

    Args:
        model: with its encoder as `encoder`, where it has one.
        lr: learning rate.
        encoder_factor: as above.
        decoder_factor: as above.
        last_layer_factor: as above.
        layer_decay: as above, 0..1.
        weight_decay: of conv and linear weights.
        tell_classifiers: give the last layers groups of their own even where their rate is the decoder's.

    Returns:
        Groups with a parameter at least, each parameter in one of them.

    Raises:
        RequestError: the network cannot be divided so (see `classifiers` and `encoder_depths`).
    """
    apart = tell_classifiers or last_layer_factor != 1.0
    places = _places(model, apart=apart, by_layer=layer_decay != 1.0)
    layers = 1 + max((place.layer for place in places), default=0)
    rates = {"encoder": encoder_factor, "classifier": decoder_factor * last_layer_factor}
    groups = []
    for place, parameters in sorted(places.items()):
        part = PARTS[place.part]
        depth_factor = layer_decay ** (layers - place.layer) if part == "encoder" else 1.0
        rate = lr * rates.get(part, decoder_factor) * depth_factor
        layer = f" layer {place.layer}" if part == "encoder" and layers > 1 else ""
        groups.append(
            {
                "name": f"{part}{layer}, {'decayed' if place.decayed else 'not decayed'}",
                "part": part,
                "decayed": place.decayed,
                "params": parameters,
                "base_lr": rate,
                "lr": rate,
                "weight_decay": weight_decay if place.decayed else 0.0,
            }
        )
    return groups


def _places(model: nn.Module, *, apart: bool, by_layer: bool) -> dict[Place, list[nn.Parameter]]:
    """Return the trainable parameters by their place."""
    decayed = {id(module.weight) for module in model.modules() if isinstance(module, LAYERS)}
    encoder = {id(p): 0 for p in getattr(model, "encoder", nn.Module()).parameters()}
    if by_layer:
        encoder |= encoder_depths(model)
    last = {id(p) for layer in (classifiers(model) if apart else ()) for p in layer.parameters()}
    places: dict[Place, list[nn.Parameter]] = {}
    for parameter in model.parameters():
        if parameter.requires_grad:
            key = id(parameter)
            part = "encoder" if key in encoder else "classifier" if key in last else "decoder"
            place = Place(PARTS.index(part), encoder.get(key, 0), key in decayed)
            places.setdefault(place, []).append(parameter)
    return places
