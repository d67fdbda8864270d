"""The transformers: global attention, in the encoder or in the decoder."""

from typing import TYPE_CHECKING

from terrazzo.models.catalogue.entry import Architecture

if TYPE_CHECKING:
    from terrazzo.models.catalogue.entry import Network


def _segformer() -> "Network":
    from terrazzo.models.segformer import SegFormer

    return SegFormer


TRANSFORMERS: dict[str, Architecture] = {
    "segformer": Architecture(
        title="SegFormer: Mix Transformer encoder, a linear layer per level, their fusion",
        paper=(
            "Xie, Wang, Yu, Anandkumar, Alvarez, Luo: SegFormer: Simple and Efficient Design for Semantic "
            "Segmentation with Transformers, https://arxiv.org/abs/2105.15203"
        ),
        year=2021,
        load=_segformer,
        encoder="mit_b0",
    ),
}
