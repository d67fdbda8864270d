"""Which layers of a network turn features into class scores: its last layers, auxiliary heads included.

Nothing is told by names: a layer is a classifier if its outputs follow the number of classes while its inputs
do not, or are more than scores. A second network with one class more, made of shapes alone (torch's meta
device), shows what follows.
"""

import torch
from torch import nn

from terrazzo.core.errors import RequestError
from terrazzo.models.base import SegmentationModel
from terrazzo.models.build import build_model

LAYERS = (nn.modules.conv._ConvNd, nn.Linear)
"""What can be a classifier: convolutions, transposed ones too, and linear layers."""


def classifiers(model: nn.Module) -> list[nn.Module]:
    """Return the layers that turn features into class scores, in the order of `model.modules()`.

    Layers that only work on scores (the learned upsampling of FCN-8s and in ESPNet's decoder) are not among
    them; neither are boundary branches, whose single output is no class.

    Args:
        model: as `build_model` made it.

    Raises:
        RequestError: `build_model` did not make it, so nothing says how to build it with other classes.
    """
    if not isinstance(model, SegmentationModel) or not model.architecture:
        raise RequestError(
            f"The last layers of a {type(model).__name__} cannot be told, for build_model did not make it. "
            "Build it by its name in MODELS, or leave optimizer.last_layer_lr_factor at 1, without muon."
        )
    wider = {"num_classes": int(model.arguments["num_classes"]) + 1}
    with torch.device("meta"):
        other = build_model(model.architecture, **{**model.arguments, **wider})
    pairs = zip(model.modules(), other.modules(), strict=True)
    return [own for own, its in pairs if _follows(own, its, at_least=model.num_classes)]


def _follows(own: nn.Module, its: nn.Module, *, at_least: int) -> bool:
    """Say whether the layer has more outputs where there is one class more, and makes them of features."""
    if not isinstance(own, LAYERS) or not isinstance(its, LAYERS):
        return False
    (inputs, outputs), (its_inputs, its_outputs) = _widths(own), _widths(its)
    # A convolution that is one of several side by side may follow the classes with a part of them.
    return at_least <= outputs < its_outputs and (inputs == its_inputs or inputs > outputs)


def _widths(layer: nn.Module) -> tuple[int, int]:
    """Return the numbers of inputs and outputs."""
    if isinstance(layer, nn.Linear):
        return layer.in_features, layer.out_features
    assert isinstance(layer, nn.modules.conv._ConvNd)
    return layer.in_channels, layer.out_channels
