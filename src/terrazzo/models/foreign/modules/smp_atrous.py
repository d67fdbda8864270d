"""segmentation_models_pytorch's PSPNet, DeepLabV3 and DeepLabV3Plus -> ours, weight by weight.

https://github.com/qubvel-org/segmentation_models.pytorch, MIT; read for version 0.6. Its ResNets are dilated
from the first block of a stage on, which is `dilate_first` with us.
"""

from typing import Any

import torch
from torch import Tensor, nn

from terrazzo.core.errors import RequestError
from terrazzo.models.foreign.modules.aspp import aspp_arguments, aspp_is_separable, aspp_rules, conv_rules
from terrazzo.models.foreign.modules.smp_encoder import (
    require_batch_norm,
    smp_arguments,
    smp_rules,
    smp_state,
)
from terrazzo.models.foreign.translation import Rule, Translation, rename

DECODER_STRIDE = 4
"""Of DeepLabV3Plus."""

_CLASSIFY: Rule = (r"^segmentation_head\.0\.", "classify.")


def translate_pspnet(module: Any) -> Translation:
    """Return a PSPNet of segmentation_models_pytorch in our words.

    Raises:
        RequestError: an encoder, a norm or an `upsampling` that ours do not have.
    """
    decoder = module.decoder
    norm = not isinstance(decoder.conv[1], nn.Identity)
    if norm:
        require_batch_norm(module, decoder)
    options = {
        "channels": decoder.conv[0].out_channels,
        "bins": tuple(block.pool_size for block in decoder.psp.blocks),
        "kernel_sizes": (decoder.conv[0].kernel_size[0], module.segmentation_head[0].kernel_size[0]),
        "dropout": decoder.dropout.p,
        "auxiliary": False,
        "norm": norm,
        "norm_single": False,
    }
    rules: list[Rule] = [
        (r"^decoder\.psp\.blocks\.(\d+)\.pool\.1\.", r"pyramid.branches.\1."),
        (r"^decoder\.conv\.", "fuse."),
    ]
    translation = _translation(module, "pspnet", options, rules, stride=module.encoder.output_stride)
    _features_first(translation.state, "fuse.0.weight", module.encoder.out_channels[-1])
    return translation


def translate_deeplabv3(module: Any) -> Translation:
    """Return a DeepLabV3 of segmentation_models_pytorch in our words.

    Raises:
        RequestError: an encoder or an `upsampling` that ours do not have.
    """
    aspp = module.decoder.aspp
    options = {
        "separable": aspp_is_separable(aspp),
        "depthwise_norm": False,
        "refine": True,
        **aspp_arguments(aspp),
    }
    rules: list[Rule] = [
        *aspp_rules(aspp, r"decoder\.aspp"),
        (r"^decoder\.conv\.", "refine.0."),
        (r"^decoder\.bn\.", "refine.1."),
    ]
    return _translation(module, "deeplabv3", options, rules, stride=module.encoder.output_stride)


def translate_deeplabv3plus(module: Any) -> Translation:
    """Return a DeepLabV3Plus of segmentation_models_pytorch in our words.

    Raises:
        RequestError: an encoder or an `upsampling` that ours do not have.
    """
    aspp = module.decoder.aspp[0]
    options = {
        "low_level_channels": module.decoder.block1[0].out_channels,
        "decoder_convs": 1,
        "separable": "everywhere" if aspp_is_separable(aspp) else "decoder",
        "depthwise_norm": False,
        "refine": True,
        **aspp_arguments(aspp),
    }
    rules: list[Rule] = [
        *aspp_rules(aspp, r"decoder\.aspp\.0"),
        (r"^decoder\.aspp\.1\.0\.", "refine.0."),
        (r"^decoder\.aspp\.1\.1\.", "refine.1.0."),
        (r"^decoder\.aspp\.2\.", "refine.1.1."),
        (r"^decoder\.block1\.", "reduce."),
        *conv_rules(r"decoder\.block2", "decoder.0", separable=True),
    ]
    return _translation(module, "deeplabv3plus", options, rules, stride=DECODER_STRIDE)


def _translation(
    module: Any, architecture: str, options: dict[str, Any], rules: list[Rule], *, stride: int
) -> Translation:
    """Return what the three have in common: encoder, classes, align_corners."""
    _require_full_size(module, stride)
    arguments = smp_arguments(module, dilated=True)
    return Translation(
        source=f"segmentation_models_pytorch {type(module).__name__}",
        architecture=architecture,
        arguments={
            **arguments,
            "encoder_options": _encoder_options(module, arguments.get("encoder_options", {})),
            "align_corners": True,
            **options,
        },
        state=rename(smp_state(module), [*rules, _CLASSIFY, *smp_rules(module)]),
    )


def _encoder_options(module: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options with the output stride said in any case, since our networks have another default.

    `tu-*` encoders are dilated by timm itself; the ResNets are torchvision's, dilated their own way.
    """
    stride = options.get("output_stride")
    theirs = {"dilate_first": True} if stride and hasattr(module.encoder, "layer1") else {}
    return {**options, "output_stride": stride, **theirs}


def _require_full_size(module: Any, stride: int) -> None:
    """Refuse masks of another size than the image's."""
    widen = module.segmentation_head[1]
    factor = 1 if isinstance(widen, nn.Identity) else widen.scale_factor
    if factor != stride:
        raise RequestError(
            f"This {type(module).__name__} has upsampling = {factor:g} at stride {stride}, so its masks are "
            "not as large as the image; those of our networks are. "
            f"Build it with upsampling = {stride} and load its weights there: they are the same."
        )


def _features_first(state: dict[str, Tensor], name: str, width: int) -> None:
    """Reorder input channels: theirs are the pooled scales, then the features; ours the reverse."""
    scales = state[name].shape[1] - width
    state[name] = torch.cat([state[name][:, scales:], state[name][:, :scales]], dim=1)
