"""The ASPP of torchvision, which segmentation_models_pytorch has too -> ours."""

from typing import Any

from torch import nn

from terrazzo.models.foreign.translation import Rule


def aspp_arguments(aspp: Any) -> dict[str, Any]:
    """Return width, rates and dropout as options of our networks."""
    dilations = [max(conv.dilation) for branch in aspp.convs[1:-1] for conv in _convs(branch)[:1]]
    return {
        "channels": aspp.project[0].out_channels,
        "rates": tuple(dilations),
        "dropout": aspp.project[-1].p,
    }


def aspp_is_separable(aspp: Any) -> bool:
    """Return whether its 3x3 convolutions are depthwise separable."""
    return len(_convs(aspp.convs[1])) > 1


def aspp_rules(aspp: Any, prefix: str) -> list[Rule]:
    """Return rules for the names below a prefix, which is given as a regular expression."""
    last = len(aspp.convs) - 1
    rules: list[Rule] = [
        (rf"^{prefix}\.convs\.0\.", "aspp.point."),
        (rf"^{prefix}\.convs\.{last}\.1\.", "aspp.image.0."),
        (rf"^{prefix}\.convs\.{last}\.2\.", "aspp.image.1."),
        (rf"^{prefix}\.project\.", "aspp.project."),
    ]
    for branch in range(1, last):
        rules += conv_rules(
            rf"{prefix}\.convs\.{branch}", f"aspp.atrous.{branch - 1}", separable=aspp_is_separable(aspp)
        )
    return rules


def conv_rules(prefix: str, ours: str, *, separable: bool) -> list[Rule]:
    """Return rules for a 3x3 convolution and its norm; theirs without a norm between separable parts."""
    if not separable:
        return [(rf"^{prefix}\.", f"{ours}.")]
    return [
        (rf"^{prefix}\.0\.0\.", f"{ours}.0."),
        (rf"^{prefix}\.0\.1\.", f"{ours}.1.0."),
        (rf"^{prefix}\.1\.", f"{ours}.1.1."),
    ]


def _convs(branch: nn.Module) -> list[nn.Conv2d]:
    return [layer for layer in branch.modules() if isinstance(layer, nn.Conv2d)]
