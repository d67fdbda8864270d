"""Weights of PIDNet in the names of github.com/XuJiacong/PIDNet."""

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

SOURCE = "PIDNet of XuJiacong/PIDNet"
SMALL_WIDTH = 32

_BRANCHES = {"": "context", "_": "detail", "_d": "boundary"}
"""How the names of the I, P and D branch end, and ours."""

_RULES: list[Rule] = [
    (r"^final_layer\.", "classify."),
    (r"^seghead_p\.", "classify_detail."),
    (r"^seghead_d\.", "find_boundary."),
    *shared_rules("context.2"),
    *(
        (rf"^layer{level}{theirs}\.", f"levels.{level - 3}.{ours}.")
        for level in (3, 4)
        for theirs, ours in _BRANCHES.items()
    ),
    *((rf"^compression{level}\.", f"levels.{level - 3}.compress.") for level in (3, 4)),
    *((rf"^diff{level}\.", f"levels.{level - 3}.differ.") for level in (3, 4)),
    *((rf"^pag{level}\.f_x\.", f"levels.{level - 3}.guide.embed_detail.") for level in (3, 4)),
    *((rf"^pag{level}\.f_y\.", f"levels.{level - 3}.guide.embed_context.") for level in (3, 4)),
    (r"^levels\.1\.boundary\.0\.", "levels.1.boundary."),  # a stage of one block in S and M, a block in L
    (r"^layer5\.", "context."),
    (r"^layer5_\.0\.", "detail."),
    (r"^layer5_d\.0\.", "boundary."),
    (r"^dfm\.conv_p\.", "fuse.detail."),
    (r"^dfm\.conv_i\.", "fuse.context."),
    (r"^dfm\.", "fuse."),
]


def translate(state: Mapping[str, Tensor]) -> Translation:
    """Return the weights under our names; the variant is read off widths and blocks.

    The heads for training may be there or not.

    Raises:
        RequestError: tensors that tell the variant are missing.
    """
    theirs = rename(state, TRAINED)
    first = tensor_of(theirs, "conv1.0.weight", SOURCE)
    classes = len(tensor_of(theirs, "final_layer.conv2.weight", SOURCE))
    ours = without_stem_bias(rename(theirs, _RULES))
    large = any(name.startswith("stem.2.2.") for name in ours)
    variant = "l" if large else "s" if len(first) == SMALL_WIDTH else "m"
    arguments = {
        "num_classes": classes,
        "in_channels": first.shape[1],
        "variant": variant,
        "auxiliary": any(name.startswith(("classify_detail.", "find_boundary.")) for name in ours),
        "align_corners": True,
        "mean": IMAGENET_MEAN,
        "std": IMAGENET_STD,
    }
    return Translation(SOURCE, "pidnet", arguments, ours)
