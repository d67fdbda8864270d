"""The real-time networks: made for few multiply-adds and short latency."""

from typing import TYPE_CHECKING

from terrazzo.models.catalogue.entry import Architecture

if TYPE_CHECKING:
    from terrazzo.models.catalogue.entry import Network


def _bisenet() -> "Network":
    from terrazzo.models.bisenet import BiSeNet

    return BiSeNet


def _bisenetv2() -> "Network":
    from terrazzo.models.bisenetv2 import BiSeNetV2

    return BiSeNetV2


def _cgnet() -> "Network":
    from terrazzo.models.cgnet import CGNet

    return CGNet


def _espnet() -> "Network":
    from terrazzo.models.espnet import ESPNet

    return ESPNet


def _fastscnn() -> "Network":
    from terrazzo.models.fastscnn import FastSCNN

    return FastSCNN


REAL_TIME: dict[str, Architecture] = {
    "bisenet": Architecture(
        title="BiSeNet: a wide path for detail beside a deep one for context, on any timm encoder",
        paper=(
            "Yu, Wang, Peng, Gao, Yu, Sang: BiSeNet: Bilateral Segmentation Network for Real-time Semantic "
            "Segmentation, https://arxiv.org/abs/1808.00897"
        ),
        year=2018,
        load=_bisenet,
        encoder="resnet18",
    ),
    "bisenetv2": Architecture(
        title="BiSeNet V2: detail and semantic branch, each guiding the other",
        paper=(
            "Yu, Gao, Wang, Yu, Shen, Sang: BiSeNet V2: Bilateral Network with Guided Aggregation for "
            "Real-time Semantic Segmentation, https://arxiv.org/abs/2004.02147"
        ),
        year=2021,
        load=_bisenetv2,
    ),
    "cgnet": Architecture(
        title="CGNet: blocks that join a pixel, its surroundings and the whole image",
        paper=(
            "Wu, Tang, Zhang, Cao, Zhang: CGNet: A Light-weight Context Guided Network for Semantic "
            "Segmentation, https://arxiv.org/abs/1811.08201"
        ),
        year=2021,
        load=_cgnet,
    ),
    "espnet": Architecture(
        title="ESPNet: a spatial pyramid of dilated convolutions in every block",
        paper=(
            "Mehta, Rastegari, Caspi, Shapiro, Hajishirzi: ESPNet: Efficient Spatial Pyramid of Dilated "
            "Convolutions for Semantic Segmentation, https://arxiv.org/abs/1803.06815"
        ),
        year=2018,
        load=_espnet,
    ),
    "fastscnn": Architecture(
        title="Fast-SCNN: two branches that share their first layers, about a million parameters",
        paper=(
            "Poudel, Liwicki, Cipolla: Fast-SCNN: Fast Semantic Segmentation Network, "
            "https://arxiv.org/abs/1902.04502"
        ),
        year=2019,
        load=_fastscnn,
    ),
}
