"""MODELS: every architecture by name. Nothing here imports torch until a network is built."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from terrazzo.models.base import SegmentationModel

    Builder = Callable[..., SegmentationModel]


@dataclass(frozen=True)
class Architecture:
    """One entry of MODELS: what it is, and how to get at its code."""

    title: str
    """One line for a list of models."""

    paper: str
    """Authors, title, address."""

    year: int
    """Of the paper."""

    encoder: str | None
    """The timm network it stands on unless another is asked for; None if it has its own."""

    load: "Callable[[], Builder]"
    """Imports the module and returns its build function, whose keywords are the model's options."""


def _fpn() -> "Builder":
    from terrazzo.models.fpn import build_fpn

    return build_fpn


def _unet() -> "Builder":
    from terrazzo.models.unet import build_unet

    return build_unet


def _unet_timm() -> "Builder":
    from terrazzo.models.unet_timm import build_unet_timm

    return build_unet_timm


_UNET_PAPER = (
    "Ronneberger, Fischer, Brox: U-Net: Convolutional Networks for Biomedical Image Segmentation, "
    "https://arxiv.org/abs/1505.04597"
)

MODELS: dict[str, Architecture] = {
    "fpn": Architecture(
        title="Semantic FPN: a feature pyramid, one branch per level, summed",
        paper=(
            "Kirillov, Girshick, He, Dollar: Panoptic Feature Pyramid Networks, section 4.1, "
            "https://arxiv.org/abs/1901.02446"
        ),
        year=2019,
        encoder="resnet50",
        load=_fpn,
    ),
    "unet": Architecture(
        title="U-Net as it is taught: two convolutions per level, padded, with batch norm",
        paper=_UNET_PAPER,
        year=2015,
        encoder=None,
        load=_unet,
    ),
    "unet-timm": Architecture(
        title="U-Net decoder on any timm encoder",
        paper=_UNET_PAPER,
        year=2015,
        encoder="resnet18",
        load=_unet_timm,
    ),
}
