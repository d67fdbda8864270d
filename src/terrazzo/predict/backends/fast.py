"""A network for prediction alone: the same function of an image, with less work. The network stays as it is.

* Batch norms go into the convolutions before them (`predict.backends.fold`).
* What a network itself knows to be the same with less work (`SegmentationModel.streamline`).
* Depthwise convolutions of a wide dilation, on a CPU (`predict.backends.depthwise`).
* Weights lie in memory as images do, channels last, so that no call has to turn them.

All of it together must give the logits of the network on a random image, or the network itself is used.

Shapes: B images, C channels, H x W image size.
"""

import copy
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from terrazzo.predict.backends.depthwise import ShiftedDepthwise, is_wide
from terrazzo.predict.backends.fold import fold, replace

if TYPE_CHECKING:
    from terrazzo.models.base import SegmentationModel

TOLERANCE = 1e-4
"""Largest difference of a logit that is rounding, as a share of the largest logit."""


def fast_network(model: "SegmentationModel") -> "SegmentationModel":
    """Return a network with the same logits, to rounding, that takes less time, in evaluation mode.

    It shares what it can of the weights: what was folded or turned is a copy, and does not follow the model.

    Args:
        model: in any mode, on any device; it is left as it was.

    Returns:
        The new network; for volumes, and where the two do not agree, `model` itself.
    """
    if model.sides != 2:
        return model
    with torch.inference_mode(False), torch.no_grad():
        image_BCHW = _random_image(model)
        fast: SegmentationModel = twin(model)
        expected = fast(image_BCHW).logits
        fast.streamline()
        fold(fast, image_BCHW)
        _suit_memory(fast, image_BCHW.device)
        fast.eval()
        given = fast(image_BCHW).logits
    return fast if _agree(given, expected) else model


def twin(model: nn.Module) -> Any:
    """Return new modules in evaluation mode around the same parameters, buffers and hooks.

    Modules can be replaced in it without a trace in the original.
    """
    made: dict[nn.Module, nn.Module] = {}

    def doubled(module: nn.Module) -> nn.Module:
        if module not in made:
            made[module] = new = copy.copy(module)
            children = module._modules.items()
            new._modules = {name: None if child is None else doubled(child) for name, child in children}
            new.training = False
        return made[module]

    return doubled(model)


def _random_image(model: "SegmentationModel") -> Tensor:
    """Return a small image of noise, as bright as the network expects."""
    from terrazzo.models.base import MIN_SIDE

    side = -(-MIN_SIDE // model.multiple) * model.multiple
    noise_BCHW = torch.randn((1, model.in_channels, side, side), generator=torch.Generator().manual_seed(0))
    mean, std = model.normalize.mean, model.normalize.std
    image_BCHW = noise_BCHW.to(mean.device) * std + mean
    return image_BCHW.contiguous(memory_format=torch.channels_last)


def _suit_memory(network: nn.Module, device: torch.device) -> None:
    """Turn the weights of convolutions, and put shifts in the place of wide depthwise ones on a CPU."""
    if device.type == "cpu":
        wide = [module for module in network.modules() if is_wide(module)]
        replace(network, {module: ShiftedDepthwise(cast("nn.Conv2d", module)) for module in wide})
    for module in network.modules():
        weight = module._parameters.get("weight")
        if isinstance(module, nn.Conv2d) and weight is not None:
            turned = weight.detach().contiguous(memory_format=torch.channels_last)
            own = {**module._parameters, "weight": nn.Parameter(turned, requires_grad=False)}
            module._parameters = own


def _agree(given: Tensor, expected: Tensor) -> bool:
    """Say whether logits are the same to rounding; what is no number agrees with nothing."""
    same_shape = given.shape == expected.shape
    return same_shape and bool((given - expected).abs().max() <= TOLERANCE * expected.abs().max())
