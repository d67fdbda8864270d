"""The real-time networks: made for few multiply-adds and short latency."""

from typing import TYPE_CHECKING

from terrazzo.models.catalogue.entry import Architecture

if TYPE_CHECKING:
    from terrazzo.models.catalogue.entry import Network


def _ddrnet() -> "Network":
    from terrazzo.models.ddrnet import DDRNet

    return DDRNet


def _icnet() -> "Network":
    from terrazzo.models.icnet import ICNet

    return ICNet


def _pidnet() -> "Network":
    from terrazzo.models.pidnet import PIDNet

    return PIDNet


REAL_TIME: dict[str, Architecture] = {
    "ddrnet": Architecture(
        title="DDRNet: two resolutions with bilateral fusions, deep aggregation pyramid pooling",
        paper=(
            "Hong, Pan, Sun, Jia: Deep Dual-resolution Networks for Real-time and Accurate Semantic "
            "Segmentation of Road Scenes, https://arxiv.org/abs/2101.06085"
        ),
        year=2021,
        load=_ddrnet,
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
