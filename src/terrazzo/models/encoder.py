"""Any timm network as a pyramid of feature maps.

Shapes: B images, C channels, H x W image size, D feature width per level.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from terrazzo.core.errors import RequestError, closest
from terrazzo.models.dilation import dilate_whole_stages
from terrazzo.models.layers import initialise
from terrazzo.models.mit import MIT, in_timm, refuse_download
from terrazzo.models.weights import cached_or_reachable, weights_file


class Encoder(nn.Module):
    """A network's feature maps, finest first.

    Args:
        body: returns the levels as a sequence; NCHW, or NHWC where `channels_last_output` says so.
        channels: width of each level.
        strides: image pixels per feature, of each level; they never fall.
        mean: per channel in pixel units, where the weights expect one.
        std: per channel in pixel units, where the weights expect one.
        channels_last_output: the body returns (B, H, W, D), as Swin does.
    """

    def __init__(
        self,
        body: nn.Module,
        *,
        channels: Sequence[int],
        strides: Sequence[int],
        mean: tuple[float, ...] | None = None,
        std: tuple[float, ...] | None = None,
        channels_last_output: bool = False,
    ) -> None:
        super().__init__()
        self.body = body
        self.channels = tuple(channels)
        self.strides = tuple(strides)
        self.mean = mean
        self.std = std
        self.channels_last_output = channels_last_output

    def forward(self, image_BCHW: Tensor) -> list[Tensor]:
        """Return one (B, D, H / stride, W / stride) per level, finest first.

        Args:
            image_BCHW: normalised; H and W multiples of the coarsest stride.
        """
        levels: list[Tensor] = list(self.body(image_BCHW))
        if self.channels_last_output:
            return [level_BhwD.permute(0, 3, 1, 2) for level_BhwD in levels]
        return levels


def build_encoder(
    name: str,
    *,
    in_channels: int,
    pretrained: bool | str = False,
    options: Mapping[str, Any] | None = None,
) -> Encoder:
    """Build the pyramid of a timm network.

    Random weights: convolutions are initialised by `initialise`, the rest as timm does.

    Args:
        name: any timm architecture with a pyramid, with or without a weight tag (`resnet18.a1_in1k`), or one
            of MIT (`mit_b0`).
        in_channels: C; timm adapts pretrained first layers to any number.
        pretrained: True for timm's default weights (from the local cache, or downloaded), or the path of a
            .safetensors file with the weights of the whole timm network.
        options: further arguments of `timm.create_model`, for instance `output_stride` or, for ResNets,
            `channels=[32, 64, 128, 256]`. One is ours: `dilate_first=True` beside an `output_stride` dilates
            the first block of a ResNet's stage like its others (see `terrazzo.models.dilation`), as
            segmentation_models_pytorch does.

    Raises:
        RequestError: an unknown or unsuitable name, an option that the network does not have, or weights
            that cannot be had.
    """
    if pretrained is True:
        refuse_download(name)
    timm_name, timm_options = in_timm(name, options or {})
    arguments = {"in_chans": in_channels, **timm_options, **weight_arguments(timm_name, pretrained)}
    body = _timm_pyramid(timm_name, arguments)
    if not pretrained:
        initialise(body)
    mean, std = pixel_statistics(body.pretrained_cfg, in_channels) if pretrained else (None, None)
    encoder = Encoder(
        body,
        channels=body.feature_info.channels(),
        strides=[int(stride) for stride in body.feature_info.reduction()],
        mean=mean,
        std=std,
        channels_last_output=str(getattr(body, "output_fmt", "NCHW")).endswith("NHWC"),
    )
    _require_pyramid(name, encoder, in_channels)
    return encoder


def weight_arguments(name: str, pretrained: bool | str) -> dict[str, Any]:
    """Return what timm needs to load the weights that were asked for."""
    _require_known(name)
    if not pretrained:
        return {"pretrained": False}
    file = weights_file(pretrained) if isinstance(pretrained, str) else cached_or_reachable(name)
    return {"pretrained": True, **({"pretrained_cfg_overlay": {"file": str(file)}} if file else {})}


def _require_known(name: str) -> None:
    import timm

    if not timm.is_model(name):
        match = closest(name, [*timm.list_models(), *MIT])
        hint = f"did you mean {match!r}? " if match else ""
        raise RequestError(
            f"Unknown encoder {name!r}: {hint}"
            "Any convolutional or hierarchical network of timm.list_models() will do."
        )


def _timm_pyramid(name: str, arguments: Mapping[str, Any]) -> Any:
    """Return timm's feature network, whole stages dilated where `dilate_first` asks for it."""
    body = _for_all_sizes(name, {key: value for key, value in arguments.items() if key != "dilate_first"})
    if arguments.get("dilate_first"):
        dilate_whole_stages(name, body, arguments.get("output_stride") or 32)
    return body


