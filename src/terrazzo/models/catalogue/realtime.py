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


def _ddrnet() -> "Network":
    from terrazzo.models.ddrnet import DDRNet

    return DDRNet


def _espnet() -> "Network":
    from terrazzo.models.espnet import ESPNet

    return ESPNet


def _fastscnn() -> "Network":
    from terrazzo.models.fastscnn import FastSCNN

    return FastSCNN


def _icnet() -> "Network":
    from terrazzo.models.icnet import ICNet

    return ICNet


def _pidnet() -> "Network":
    from terrazzo.models.pidnet import PIDNet

    return PIDNet


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
    "ddrnet": Architecture(
        title="DDRNet: two resolutions with bilateral fusions, deep aggregation pyramid pooling",
        paper=(
            "Hong, Pan, Sun, Jia: Deep Dual-resolution Networks for Real-time and Accurate Semantic "
            "Segmentation of Road Scenes, https://arxiv.org/abs/2101.06085"
        ),
        year=2021,
        load=_ddrnet,
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
    "icnet": Architecture(
        title="ICNet: a cascade of three image resolutions, the deepest branch on the smallest",
        paper=(
            "Zhao, Qi, Shen, Shi, Jia: ICNet for Real-Time Semantic Segmentation on High-Resolution Images, "
            "https://arxiv.org/abs/1704.08545"
        ),
        year=2018,
        load=_icnet,
        encoder="resnet50s",
        encoder_options={"output_stride": 8},
    ),
    "pidnet": Architecture(
        title="PIDNet: branches for detail, context and boundaries, and a loss on boundaries",
        paper=(
            "Xu, Xiong, Bhattacharyya: PIDNet: A Real-time Semantic Segmentation Network Inspired by PID "
            "Controllers, https://arxiv.org/abs/2206.02066"
        ),
        year=2023,
        load=_pidnet,
    ),
}
