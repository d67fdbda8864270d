"""The real-time networks: made for few multiply-adds and short latency."""

from typing import TYPE_CHECKING

from terrazzo.models.catalogue.entry import Architecture

if TYPE_CHECKING:
    from terrazzo.models.catalogue.entry import Network


def _cgnet() -> "Network":
    from terrazzo.models.cgnet import CGNet

    return CGNet


def _espnet() -> "Network":
    from terrazzo.models.espnet import ESPNet

    return ESPNet


REAL_TIME: dict[str, Architecture] = {
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
}
