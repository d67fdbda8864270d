"""The names that the repositories of DDRNet and PIDNet share: blocks, context, heads."""

from collections.abc import Mapping

from torch import Tensor

from terrazzo.core.errors import RequestError
from terrazzo.models.foreign.translation import Rule

_LOSSES = r"^(loss|sem_loss|bd_loss)\."

TRAINED: list[Rule] = [(_LOSSES, None), (r"^model\.", "")]
"""A network that was saved with its losses, as training does: the losses have weights of their own."""

_BLOCKS: list[Rule] = [
    rule
    for number in (1, 2, 3)
    for rule in (
        (rf"\.conv{number}\.", f".convs.{number - 1}.0."),
        (rf"\.bn{number}\.", f".convs.{number - 1}.1."),
    )
]

_HEAD: list[Rule] = [
    (r"^(classify\w*|find_boundary)\.bn1\.", r"\1.0.0."),
    (r"^(classify\w*|find_boundary)\.conv1\.", r"\1.0.2."),
    (r"^(classify\w*|find_boundary)\.bn2\.", r"\1.1.0."),
    (r"^(classify\w*|find_boundary)\.conv2\.", r"\1.1.2."),
]


def shared_rules(context: str) -> list[Rule]:
    """Return the rules for context, heads, blocks and the stem, in this order.

    Heads must have our names already; the blocks' rules would take their layers for their own.

    Args:
        context: our name of the context module, which theirs call `spp`.
    """
    pooled: list[Rule] = [
        (r"^spp\.scale0\.", rf"{context}.scales.0."),
        (r"^spp\.scale(\d)\.1\.", rf"{context}.scales.\1.0."),  # before it comes the pool
        (r"^spp\.scale(\d)\.3\.", rf"{context}.scales.\1.2."),
        *((rf"^spp\.process{number + 1}\.", f"{context}.process.{number}.") for number in range(4)),
        (r"^spp\.scale_process\.", f"{context}.process."),
        (r"^spp\.compression\.", f"{context}.compress."),
        (r"^spp\.shortcut\.", f"{context}.shortcut."),
    ]
    stem: list[Rule] = [
        (r"^conv1\.([01])\.", r"stem.0.\1."),
        (r"^conv1\.3\.", "stem.1.0."),
        (r"^conv1\.4\.", "stem.1.1."),
        (r"^layer1\.", "stem.2."),
        (r"^layer2\.", "stem.4."),
    ]
    return [*pooled, *_HEAD, *stem, *_BLOCKS, (r"\.downsample\.", ".shortcut.")]


def without_stem_bias(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state without the biases of the first two convolutions, which batch norm follows.

    What a bias adds the norm subtracts with its mean: the mean is lowered by it instead.
    """
    folded = dict(state)
    for number in (0, 1):
        bias = folded.pop(f"stem.{number}.0.bias", None)
        mean = f"stem.{number}.1.running_mean"
        if bias is not None and mean in folded:
            folded[mean] = folded[mean] - bias
    return folded


def tensor_of(state: Mapping[str, Tensor], name: str, source: str) -> Tensor:
    """Return a tensor that decides the architecture.

    Raises:
        RequestError: it is not there.
    """
    if name not in state:
        raise RequestError(f"This is no {source}: it has no {name}. Check the layout.")
    return state[name]
