"""ENet as davidtvs/PyTorch-ENet names it (`ENet` of models/enet.py), published for CamVid and Cityscapes.

The repository has changed its network over the years; all of them are read, told apart by names and shapes:

* until March 2019 (`ext_conv3` in upsampling blocks): pooling windows of 3 x 3 that overlap;
* from then on (`ext_tconv1`): windows of 2 x 2, and transposed convolutions of 2 x 2, which are ours of 3 x 3
  with an empty row and column;
* since March 2021 upsampling blocks have no activation after their last convolution, which is ours with
  slopes of 1. With ReLUs in the decoder the names do not tell before from after: we take it for the later.

One slope for all channels becomes one for each, and a ReLU a slope of 0: training on may move them apart.
The last output is void (output 11 of 12 for CamVid). Images are RGB divided by 255.
"""

from collections.abc import Mapping

from torch import Tensor
from torch.nn import functional as F

from terrazzo.models.foreign.translation import Rule, Translation, rename, tensor_of

_KIND = "(?:regular|dilated|asymmetric)"
RULES: tuple[Rule, ...] = (
    (r"^initial_block\.main_branch\.", "initial.conv."),
    (r"^initial_block\.batch_norm\.", "initial.after.0."),
    (r"^initial_block\.out_(?:prelu|activation)\.", "initial.after.1."),
    (r"^transposed_conv\.", "classify."),
    (r"^downsample(\d)_0\.", r"down_\1."),
    (r"^upsample(\d)_0\.", r"up_\1."),
    *((rf"^{_KIND}3_{place}\.", f"stage_3.{place}.") for place in range(8)),
    *((rf"^{_KIND}(\d)_{place + 1}\.", rf"stage_\1.{place}.") for place in range(8)),
    (r"\.main_conv1\.", ".main."),
    (r"\.out_(?:prelu|activation)\.", ".activation."),
    (r"\.ext_conv1\.", ".extension.0."),
    (r"\.ext_tconv1\.", ".extension.1.0."),
    (r"\.ext_tconv1_bnorm\.", ".extension.1.1."),
    (r"\.ext_tconv1_activation\.", ".extension.1.2."),
    (r"\.ext_conv3\.", ".extension.2."),
)
_EARLIER: tuple[Rule, ...] = ((r"\.ext_conv2\.", ".extension.1."),)
_LATER: tuple[Rule, ...] = ((r"^(up_\d)\.ext_conv2\.", r"\1.extension.2."), *_EARLIER)

_DECODER = ("up_4", "stage_4", "up_5", "stage_5")
_LATER_LINEAR = ("up_4.extension.2.2.weight", "up_5.extension.2.2.weight")


def translate(state: Mapping[str, Tensor]) -> Translation:
    """Return the network as ours.

    Raises:
        RequestError: the last layer is missing.
    """
    source = "davidtvs/PyTorch-ENet ENet"
    outputs = tensor_of(state, "transposed_conv.weight", source).shape[1]
    later = any(".ext_tconv1." in name for name in state)
    renamed = rename(state, (*RULES, *(_LATER if later else _EARLIER)))
    return Translation(
        source=source,
        architecture="enet",
        arguments={
            "num_classes": outputs,
            "window": 2 if later else 3,
            "decoder_activation": "prelu",
            "activate_expansion": True,
            "mean": (0.0, 0.0, 0.0),
            "std": (255.0, 255.0, 255.0),
        },
        state=_with_wide_kernels(renamed) | _slopes(renamed, linear=_LATER_LINEAR if later else ()),
    )


def _with_wide_kernels(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state with transposed convolutions of 2 x 2 as the 3 x 3 that do the same."""
    names = ("up_4.extension.1.0.weight", "up_5.extension.1.0.weight")
    small = {name: state[name] for name in names if name in state and state[name].shape[-1] == 2}
    return dict(state) | {name: F.pad(kernel, (1, 0, 1, 0)) for name, kernel in small.items()}


def _slopes(state: Mapping[str, Tensor], *, linear: tuple[str, ...]) -> dict[str, Tensor]:
    """Return the slopes of the activations, one per channel; those that should be there but are not stay out.

    Args:
        state: under our names.
        linear: activations that are none where the state has no slope for them.
    """
    widths = _activations(state)
    decoder = {name for name in widths if name.startswith(_DECODER)}
    slopes: dict[str, Tensor] = {}
    for part in (decoder, widths.keys() - decoder):
        default = {} if part & state.keys() else dict.fromkeys(part, 0.0)  # all of it ReLUs
        default |= dict.fromkeys(linear, 1.0)
        for name in part:
            if name in state:
                slopes[name] = state[name].expand(widths[name])
            elif name in default:
                slopes[name] = state["classify.weight"].new_full((widths[name],), default[name])
    return slopes


def _activations(state: Mapping[str, Tensor]) -> dict[str, int]:
    """Return the names of all slopes, each with its channels: those of the norm before it."""
    widths: dict[str, int] = {}
    for name, mean in state.items():
        if not name.endswith(".running_mean") or ".main." in name:
            continue
        sequence, place = name.removesuffix(".running_mean").rsplit(".", 1)
        widths[f"{sequence}.{int(place) + 1}.weight"] = len(mean)
        if sequence.endswith(".extension.2"):
            widths[f"{sequence.removesuffix('extension.2')}activation.weight"] = len(mean)
    return widths
