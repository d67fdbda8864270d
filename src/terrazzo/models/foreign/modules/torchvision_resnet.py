"""Which timm network a torchvision ResNet is; the names of their tensors are the same."""

from typing import Any

from terrazzo.core.errors import RequestError

_STAGES = ("layer1", "layer2", "layer3", "layer4")

_NAMES = {
    ((2, 2, 2, 2), 2, 1, 64): "resnet18",
    ((3, 4, 6, 3), 2, 1, 64): "resnet34",
    ((3, 4, 6, 3), 3, 1, 64): "resnet50",
    ((3, 4, 23, 3), 3, 1, 64): "resnet101",
    ((3, 8, 36, 3), 3, 1, 64): "resnet152",
    ((3, 4, 6, 3), 3, 32, 128): "resnext50_32x4d",
    ((3, 4, 23, 3), 3, 32, 256): "resnext101_32x8d",
    ((3, 4, 23, 3), 3, 64, 256): "resnext101_64x4d",
    ((3, 4, 6, 3), 3, 1, 128): "wide_resnet50_2",
    ((3, 4, 23, 3), 3, 1, 128): "wide_resnet101_2",
}
"""Blocks per stage, convolutions per block, groups, width of a first block's second convolution -> name."""

_OUTPUT_STRIDES = {(2, 2, 2): 32, (2, 2, 1): 16, (2, 1, 1): 8}
"""Strides of the last three stages -> output stride; a stage without stride is dilated, in both libraries
from its second block on."""


def encoder_of(backbone: Any, source: str) -> dict[str, Any]:
    """Return `encoder`, `encoder_options` and `in_channels` for `build_model`.

    Args:
        backbone: a torchvision ResNet, or what IntermediateLayerGetter keeps of one.
        source: the network it belongs to, for messages.

    Raises:
        RequestError: another kind of backbone, or strides that timm does not have.
    """
    if not all(hasattr(backbone, stage) for stage in _STAGES):
        raise RequestError(f"{source} stands on {type(backbone).__name__} without {_STAGES}: not a ResNet.")
    stages = [getattr(backbone, stage) for stage in _STAGES]
    first = stages[0][0]
    convolutions = 3 if hasattr(first, "conv3") else 2
    shape = tuple(map(len, stages)), convolutions, first.conv2.groups, first.conv2.out_channels
    strides = tuple(stage[0].stride for stage in stages[1:])
    if shape not in _NAMES or strides not in _OUTPUT_STRIDES:
        raise RequestError(
            f"{source} stands on a ResNet that timm does not have: blocks {shape[0]}, {shape[1]} "
            f"convolutions each, {shape[2]} groups, width {shape[3]}, strides {strides}."
        )
    output_stride = _OUTPUT_STRIDES[strides]
    return {
        "encoder": _NAMES[shape],
        "encoder_options": {"output_stride": output_stride},
        "in_channels": backbone.conv1.in_channels,
    }
