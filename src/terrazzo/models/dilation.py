"""Dilated residual stages beyond timm's `output_stride`: the new dilation from a stage's first block on.

Where a stage's stride is taken away, timm and torchvision leave its first block with the dilation of the
stage before: that block still reads features as dense as before. The authors of PSPNet (hszhao/semseg) and
segmentation_models_pytorch dilate the whole stage. Weights of one kind give other numbers in the other.
"""

from typing import Any

from torch import nn

from terrazzo.core.errors import RequestError

_STAGE_STRIDES = {"layer1": 4, "layer2": 8, "layer3": 16, "layer4": 32}
"""Of every timm ResNet before dilation."""


def dilate_whole_stages(name: str, body: Any, output_stride: int) -> None:
    """Give every convolution of a dilated stage the stage's dilation, the first block's included.

    Args:
        name: of the timm network, for messages.
        body: its feature network, built with this output stride.
        output_stride: 8 or 16; at 32 there is nothing to do.

    Raises:
        RequestError: the network is no ResNet.
    """
    stages = dict(body.named_children())
    if not {"layer1", "layer2"} <= stages.keys():
        raise RequestError(
            f"Encoder {name!r} has no residual stages that dilate_first could dilate. "
            "Leave the option out, or choose a ResNet or ResNeXt such as resnet50."
        )
    for stage, stride in _STAGE_STRIDES.items():
        if stage in stages and stride > output_stride:
            _dilate(stages[stage], stride // output_stride)


def _dilate(stage: nn.Module, dilation: int) -> None:
    """Dilate the convolutions larger than a pixel; padding keeps the size."""
    for conv in stage.modules():
        if isinstance(conv, nn.Conv2d) and max(conv.kernel_size) > 1:
            conv.dilation = (dilation, dilation)
            conv.padding = tuple(side // 2 * dilation for side in conv.kernel_size)