def _for_all_sizes(name: str, arguments: Mapping[str, Any]) -> Any:
    """Return timm's feature network; one made for a single image size is made again for all."""
    body = create(name, {"features_only": True, **arguments})
    patch_embed = getattr(body, "patch_embed", None)
    if getattr(patch_embed, "strict_img_size", False) and "strict_img_size" not in arguments:
        return create(name, {"features_only": True, **arguments, "strict_img_size": False})
    return body


def create(name: str, arguments: Mapping[str, Any]) -> Any:
    """Return a timm network.

    Raises:
        RequestError: timm refuses the arguments, or the weights do not fit.
    """
    import timm

    try:
        return timm.create_model(name, **arguments)
    except (RuntimeError, TypeError, ValueError, KeyError, AttributeError, AssertionError) as error:
        given = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        reason = " ".join(str(error).split())[:300]
        raise RequestError(
            f"timm cannot build the encoder {name!r} with {given}: {reason}. "
            "Check the encoder options, and that the weights belong to this very network."
        ) from error


def _require_pyramid(name: str, encoder: Encoder, in_channels: int) -> None:
    """Refuse networks that give no pyramid, or not at every size; asked by running one small image."""
    advice = "Choose a convolutional or hierarchical encoder, such as resnet18, convnext_tiny or pvt_v2_b0."
    strides = ", ".join(map(str, encoder.strides))
    if len(set(encoder.strides)) < 2:
        raise RequestError(
            f"Encoder {name!r} has no pyramid of feature maps (strides {strides}); plain transformers are "
            f"not supported as encoders yet. {advice}"
        )
    height, width = 2 * encoder.strides[-1], 3 * encoder.strides[-1]
    expected = [(height // stride, width // stride) for stride in encoder.strides]
    if _level_sizes(encoder, (in_channels, height, width)) != expected:
        raise RequestError(
            f"Encoder {name!r} does not turn {height} x {width} pixels into maps at its strides {strides}: "
            f"it takes certain image sizes only, or its convolutions do not pad. {advice}"
        )


def _level_sizes(encoder: Encoder, image_shape: tuple[int, int, int]) -> list[tuple[int, int]] | None:
    """Return (h, w) of each level for one image (C, H, W), or None where the network refuses the size."""
    training = encoder.training
    encoder.eval()
    device = next(encoder.parameters()).device
    try:
        with torch.no_grad():
            levels = encoder(torch.zeros(1, *image_shape, device=device))
    except (AssertionError, RuntimeError):
        return None
    finally:
        encoder.train(training)
    return [(int(level.shape[2]), int(level.shape[3])) for level in levels]


def pixel_statistics(
    pretrained_cfg: Mapping[str, Any], in_channels: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and std of pretrained weights, times 255, for any number of channels.

    timm repeats the first layer's RGB weights over further channels and sums them for a single one; the
    statistics follow: repeated, or averaged.
    """
    mean, std = ([255 * float(value) for value in pretrained_cfg[key]] for key in ("mean", "std"))
    if in_channels == 1:
        return (sum(mean) / len(mean),), (sum(std) / len(std),)
    channels = range(in_channels)
    return tuple(mean[c % len(mean)] for c in channels), tuple(std[c % len(std)] for c in channels)
