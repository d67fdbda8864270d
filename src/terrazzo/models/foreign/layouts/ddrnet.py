"""Weights of DDRNet in the names of github.com/ydhongHIT/DDRNet, which its training forks kept."""

from collections.abc import Mapping

from torch import Tensor

from terrazzo.models.foreign.layouts.dual_resolution import (
    TRAINED,
    shared_rules,
    tensor_of,
    without_stem_bias,
)
from terrazzo.models.foreign.translation import Rule, Translation, rename
from terrazzo.models.pixels import IMAGENET_MEAN, IMAGENET_STD

SOURCE = "DDRNet of ydhongHIT/DDRNet"
SLIM_WIDTH = 32


def _stage(theirs: str, ours: str) -> list[Rule]:
    """Return the rules for one stage of both branches, and what goes between them."""
    return [
        (rf"^layer{theirs}\.", f"{ours}.coarse."),
        (rf"^layer{theirs}_\.", f"{ours}.fine."),
        (rf"^compression{theirs}\.", f"{ours}.compress."),
        (rf"^down{theirs}\.([01])\.", rf"{ours}.down.0.\1."),
        (rf"^down{theirs}\.3\.", f"{ours}.down.1.0."),
        (rf"^down{theirs}\.4\.", f"{ours}.down.1.1."),
    ]


_RULES: list[Rule] = [
    (r"^final_layer\.", "classify."),
    (r"^seghead_extra\.", "classify_extra."),
    *shared_rules("context"),
    *_stage("3", "stages.0"),
    *_stage("3_1", "stages.0"),
    *_stage("3_2", "stages.1"),
    *_stage("4", "last_stage"),
    (r"^layer5\.0\.", "coarse."),
    (r"^layer5_\.0\.", "fine."),
]


def translate(state: Mapping[str, Tensor]) -> Translation:
    """Return the weights under our names; the variant is read off widths and stages.

    The extra head may be there or not.

    Raises:
        RequestError: tensors that tell the variant are missing.
    """
    theirs = rename(state, TRAINED)
    first = tensor_of(theirs, "conv1.0.weight", SOURCE)
    classes = len(tensor_of(theirs, "final_layer.conv2.weight", SOURCE))
    ours = without_stem_bias(rename(theirs, _RULES))
    deep = any(name.startswith("stages.1.") for name in ours)
    arguments = {
        "num_classes": classes,
        "in_channels": first.shape[1],
        "variant": "39" if deep else "23-slim" if len(first) == SLIM_WIDTH else "23",
        "auxiliary": any(name.startswith("classify_extra.") for name in ours),
        "mean": IMAGENET_MEAN,
        "std": IMAGENET_STD,
    }
    return Translation(SOURCE, "ddrnet", arguments, ours)
