"""The transformers: global attention, in the encoder or in the decoder."""

from typing import TYPE_CHECKING

from terrazzo.models.catalogue.entry import Architecture

if TYPE_CHECKING:
    from terrazzo.models.catalogue.entry import Network


def _eomt() -> "Network":
    from terrazzo.models.eomt import EoMT

    return EoMT


TRANSFORMERS: dict[str, Architecture] = {
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
}
