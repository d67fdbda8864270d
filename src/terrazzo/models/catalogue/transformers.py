"""The transformers: global attention, in the encoder or in the decoder."""

from typing import TYPE_CHECKING

from terrazzo.models.catalogue.entry import Architecture

if TYPE_CHECKING:
    from terrazzo.models.catalogue.entry import Network


def _dpt() -> "Network":
    from terrazzo.models.dpt import DPT

    return DPT


def _eomt() -> "Network":
    from terrazzo.models.eomt import EoMT

    return EoMT


def _segformer() -> "Network":
    from terrazzo.models.segformer import SegFormer

    return SegFormer


def _setr() -> "Network":
    from terrazzo.models.setr import SETR

    return SETR


TRANSFORMERS: dict[str, Architecture] = {
    "dpt": Architecture(
        title="DPT: a plain vision transformer, reassembled into a pyramid and fused",
        paper=(
            "Ranftl, Bochkovskiy, Koltun: Vision Transformers for Dense Prediction, "
            "https://arxiv.org/abs/2103.13413"
        ),
        year=2021,
        load=_dpt,
        encoder="vit_base_patch16_384",
        encoder_kind="plain",
    ),
    "eomt": Architecture(
        title="EoMT: queries in the last blocks of a plain ViT say classes and masks, no decoder",
        paper=(
            "Kerssies, Cavagnero, Hermans, Norouzi, Averta, Leibe, Dubbelman, de Geus: Your ViT is Secretly "
            "an Image Segmentation Model, https://arxiv.org/abs/2503.19108"
        ),
        year=2025,
        load=_eomt,
        encoder="vit_base_patch14_reg4_dinov2",
        # The official code takes DINOv2's weights, made for patches of 14, to patches of 16.
        encoder_options={"patch_size": 16, "img_size": 512},
        encoder_kind="plain",
    ),
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
    "setr": Architecture(
        title="SETR: a plain vision transformer with a naive, a progressive or an aggregating decoder",
        paper=(
            "Zheng, Lu, Zhao, Zhu, Luo, Wang, Fu, Feng, Xiang, Torr, Zhang: Rethinking Semantic Segmentation "
            "from a Sequence-to-Sequence Perspective with Transformers, https://arxiv.org/abs/2012.15840"
        ),
        year=2021,
        load=_setr,
        encoder="vit_base_patch16_384",
        encoder_kind="plain",
    ),
}
